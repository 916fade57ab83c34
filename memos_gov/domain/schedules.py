"""
Schedules of retention: what a bundle's data may say of a class, and what contradicts itself.

A schedule that contradicts itself would end a cube too early or never, so it is
refused before a bundle decides anything; the rules that read it are Rego.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec

from memos_gov.errors import InvalidCommandError

Period = Annotated[int, msgspec.Meta(ge=0)]
REMEDY = "Correct the schedule in the policies' retention data, then check and build them again."


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What is scheduled for a retention class; periods are counted from the trigger.

    The law keeps for `statutory_s`, whoever runs the tenant for `min_s`, and at
    `max_s` follows what `then` says; `review`: not before a second person approved.
    """

    statutory_s: Period
    min_s: Period
    max_s: Period
    trigger: Literal["creation", "change", "event", "last_use"]
    then: Literal["archive", "expire", "erase"]
    review: bool


class _Retention(msgspec.Struct):
    grace_s: Period
    schedule: dict[str, Any]


class _Vocabulary(msgspec.Struct):
    retention_classes: tuple[str, ...]


class _Data(msgspec.Struct):
    retention: _Retention
    vocabulary: _Vocabulary


def check_schedules(data: object) -> None:
    """
    Refuse schedules that contradict themselves, or that do not fit a bundle's classes.

    Args:
        data: A bundle's data below `memos_gov`.

    Raises:
        InvalidCommandError: Names the first class at fault, or the data that are missing.
    """
    try:
        known = msgspec.convert(data, _Data)
    except msgspec.ValidationError as error:
        msg = f"policy: {error}"
        raise InvalidCommandError(msg, field="policy", remedy=REMEDY) from None
    for name, fault in _faults(known):
        msg = f"policy: retention class {name}: {fault}"
        raise InvalidCommandError(msg, field="policy", remedy=REMEDY)


def _faults(data: _Data) -> Iterator[tuple[str, str]]:
    """Yield (class, what is wrong with it), in order of the class."""
    schedules, classes = data.retention.schedule, data.vocabulary.retention_classes
    for name in sorted({*schedules, *classes}):
        if name not in schedules:
            yield name, "there is no schedule for it"
        elif name not in classes:
            yield name, "the vocabulary has no such class"
        else:
            yield from ((name, fault) for fault in _contradictions(schedules[name]))


def _contradictions(entry: object) -> Iterator[str]:
    try:
        schedule = msgspec.convert(entry, Schedule)
    except msgspec.ValidationError as error:
        yield str(error)
        return
    limit = f"the maximum ({schedule.max_s} s)"
    if schedule.min_s > schedule.max_s:
        yield f"the minimum ({schedule.min_s} s) is over {limit}"
    if schedule.statutory_s > schedule.max_s:
        yield f"the statutory minimum ({schedule.statutory_s} s) is over {limit}"
