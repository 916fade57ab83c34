"""An open data folder: who may act in it, its tenants, and how it stands."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from memos_gov.domain import commands as c
from memos_gov.domain.ids import is_tenant
from memos_gov.domain.questions import Caller
from memos_gov.errors import NotFoundError
from memos_gov.founding import found_tenant, roll_back_policy
from memos_gov.naming import opaque
from memos_gov.proposer import VIA, new_command_id

if TYPE_CHECKING:
    from memos_gov.fsck.report import Progress
    from memos_gov.proving import Certificate
    from memos_gov.queries.standing import Status
    from memos_gov.schedule import ScheduleReport


from memos_gov.service.actor import Actor
from memos_gov.service.rooms import Rooms


class Service:
    """An open data folder. Use it in a `with`, or call `close`."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """
        Release every file; what was acknowledged stays. Closing again does nothing.

        Raises:
            UnavailableError: The vault did not answer; every file is released,
                and what is left to destroy is destroyed at the next opening.
        """
        if not self._open:
            return
        self._open = False
        try:
            self.rooms.governor.close()
            self.rooms.destroyer.settle()
            self.rooms.governor.leasing.release()
        finally:
            self.rooms.close()

    def acting_as(
        self,
        principal: str,
        *,
        tenant: str | None = None,
        purpose: str | None = None,
        session: str | None = None,
        channel: str | None = None,
        region: str | None = None,
        approval: str | None = None,
    ) -> Actor:
        """
        Return an actor for a principal of a tenant.

        Whoever can read the folder's operator key may act as any principal;
        each record says so (`via`). A principal that was never added is
        refused by policy, not here.

        Raises:
            InvalidCommandError: Names the circumstance that cannot be one.
            NotFoundError: There is no such tenant.
        """
        settings, keys = self.rooms.settings, self.rooms.governor.keys
        said = c.make(
            c.Circumstances,
            principal=principal,
            tenant=settings.tenant if tenant is None else tenant,
            purpose=settings.purpose if purpose is None else purpose,
            session=session,
            channel=channel,
            region=region,
            approval=approval,
        )
        self._require_tenant(said.tenant)
        caller = Caller(
            tenant=said.tenant,
            principal=opaque(keys, said.tenant, "principal", said.principal),
            via=VIA,
            purpose=said.purpose,
            correlation=said.session or new_command_id(),
            session=said.session,
            channel=said.channel,
            region=said.region,
            approval=said.approval,
        )
        return Actor(self.rooms, caller, said.principal)

    def add_tenant(self, tenant: str, *, principal: str) -> int:
        """
        Found a tenant under the shipped policy; return its first index, 0.

        Raises:
            InvalidCommandError: Names `tenant` or `principal`; nothing was written.
            ConflictError: The tenant exists.
        """
        said = c.make(
            c.Circumstances, principal=principal, tenant=tenant, purpose=self.rooms.settings.purpose
        )
        bundle = self.rooms.shipped()
        self.rooms.bundles.put(bundle)
        words = bundle.vocabulary
        return found_tenant(
            self.rooms.governor,
            said.tenant,
            said.principal,
            policy=bundle.digest,
            clearance=max(words.labels, key=lambda label: words.labels[label]),
            purposes=tuple(sorted(words.purposes)),
            verifier_key=self.rooms.verifier_key,
            recovery_key=self.rooms.recovery_key(),
        )

    def certificate(self, erasure: str, *, tenant: str | None = None) -> Certificate:
        """
        Return the certificate of a completed erasure, for whoever may open the folder.

        It holds ids, reasons, times and proofs; no name, no content. `save`
        writes two files that a stranger verifies with the verifier key alone.

        Raises:
            NotFoundError: There is no such tenant, or it has no such erasure.
            ConflictError: The erasure is not complete yet.
            CorruptionError: The log does not give what was recorded.
        """
        from memos_gov.erasure.certifying import certificate

        rooms = self.rooms
        tenant = rooms.settings.tenant if tenant is None else tenant
        self._require_tenant(tenant)
        return certificate(rooms.governor, rooms.prover, rooms.eraser, tenant, erasure)

    def status(self) -> Status:
        """Return how the folder stands; nothing is recorded."""
        from memos_gov.queries.standing import status

        return status(
            self.rooms.governor, self.rooms.keyring, self.rooms.index, self.rooms.settings.data
        )

    def schedule(
        self,
        now: datetime | None = None,
        *,
        dry_run: bool = False,
        tenant: str | None = None,
        progress: Progress | None = None,
    ) -> ScheduleReport:
        """
        Do what is due in a tenant by `now`, or (`dry_run`) say what would be done.

        A worker of the engine acts, under policy's verdict on each cube. Without
        `now` things are due by the clock, unless that has jumped ahead; a dry run
        may look into the future.

        Raises:
            InvalidCommandError: Names `now`; nothing was written.
            NotFoundError: There is no such tenant.
            DeniedError: Policy lets no schedule run; recorded.
            PolicyUnavailableError: Policy did not answer; what was done before stays.
        """
        from memos_gov.schedule import Scheduler

        tenant = self.rooms.settings.tenant if tenant is None else tenant
        self._require_tenant(tenant)
        rooms = self.rooms
        run = Scheduler(rooms.governor, rooms.follower, rooms.eraser, tenant)
        return run.run(now, dry_run=dry_run, progress=progress)

    def has_due(self, tenant: str) -> bool:
        """
        Return whether a run of a tenant's schedule would do something now; nothing is recorded.

        Raises:
            NotFoundError: There is no such tenant.
            PolicyUnavailableError: Policy did not answer.
        """
        from memos_gov.schedule import Scheduler

        self._require_tenant(tenant)
        rooms = self.rooms
        return Scheduler(rooms.governor, rooms.follower, rooms.eraser, tenant).has_work()

    def roll_back_policy(
        self, policy: str, *, recovery_key: bytes, tenant: str | None = None
    ) -> int:
        """
        Bring a formerly active policy back with the recovery key; return the index.

        Raises:
            InvalidCommandError: Names `policy` or `recovery_key`: it cannot be one.
            NotFoundError: There is no such tenant.
            ConflictError: The key is not the tenant's, or the policy was never active.
        """
        tenant = self.rooms.settings.tenant if tenant is None else tenant
        wanted = c.make(c.ActivatePolicy, policy=policy)
        self._require_tenant(tenant)
        return roll_back_policy(self.rooms.governor, tenant, wanted.policy, recovery_key)

    def _require_tenant(self, tenant: str) -> None:
        with self.rooms.governor.tables.snapshot() as snapshot:
            if not is_tenant(tenant) or snapshot.index(tenant) < 0:
                raise NotFoundError("there is no such tenant")
