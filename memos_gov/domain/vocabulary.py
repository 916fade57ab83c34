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
    Refuse times that cannot be.

    Content, labels and bases do not begin in the future; a label or a basis
    does not end there either, since only an event changes what is in force;
    and nothing ends before it begins, which is now where nothing else is said.
    An event has happened, and a hold is not over.

    Raises:
        InvalidCommandError: Names `valid_from`, `valid_to` or `occurred_at`.
    """
    if isinstance(command, c.PlaceHold):
        _check_end(command, now)
    if isinstance(command, c.TriggerRetention):
        _check_past(command, "occurred_at", now)
    if isinstance(command, _OF_NOW):
        _check_past(command, "valid_from", now)
    if isinstance(command, _IN_FORCE):
        _check_past(command, "valid_to", now)
    if not isinstance(command, c.ReviseCube) or command.mode == "overwrite":
        _check_order(command, now)
    for word in getattr(command, "consents", ()):
        _check_order(word, now, "consents.")


_OF_NOW = (c.RememberCube, c.ReviseCube, c.RelabelCube, c.RebaseCube)
_IN_FORCE = (c.RelabelCube, c.RebaseCube)


def _check_past(command: c.Command, field: str, now: datetime) -> None:
    moment = getattr(command, field)
    if moment is not None and (moment - now).total_seconds() > AHEAD_MAX_S:
        msg = f"{field}: lies in the future"
        raise InvalidCommandError(msg, field=field)


def _check_end(command: c.PlaceHold, now: datetime) -> None:
    if command.valid_to is not None and command.valid_to <= now:
        msg = "valid_to: has passed, so nothing would be held"
        raise InvalidCommandError(msg, field="valid_to")


def _check_order(command: c.Command, now: datetime, place: str = "") -> None:
    """Refuse an end before now where no beginning is named; else the command was checked."""
    begins, ends = getattr(command, "valid_from", None), getattr(command, "valid_to", None)
    if begins is None and ends is not None and (ends <= now or isinstance(command, _IN_FORCE)):
        field = f"{place}valid_to"
        msg = f"{field}: is over already; name valid_from too"
        raise InvalidCommandError(msg, field=field)
