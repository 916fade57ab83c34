"""
Waiting for what becomes of records: the threads of a process wait together.

One of those that wait leads. It makes a round for all of them and hands out what
it found, so however many wait, one asks. In a process that certifies a round
decides the records; in one that does not it hears what a certifier decided,
until a deadline.

Not here: destroying what a record ended (`destroyer.py`), which comes before
anybody is told.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from memos_gov.destroyer import Destroyer
from memos_gov.domain.history import LogPosition, Outcome
from memos_gov.errors import CorruptionError, UnavailableError
from memos_gov.follow import Certifier
from memos_gov.ports import Snapshot, Tables

HEAR_S = 0.25
LOOK_S = 0.01

Found = Mapping[LogPosition, Outcome]


class Round(Protocol):
    """One try at the outcomes of records."""

    def __call__(self, wanted: Collection[LogPosition]) -> Found:
        """
        Return the outcomes of those that are decided, others too; within HEAR_S or so.

        Raises:
            UnavailableError: A store did not answer.
        """


class Certified:
    """A round of a process that certifies: afterwards everything wanted is decided."""

    def __init__(self, certifier: Certifier, destroyer: Destroyer, tables: Tables) -> None:
        self._certifier = certifier
        self._destroyer = destroyer
        self._tables = tables

    def __call__(self, wanted: Collection[LogPosition]) -> Found:
        """See `Round`; what another process certified meanwhile is looked up."""
        decided: dict[LogPosition, Outcome] = {}
        for last in {each.partition: each for each in sorted(wanted)}.values():
            for batch in self._certifier.batches(last):
                decided |= {item.position: item.outcome for item in batch}
                self._destroyer.follow(batch)
        missing = [position for position in wanted if position not in decided]
        return {**decided, **_looked_up(self._tables, missing)} if missing else decided


class Heard:
    """A round of a process that does not certify: it hears of what others decided."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def __call__(self, wanted: Collection[LogPosition]) -> Found:
        """See `Round`; nothing is missed between the look and the wait."""
        with self._tables.watch() as watch:
            if found := _looked_up(self._tables, wanted):
                return found
            try:
                heard = watch.wait(HEAR_S)
            except UnavailableError:  # (it is not known whether there was one: look)
                heard = False
        if not heard and not self._tables.supports_watching:
            time.sleep(LOOK_S)
        return _looked_up(self._tables, wanted)


def _looked_up(tables: Tables, wanted: Collection[LogPosition]) -> Found:
    with tables.snapshot() as snapshot:
        ends = {each.partition: 0 for each in wanted}
        ends = {partition: snapshot.certified(partition) for partition in ends}
        decided = [each for each in wanted if each.offset < ends[each.partition]]
        return {each: _outcome(snapshot, each) for each in decided}


def _outcome(snapshot: Snapshot, position: LogPosition) -> Outcome:
    outcome = snapshot.outcome(position)
    if outcome is None:
        msg = "a certified record has no outcome"
        raise CorruptionError(msg, place=position.place)
    return outcome


class Deciding:
    """Gives records their outcomes; safe to use from many threads at once."""

    def __init__(self, make_round: Round, deadline_s: float | None = None) -> None:
        """
        Take what makes a round.

        Args:
            deadline_s: How long to wait for others; None where rounds decide themselves.
        """
        self._round = make_round
        self._deadline_s = deadline_s
        self._changed = threading.Condition()
        self._waiting: dict[LogPosition, Outcome | None] = {}
        self._is_led = False

    def outcomes(self, positions: Sequence[LogPosition]) -> list[Outcome]:
        """
        Return the outcome of each record, once all of them are decided.

        Raises:
            UnavailableError: Nobody decided them in time, or a store did not
                answer; they stand in the log, and their outcome is unknown.
        """
        end = None if self._deadline_s is None else time.monotonic() + self._deadline_s
        with self._changed:
            self._waiting.update(dict.fromkeys(positions))
        try:
            while (wanted := self._turn(positions, end)) is not None:
                self._lead(wanted)
            with self._changed:
                found = [self._waiting[position] for position in positions]
        finally:
            with self._changed:
                for position in positions:
                    self._waiting.pop(position, None)
        return [outcome for outcome in found if outcome is not None]

    def _turn(self, mine: Sequence[LogPosition], end: float | None) -> list[LogPosition] | None:
        """Wait to lead, and return what everybody wants then; None once `mine` are decided."""
        with self._changed:
            while any(self._waiting[position] is None for position in mine):
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise _undecided()
                if not self._is_led:
                    self._is_led = True
                    return [each for each, outcome in self._waiting.items() if outcome is None]
                self._changed.wait(left)
        return None

    def _lead(self, wanted: Sequence[LogPosition]) -> None:
        """Make a round, and hand on what it found and the lead."""
        found: Found = {}
        try:
            found = self._round(wanted)
        finally:
            with self._changed:
                self._is_led = False
                for position in self._waiting.keys() & found.keys():
                    self._waiting[position] = found[position]
                self._changed.notify_all()


def _undecided() -> UnavailableError:
    msg = "no certifier decided the record in time, so the outcome is unknown"
    remedy = "Send the same command id again; see that `memos-gov worker certifier` runs somewhere."
    return UnavailableError(msg, backend="certifier", remedy=remedy)
