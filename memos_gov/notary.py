"""
The notary: signs the head of each tenant's tree, and writes down what became of its records.

Every CHECKPOINT_RECORDS records (but not twice within PAUSE_S, so that a flood
is not slowed down), or when one has waited for the interval of the settings,
and only if something else than a checkpoint was decided since.
Embedded there is no worker: whoever handled a command calls `after`, which
costs a comparison when nothing is due. A head is signed only when the tiles
give the tree's root and begin with the head before; the certifier checks that
again. Then it is published beside the tiles and kept by the witness.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.facts import CheckpointFacts, PolicyFacts
from memos_gov.domain.history import ACCEPTED, REPEATED, Outcome, Tree
from memos_gov.domain.rules_version import RULES_VERSION
from memos_gov.errors import (
    CorruptionError,
    NotVerifiedError,
    OvertakenError,
    SettingsError,
    UnavailableError,
)
from memos_gov.materializers.tiles import TileFollower
from memos_gov.ports import Clock, EventLog, Snapshot, Tables, Unusual, Witness
from memos_gov.proposer import Proposer
from memos_gov.transparency import merkle
from memos_gov.transparency.checkpoints import TreeHead, open_checkpoint, sign_head
from memos_gov.transparency.notes import Signer
from memos_gov.transparency.proofs import verify_consistency

CHECKPOINT_RECORDS = 1000
PAUSE_S = 1.0
OUTCOMES_BYTES_MAX = 600_000
OUTCOMES_MAX = 10_000
ATTEMPTS_MAX = 8
_BEHIND = (
    "This log is older than one that was signed, or another: bring the newer one back. "
    "If that is lost, keep the signed head as evidence before you run `memos-gov rebuild`."
)


@dataclass(slots=True)
class _Standing:
    """
    What a tenant's newest checkpoint covers.

    `signed_s` is when it was signed, `waiting_s` since when a record waits.
    """

    size: int = 0
    index: int = -1
    signed_s: float = 0
    waiting_s: float | None = None

    def others(self, size: int) -> int:
        """Return how many records other than the checkpoint were decided since."""
        return size - self.size - (self.index >= self.size)


class Notary:
    """Signs heads for one data folder; safe to use from many threads at once."""

    def __init__(
        self,
        *,
        log: EventLog,
        tables: Tables,
        proposer: Proposer,
        clock: Clock,
        tiles: TileFollower,
        witness: Witness | None,
        signer: Callable[[str], Signer],
        interval_s: float,
    ) -> None:
        self._log = log
        self._tables = tables
        self._proposer = proposer
        self._clock = clock
        self.tiles = tiles
        self._witness = witness
        self.signer = signer
        self._interval_s = interval_s
        self._standing: dict[str, _Standing] = {}
        self._signing = threading.Lock()

    def after(self, outcomes: Iterable[Outcome]) -> None:
        """
        Sign what is due once records were decided; what cannot be done now is done later.

        Raises:
            CorruptionError: The tree is not the one that was signed before.
        """
        sizes: dict[str, int] = {}
        for outcome in outcomes:
            sizes[outcome.tenant] = max(sizes.get(outcome.tenant, 0), outcome.index + 1)
        due = {tenant for tenant, size in sizes.items() if self._is_due(tenant, size)}
        if not due or not self._signing.acquire(blocking=False):
            return
        try:
            with contextlib.suppress(UnavailableError):
                for tenant in sorted(due | {self._control_of(tenant) for tenant in due}):
                    self._sign_if_due(tenant)
        finally:
            self._signing.release()

    def _control_of(self, tenant: str) -> str:
        """Return whose tree holds what could not be trusted in a tenant's partition."""
        return ids.control_of(self._log.partition_of(tenant))

    def checkpoint(self, tenant: str) -> CheckpointFacts:
        """
        Return a signed head over everything decided so far, signing it where there is none.

        Where another process was quicker, its head is returned if it covers as much.

        Raises:
            CorruptionError: The tree is not the one that was signed before.
            UnavailableError: A file cannot be written; ask again.
        """
        with self._signing:
            _, wanted = self._load(tenant)
            for _ in range(ATTEMPTS_MAX):
                while not self.tiles.grow(tenant, self._load(tenant)[1]):
                    pass
                if (facts := self._sign(tenant)) is not None:
                    return facts
                self._load(tenant)
                if self._standing[tenant].others(wanted) <= 0:
                    return self._published(tenant)
        raise OvertakenError

    def check_heads(self) -> None:
        """
        Compare the newest heads that lie outside the log with those recorded in it.

        Raises:
            CorruptionError: One of them is not in the log: it is an older log, or another.
            SettingsError: The key that signs is not the one that a tenant was founded with.
        """
        with self._tables.snapshot() as snapshot:
            tenants = snapshot.tenants()
        # A head is recorded before it is put anywhere else, so the other order would see ghosts.
        outside = [found for tenant in tenants for found in self._outside(tenant)]
        with self._tables.snapshot() as snapshot:
            for tenant in tenants:
                _require_key(snapshot, tenant, self.signer(tenant))
            for tenant, head, place in outside:
                _require_recorded(snapshot, tenant, head, place)

    def _outside(self, tenant: str) -> list[tuple[str, TreeHead, str]]:
        """Return the newest heads of a tenant that lie beside its tiles and with the witness."""
        vkey, found = self.signer(tenant).vkey, []
        if (published := self.tiles.published(tenant, vkey)) is not None:
            found.append((tenant, published[0], f"tiles/{tenant}/checkpoint"))
        if self._witness is not None and (note := self._witness.newest(vkey.name)) is not None:
            found.append((tenant, open_checkpoint(note, vkey), f"witness {vkey.name}"))
        return found

    def _is_due(self, tenant: str, size: int) -> bool:
        if tenant not in self._standing:
            self._load(tenant)
        standing = self._standing[tenant]
        others, now_s = standing.others(size), self._clock.now().timestamp()
        if others <= 0:
            return False
        if standing.waiting_s is None:
            standing.waiting_s = now_s
        if others >= CHECKPOINT_RECORDS:
            return now_s - standing.signed_s >= PAUSE_S
        return now_s - standing.waiting_s >= self._interval_s

    def _sign_if_due(self, tenant: str) -> None:
        """Sign unless another process did meanwhile; a large backlog is worked off in steps."""
        _, size = self._load(tenant)
        if self._is_due(tenant, size) and self.tiles.grow(tenant, size):
            self._sign(tenant)

    def _load(self, tenant: str) -> tuple[CheckpointFacts | None, int]:
        """Return a tenant's newest head and the size of its tree; what it covers is kept."""
        with self._tables.snapshot() as snapshot:
            head, size = newest_head(snapshot, tenant), snapshot.index(tenant) + 1
            standing = _standing(head)
            first = standing.size + (standing.index == standing.size)
            waiting_ms = snapshot.decided_at(tenant, first)
        standing.waiting_s = None if waiting_ms is None else waiting_ms / 1000
        self._standing[tenant] = standing
        return head, size

    def _sign(self, tenant: str) -> CheckpointFacts | None:
        """
        Sign the tree as it stands and publish its head; None when that must be tried again.

        Heads outside are read before the log, so that none of them may be ahead of it.
        """
        outside = self._outside(tenant)
        with self._tables.snapshot() as snapshot:
            for _, head, place in outside:
                _require_recorded(snapshot, tenant, head, place)
            before, tree = newest_head(snapshot, tenant), snapshot.tree(tenant)
            told, last = self._told(snapshot, tenant, before)
        if _standing(before).others(tree.size) <= 0:
            return self._published(tenant)
        if not self.tiles.grow(tenant, tree.size):
            return None
        event = self._signed(tenant, before, tree, told, last)
        outcome = self._proposer.submit_unjudged(tenant, ids.NOTARY, event, action="checkpoint")
        if outcome.code != ACCEPTED:
            return None
        facts = self._published(tenant)
        self._standing[tenant].signed_s = self._clock.now().timestamp()
        return facts

    def _told(
        self, snapshot: Snapshot, tenant: str, before: CheckpointFacts | None
    ) -> tuple[list[e.RecordedOutcome], int]:
        """Return what became of the records since, and how far one record can hold it."""
        told: list[e.RecordedOutcome] = []
        partition, size_bytes = self._log.partition_of(tenant), 0
        since = 0 if before is None else before.last_offset + 1
        found = snapshot.unusual(partition, tenant, since, OUTCOMES_MAX)
        for each in found:
            apart = ids.is_control(each.tenant) and not each.command_id
            if apart and not self._is_of(tenant, partition, each.offset):
                continue
            outcome = _recorded(each, apart=apart)
            size_bytes += len(codec.canonical(outcome))
            if size_bytes > OUTCOMES_BYTES_MAX:
                return told, each.offset - 1
            told.append(outcome)
        if len(found) == OUTCOMES_MAX:
            return told, found[-1].offset
        return told, snapshot.certified(partition) - 1

    def _is_of(self, tenant: str, partition: int, offset: int) -> bool:
        """Whether a record that could not be trusted stands under a tenant's key in the log."""
        if ids.is_control(tenant):
            return True
        return self._log.read(partition, offset, 1)[0].tenant == tenant

    def _signed(
        self,
        tenant: str,
        before: CheckpointFacts | None,
        tree: Tree,
        told: list[e.RecordedOutcome],
        last: int,
    ) -> e.CheckpointSigned:
        """Return the event of a head that the tiles give, and that goes on from the one before."""
        signer, tiles = self.signer(tenant), self.tiles.sound(tenant, tree)
        consistency: list[bytes] = []
        if before is not None:
            consistency = tiles.consistency(before.size)
            _require_consistent(before, tree, consistency, tenant)
        head = TreeHead(origin=signer.vkey.name, size=tree.size, root=merkle.root(tree.frontier))
        return e.CheckpointSigned(
            size=tree.size,
            root=head.root.hex(),
            note=sign_head(head, signer),
            rules=RULES_VERSION,
            first_offset=0 if before is None else before.last_offset + 1,
            last_offset=last,
            outcomes=tuple(told),
            consistency=tuple(found.hex() for found in consistency),
        )

    def _published(self, tenant: str) -> CheckpointFacts:
        """Put the newest recorded head beside the tiles and into the witness, and return it."""
        facts, _ = self._load(tenant)
        assert facts is not None
        self.tiles.publish(tenant, facts.note)
        if self._witness is not None:
            origin = self.signer(tenant).vkey.name
            if self._witness.newest(origin) != facts.note:
                self._witness.keep(origin, facts.note)
        return facts


def newest_head(snapshot: Snapshot, tenant: str) -> CheckpointFacts | None:
    """Return what the newest signed checkpoint of a tenant says; None before the first."""
    stream = ids.checkpoint_stream(tenant)
    _, facts = snapshot.facts([stream]).get(stream, (0, None))
    assert facts is None or isinstance(facts, CheckpointFacts)
    return facts


def _standing(facts: CheckpointFacts | None) -> _Standing:
    if facts is None:
        return _Standing()
    return _Standing(size=facts.size, index=facts.index, signed_s=facts.signed_at)


def _recorded(found: Unusual, *, apart: bool) -> e.RecordedOutcome:
    # A duplicate's detail is the index of the first one, which replay finds by itself.
    detail = b"{}" if found.code == REPEATED else found.detail
    return e.RecordedOutcome(
        offset=found.offset,
        code=found.code,
        detail=msgspec.json.decode(detail, type=dict[str, tuple[str, ...]]),
        apart=apart,
    )


def _require_consistent(
    before: CheckpointFacts, tree: Tree, proof: list[bytes], tenant: str
) -> None:
    """Sign nothing that does not begin with what was signed."""
    try:
        verify_consistency(
            old=before.size,
            old_root=bytes.fromhex(before.root),
            new=tree.size,
            new_root=merkle.root(tree.frontier),
            proof=proof,
        )
    except NotVerifiedError as error:
        msg = f"the tree of {tenant} does not begin with the head that was signed"
        raise CorruptionError(msg, place=f"trees ({tenant})", remedy=_BEHIND) from error


def _require_recorded(snapshot: Snapshot, tenant: str, head: TreeHead, place: str) -> None:
    """Find a head that lies outside among those that the log records."""
    stream = ids.checkpoint_stream(tenant)
    version, _ = snapshot.facts([stream]).get(stream, (0, None))
    while version > 0:
        facts = snapshot.facts_at(stream, version)
        if isinstance(facts, CheckpointFacts) and facts.size <= head.size:
            if (facts.size, facts.root) == (head.size, head.root.hex()):
                return
            break
        version -= 1
    msg = f"a head over {head.size} records of {tenant} was signed that this log does not record"
    raise CorruptionError(msg, place=place, remedy=_BEHIND)


def _require_key(snapshot: Snapshot, tenant: str, signer: Signer) -> None:
    guard = ids.guard_stream(tenant, "policy")
    _, facts = snapshot.facts([guard]).get(guard, (0, None))
    if isinstance(facts, PolicyFacts) and facts.verifier_key != signer.vkey.public.hex():
        msg = f"keys/verifier is not the key that the tenant {tenant} was founded with"
        raise SettingsError(msg, remedy="Bring the key file back from where you keep it.")
