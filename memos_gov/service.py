"""
The Python face: `gov.acting_as(...)` and the verbs of a memory's life.

An `Actor` turns friendly words into commands; everything goes through the
Governor or the Reader, so nothing here decides anything. Keyword-only after
the first argument; results are frozen; a refusal raises and is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from memos_gov.domain import commands as c
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.domain.ids import is_tenant
from memos_gov.domain.questions import Caller
from memos_gov.errors import NotFoundError
from memos_gov.follow import Follower
from memos_gov.founding import VIA, found_tenant, roll_back_policy
from memos_gov.governor import Governor, new_command_id
from memos_gov.materializers.plaintext import IndexFollower
from memos_gov.naming import opaque
from memos_gov.ports import CubeIndex, PolicyBundles
from memos_gov.recall import Hit, Reader, Reading
from memos_gov.receipts import Receipt
from memos_gov.settings import Settings

if TYPE_CHECKING:
    from memos_gov.queries.asking import Evidence
    from memos_gov.queries.audits import Audit
    from memos_gov.queries.cases import Case
    from memos_gov.queries.explain import Explanation
    from memos_gov.queries.history import History
    from memos_gov.queries.log_pages import Entry, WholeEntry
    from memos_gov.queries.principals import Principal
    from memos_gov.queries.standing import Identity, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Everything `bootstrap` built for one data folder."""

    settings: Settings
    governor: Governor
    reader: Reader
    follower: Follower
    index_follower: IndexFollower
    index: CubeIndex
    bundles: PolicyBundles
    verifier_key: str
    recovery_key: Callable[[], str]
    shipped: Callable[[], PolicyBundle]
    close: Callable[[], None]


class Service:
    """An open data folder. Use it in a `with`, or call `close`."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms

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
        """Release every file; what was acknowledged stays."""
        try:
            self.rooms.governor.close()
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

    def status(self) -> Status:
        """Return how the folder stands; nothing is recorded."""
        from memos_gov.queries.standing import status

        return status(self.rooms.governor, self.rooms.index, self.rooms.settings.data)

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


class Actor:
    """One principal, acting in one tenant for one purpose."""

    def __init__(self, rooms: Rooms, caller: Caller, name: str) -> None:
        self.rooms = rooms
        self.caller = caller
        self.name = name

    @property
    def policy(self) -> str:
        """The digest of the tenant's active policy."""
        with self.rooms.governor.tables.snapshot() as snapshot:
            return self.rooms.governor.attempt(snapshot, self.caller).policy.active

    def handle(
        self, command: c.Command, *, command_id: str | None = None, dry_run: bool = False
    ) -> Receipt:
        """Send any command; see `Governor.handle`."""
        return self.rooms.governor.handle(
            self.caller, command, command_id=command_id, dry_run=dry_run
        )

    def remember(
        self,
        content: str,
        *,
        subjects: Sequence[str] = (),
        label: str | None = None,
        purposes: Sequence[str] | None = None,
        basis: str | None = None,
        retention_class: str | None = None,
        region: str | None = None,
        priority: str = "normal",
        semantic_type: str = "fact",
        origin: Literal["user", "agent", "import", "inference"] = "user",
        author: str | None = None,
        conversation: str | None = None,
        position: int | None = None,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        consents: Sequence[c.Consent] = (),
        command_id: str | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Keep a memory; what is not said comes from the settings."""
        settings = self.rooms.settings
        command = c.make(
            c.RememberCube,
            content=content,
            subjects=subjects,
            label=label or settings.label,
            purposes=purposes or (self.caller.purpose,),
            basis=basis or settings.basis,
            retention_class=retention_class or settings.retention_class,
            region=region or settings.region,
            priority=priority,
            semantic_type=semantic_type,
            origin=origin,
            author=author,
            conversation=conversation,
            position=position,
            valid_from=valid_from,
            valid_to=valid_to,
            metadata={} if metadata is None else metadata,
            consents=consents,
        )
        return self.handle(command, command_id=command_id, dry_run=dry_run)

    def revise(
        self,
        cube: str,
        content: str,
        *,
        mode: Literal["overwrite", "append"] = "overwrite",
        expected_revision: int | None = None,
        metadata: Mapping[str, str] | None = None,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Give a cube new content."""
        return self._do(
            c.ReviseCube,
            dry_run=dry_run,
            cube=cube,
            content=content,
            mode=mode,
            expected_revision=expected_revision,
            metadata=metadata,
            valid_from=valid_from,
            valid_to=valid_to,
        )

    def recall(self, query: str, *, k: int = 5) -> Reading:
        """Return the `k` most relevant cubes that may be read, best first."""
        return self.rooms.reader.read(self.caller, c.make(c.RecallCubes, query=query, k=k))

    def get(self, cube: str) -> Hit:
        """Return one cube."""
        return self.rooms.reader.read(self.caller, c.make(c.ReadCube, cube=cube)).hits[0]

    def list(
        self,
        *,
        subject: str | None = None,
        label: str | None = None,
        state: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Reading:
        """Return the facts of cubes that may be read, newest first; content stays sealed."""
        command = c.make(
            c.ListCubes, subject=subject, label=label, state=state, limit=limit, after=after
        )
        return self.rooms.reader.read(self.caller, command)

    def share(
        self,
        cube: str,
        *,
        with_: str,
        scope: Literal["read", "write"] = "read",
        valid_to: datetime | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Let another principal read, or read and write."""
        return self._do(
            c.ShareCube, dry_run=dry_run, cube=cube, principal=with_, scope=scope, valid_to=valid_to
        )

    def unshare(self, cube: str, *, with_: str, dry_run: bool = False) -> Receipt:
        """End a share."""
        return self._do(c.UnshareCube, dry_run=dry_run, cube=cube, principal=with_)

    def consent(
        self,
        subject: str,
        purpose: str,
        *,
        given: bool = True,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Record a consent, or (`given=False`) a refusal or withdrawal."""
        return self._do(
            c.GiveConsent if given else c.WithdrawConsent,
            dry_run=dry_run,
            subject=subject,
            purpose=purpose,
            valid_from=valid_from,
            valid_to=valid_to,
        )

    def hold(
        self,
        *,
        matter: str,
        subject: str | None = None,
        cube: str | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Hold a subject or a cube for a legal matter."""
        return self._do(c.PlaceHold, dry_run=dry_run, matter=matter, subject=subject, cube=cube)

    def release(self, matter: str, *, dry_run: bool = False) -> Receipt:
        """Release everything a matter holds."""
        return self._do(c.ReleaseHold, dry_run=dry_run, matter=matter)

    def freeze(self, cube: str, *, dry_run: bool = False) -> Receipt:
        """Admit no change to a cube."""
        return self._do(c.FreezeCube, dry_run=dry_run, cube=cube)

    def thaw(self, cube: str, *, dry_run: bool = False) -> Receipt:
        """Admit changes again."""
        return self._do(c.ThawCube, dry_run=dry_run, cube=cube)

    def archive(self, cube: str, *, dry_run: bool = False) -> Receipt:
        """Keep a cube, but recall it no longer."""
        return self._do(c.ArchiveCube, dry_run=dry_run, cube=cube)

    def restore(self, cube: str, *, dry_run: bool = False) -> Receipt:
        """Bring a cube back from the archive."""
        return self._do(c.RestoreCube, dry_run=dry_run, cube=cube)

    def approve(self, case: str, *, dry_run: bool = False) -> Receipt:
        """Let an act that waits for review be done."""
        return self._do(c.ApproveReview, dry_run=dry_run, case=case)

    def reject(self, case: str, *, dry_run: bool = False) -> Receipt:
        """Refuse an act that waits for review."""
        return self._do(c.RejectReview, dry_run=dry_run, case=case)

    def add_principal(
        self,
        principal: str,
        *,
        roles: Sequence[str],
        clearance: str = "internal",
        purposes: Sequence[str] | None = None,
        regions: Sequence[str] = ("*",),
        dry_run: bool = False,
    ) -> Receipt:
        """Let somebody act, with roles and attributes."""
        return self._do(
            c.AddPrincipal,
            dry_run=dry_run,
            principal=principal,
            roles=roles,
            clearance=clearance,
            purposes=purposes or (self.caller.purpose,),
            regions=regions,
        )

    def grant(self, principal: str, *roles: str, dry_run: bool = False) -> Receipt:
        """Give roles to a principal."""
        return self._do(c.GrantRoles, dry_run=dry_run, principal=principal, roles=roles)

    def revoke(self, principal: str, *roles: str, dry_run: bool = False) -> Receipt:
        """Take roles from a principal."""
        return self._do(c.RevokeRoles, dry_run=dry_run, principal=principal, roles=roles)

    def activate_policy(self, digest: str, *, dry_run: bool = False) -> Receipt:
        """Let another kept bundle decide from here on."""
        return self._do(c.ActivatePolicy, dry_run=dry_run, policy=digest)

    def history(self, cube: str) -> History:
        """Return every change of a cube, oldest first; headers, never content."""
        from memos_gov.queries.history import history

        return history(self._evidence, cube)

    def explain(self, verdict_id: str) -> Explanation:
        """Return why a verdict was given; `<command id>[/<target>]`, or an index."""
        from memos_gov.queries.explain import explain

        return explain(self._evidence, verdict_id)

    def audit(self, name: str, *, subject: str | None = None, cube: str | None = None) -> Audit:
        """Answer a question of auditors: `subject`, `access`, `holds` or `integrity`."""
        from memos_gov.queries.audits import audit

        return audit(self._evidence, name, subject=subject, cube=cube)

    def cases(self) -> tuple[Case, ...]:
        """Return the review cases that are open, oldest first."""
        from memos_gov.queries.cases import cases

        return cases(self._evidence)

    def principals(self) -> tuple[Principal, ...]:
        """Return who may act in the tenant, by name; the question is recorded."""
        from memos_gov.queries.principals import principals

        return principals(self._evidence)

    def log_tail(self, count: int = 20) -> tuple[Entry, ...]:
        """Return the newest decided records of the tenant, oldest first."""
        from memos_gov.queries.log_pages import log_tail

        return log_tail(self._evidence, count)

    def log_show(self, index: int) -> WholeEntry:
        """Return one decided record whole, its payloads as ciphertext."""
        from memos_gov.queries.log_pages import log_show

        return log_show(self._evidence, index)

    def log_export(self) -> Iterator[WholeEntry]:
        """Yield every decided record of the tenant; refused at once, not at the first one."""
        from memos_gov.queries.log_pages import log_export

        return log_export(self._evidence)

    def whoami(self) -> Identity:
        """Return who this is, as the log knows it; nothing is recorded."""
        from memos_gov.queries.standing import whoami

        return whoami(self.rooms.governor, self.caller, self.name)

    @property
    def _evidence(self) -> Evidence:
        from memos_gov.queries.asking import Evidence

        rooms = self.rooms
        return Evidence(
            governor=rooms.governor,
            follower=rooms.follower,
            bundles=rooms.bundles,
            caller=self.caller,
        )

    def _do(self, command_type: type[c.Command], *, dry_run: bool, **fields: Any) -> Receipt:
        return self.handle(c.make(command_type, **fields), dry_run=dry_run)
