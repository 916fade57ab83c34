"""The dispatch: one function an event, in the files beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch

import msgspec

from memos_gov.domain import events as e
from memos_gov.domain.facts import (
    Facts,
)


class Occurrence(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where and by whom an event happened; `now` is its record's time in seconds.

    `correlation` is the stream of what the actor read in this session, "" where
    reads leave no trace there; `struck` are the cubes that a read did not return.
    """

    tenant: str
    index: int
    now: int
    actor: str
    key_id: str = ""
    correlation: str = ""
    struck: frozenset[str] = frozenset()


Known = Mapping[str, Facts]


Changes = dict[str, Facts]


@singledispatch
def evolve(event: e.Event, at: Occurrence, known: Known) -> Changes:
    """
    Return the new facts of the touched streams.

    Args:
        event: What happened.
        at: Where it happened.
        known: The facts of at least the touched streams (`touched`); a stream
            that is absent was never written.
    """
    return {}
