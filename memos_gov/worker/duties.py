"""
What a worker can be there for: certifying, the index, the schedule.

A step does what there is to do now, a few batches of each partition at most, and
says how much that was. So a stop waits for seconds, not for a backlog, and no
partition keeps another waiting. Repeating a step changes nothing, so a duty may
run in any number of processes at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from time import monotonic
from typing import Protocol

from memos_gov.domain.history import Decided, Outcome
from memos_gov.errors import ConflictError, DeniedError, InvalidCommandError, NotFoundError
from memos_gov.service import Rooms, Service

DUTIES = ("certifier", "plaintext", "schedule")
BATCHES_MAX = 4
REFRESH_S = 5.0
PRESENCE_S = 1.0


class Duty(Protocol):
    """Something that a worker does again and again."""

    @property
    def name(self) -> str:
        """The word for it: one of DUTIES, or `presence`."""

    def step(self) -> int:
        """
        Do what there is to do; return how many records or cubes that were, 0 for none.

        Raises:
            UnavailableError: A backend did not answer; step again.
            CorruptionError, SettingsError: A person is needed.
        """


class Certifying:
    """Decides what stands in the log, shows it to the views, ends keys, signs heads."""

    name = "certifier"

    def __init__(self, rooms: Rooms, partitions: Sequence[int] | None = None) -> None:
        """
        Take the rooms.

        Args:
            partitions: Which to certify; all of the log when None.

        Raises:
            InvalidCommandError: The log has no such partition.
        """
        held = range(rooms.governor.log.partitions)
        if partitions is not None and not set(partitions) <= set(held):
            msg = f"partitions: the log has those from 0 to {held[-1]}"
            raise InvalidCommandError(msg, field="partitions")
        self._partitions = held if partitions is None else sorted(set(partitions))
        self._rooms = rooms
        self._newest: dict[str, Outcome] = {}
        self._refresh_at = 0.0
        self._is_shown = False

    def step(self) -> int:
        """Certify a few batches of each partition; return how many records that were."""
        rooms, count = self._rooms, 0
        for partition in self._partitions:
            batches = rooms.governor.certifier.batches(partition=partition)
            for batch in islice(batches, BATCHES_MAX):
                count += len(batch)
                rooms.destroyer.follow(batch)
                self._remember(batch)
        if monotonic() >= self._refresh_at:
            self._take_over()
        if count or not self._is_shown:
            self._is_shown = rooms.follower.catch_up(batches_max=BATCHES_MAX)
        # A head is also due when time has passed, so an idle step asks again.
        rooms.notary.after(self._newest.values())
        return count

    def _take_over(self) -> None:
        """Go on with what another certifier decided and did not live to finish."""
        rooms = self._rooms
        rooms.destroyer.catch_up()
        with rooms.governor.tables.snapshot() as snapshot:
            for tenant in snapshot.tenants():
                found = snapshot.decided(tenant, snapshot.index(tenant))
                if found is not None:
                    self._newest[tenant] = found[1]
        self._is_shown = False
        self._refresh_at = monotonic() + REFRESH_S

    def _remember(self, batch: Sequence[Decided]) -> None:
        for item in batch:
            if not item.repeats:
                self._newest[item.outcome.tenant] = item.outcome


class Indexing:
    """Keeps the index where the certifier is."""

    name = "plaintext"

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def step(self) -> int:
        """Bring the index up, a few batches; return how many records that took."""
        return self._rooms.index_follower.catch_up(batches_max=BATCHES_MAX)


class Scheduling:
    """Does what is due in every tenant, and goes on with erasures that are open."""

    name = "schedule"

    def __init__(self, service: Service, every_s: float) -> None:
        self._service = service
        self._every_s = every_s
        self._next = 0.0

    def step(self) -> int:
        """Run the schedule of every tenant when it is time; return how many cubes were touched."""
        if monotonic() < self._next:
            return 0
        rooms = self._service.rooms
        with rooms.governor.tables.snapshot() as snapshot:
            tenants = [tenant for tenant in snapshot.tenants() if not tenant.startswith("_")]
        rooms.eraser.resume()
        touched = sum(self._run(tenant) for tenant in tenants)
        self._next = monotonic() + self._every_s
        return touched

    def _run(self, tenant: str) -> int:
        """Run where a look, which writes nothing, finds something to do: a run is a record."""
        try:
            if not self._service.has_due(tenant):
                return 0
            return sum(self._service.schedule(tenant=tenant).done.values())
        except (ConflictError, DeniedError, InvalidCommandError, NotFoundError):
            # Policy lets no schedule run there, which is recorded; or the clock has
            # jumped, so that a person has to say by when things are due.
            return 0


class Presence:
    """Says every second that this worker has nothing open of what ended before, and its name."""

    name = "presence"

    def __init__(self, rooms: Rooms, worker: str | None = None) -> None:
        """
        Take the name of the worker, where it has one.

        Raises:
            SettingsError: Another worker of this instance has it.
        """
        self._leasing = rooms.governor.leasing
        self._worker = worker
        self._next = 0.0
        self._claim()

    def _claim(self) -> None:
        if self._worker is not None:
            self._leasing.claim(self._worker)

    def step(self) -> int:
        """Renew lease and name when it is time, so that no erasure waits for a worker; return 0."""
        if monotonic() >= self._next:
            self._claim()
            self._leasing.begin_anew()
            self._next = monotonic() + PRESENCE_S
        return 0


def duties_of(
    service: Service,
    names: Sequence[str],
    *,
    schedule_s: float,
    partitions: Sequence[int] | None = None,
    worker: str | None = None,
) -> list[Duty]:
    """
    Return the duties of these names, each once, in the order of DUTIES; `Presence` is the last.

    Raises:
        InvalidCommandError: The log has no such partition.
        SettingsError: Another worker of this instance has the name `worker`.
    """
    rooms = service.rooms
    made: dict[str, Duty] = {
        "certifier": Certifying(rooms, partitions),
        "plaintext": Indexing(rooms),
        "schedule": Scheduling(service, schedule_s),
    }
    return [*(made[name] for name in DUTIES if name in names), Presence(rooms, worker)]
