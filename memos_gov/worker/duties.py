"""
What a worker can be there for: certifying, the index, the schedule.

A step does everything there is to do now and says how much that was. Repeating
a step changes nothing, so a duty may run in any number of processes at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Protocol

from memos_gov.domain.history import Decided, Outcome
from memos_gov.errors import ConflictError, DeniedError, NotFoundError
from memos_gov.service import Rooms, Service

DUTIES = ("certifier", "plaintext", "schedule")


class Duty(Protocol):
    """Something that a worker does again and again."""

    @property
    def name(self) -> str:
        """The word for it, one of DUTIES."""

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

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._newest: dict[str, Outcome] = {}

    def step(self) -> int:
        """Certify to the end of the log; return how many records that were."""
        rooms, count = self._rooms, 0
        for batch in rooms.governor.certifier.batches():
            count += len(batch)
            rooms.destroyer.follow(batch)
            self._remember(batch)
        if count:
            rooms.follower.catch_up()
        # A head is also due when time has passed, so an idle step asks again.
        rooms.notary.after(self._newest.values())
        return count

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
        """Bring the index up; return how many records that took."""
        return self._rooms.index_follower.catch_up()


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
        with self._service.rooms.governor.tables.snapshot() as snapshot:
            tenants = [tenant for tenant in snapshot.tenants() if not tenant.startswith("_")]
        touched = sum(self._run(tenant) for tenant in tenants)
        self._next = monotonic() + self._every_s
        return touched

    def _run(self, tenant: str) -> int:
        try:
            return sum(self._service.schedule(tenant=tenant).done.values())
        except (ConflictError, DeniedError, NotFoundError):
            return 0  # policy lets no schedule run there, which is recorded


def duties_of(service: Service, names: Sequence[str], *, schedule_s: float) -> list[Duty]:
    """Return the duties of these names, each once, in the order of DUTIES."""
    rooms = service.rooms
    made: dict[str, Duty] = {
        "certifier": Certifying(rooms),
        "plaintext": Indexing(rooms),
        "schedule": Scheduling(service, schedule_s),
    }
    return [made[name] for name in DUTIES if name in names]
