"""Whether words are known to the policy that judges them, and whether times have come."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from memos_gov.domain import commands as c
from memos_gov.domain.bundle import Vocabulary
from memos_gov.domain.lifecycle import STATES
from memos_gov.errors import InvalidCommandError

AHEAD_MAX_S = 5


def check_words(command: object, words: Vocabulary) -> None:
    """
    Refuse a word outside the closed vocabularies, in any fields that are named as theirs.

    Raises:
        InvalidCommandError: Names the field and the words that it may hold.
    """
    for field, allowed in _vocabularies(words).items():
        value = getattr(command, field, None)
        if value is not None:
            _check(field, (value,) if isinstance(value, str) else value, allowed)
    for consent in getattr(command, "consents", ()):
        _check("consents.purpose", (consent.purpose,), words.purposes)


def _vocabularies(words: Vocabulary) -> dict[str, Collection[str]]:
    return {
        "label": words.labels,
        "clearance": words.labels,
        "purpose": words.purposes,
        "purposes": words.purposes,
        "basis": words.bases,
        "region": words.regions,
        "regions": {*words.regions, "*"},
        "retention_class": words.retention_classes,
        "semantic_type": words.semantic_types,
        "priority": words.priorities,
        "roles": words.roles,
        "state": STATES,
    }


def _check(field: str, values: Iterable[str], allowed: Collection[str]) -> None:
    for value in values:
        if value not in allowed:
            msg = f"{field}: unknown word; known are {', '.join(sorted(allowed))}"
            raise InvalidCommandError(msg, field=field)


def check_times(command: c.Command, now: datetime) -> None:
    """
    Refuse what cannot be at this time.

    Content that would begin to be true in the future, an event that has not
    happened, a hold that is over.

    Raises:
        InvalidCommandError: Names `valid_from`, `occurred_at` or `valid_to`.
    """
    end = command.valid_to if isinstance(command, c.PlaceHold) else None
    if end is not None and end <= now:
        msg = "valid_to: has passed, so nothing would be held"
        raise InvalidCommandError(msg, field="valid_to")
    for kinds, field in _PAST:
        start = getattr(command, field, None) if isinstance(command, kinds) else None
        if start is not None and (start - now).total_seconds() > AHEAD_MAX_S:
            msg = f"{field}: lies in the future"
            raise InvalidCommandError(msg, field=field)


_PAST: tuple[tuple[tuple[type[c.Command], ...], str], ...] = (
    ((c.RememberCube, c.ReviseCube), "valid_from"),
    ((c.TriggerRetention,), "occurred_at"),
)
