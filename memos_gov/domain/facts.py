"""
What is known: the facts of each stream, as one immutable document a version.

Events evolve facts (`evolve.py`); verdicts, decisions and questions read
them. Times are whole seconds since the epoch, UTC. A stream that was never
written has version 0 and the empty facts below.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from memos_gov.domain.fingerprint import Fingerprint
from memos_gov.domain.lifecycle import State
from memos_gov.domain.verdicts import Custodian, IndexDepth, Integer

Form = Literal["plaintext", "activation", "parametric"]
GrantScope = Literal["read", "write"]
ErasureState = Literal["requested", "erasing", "checking", "kept", "completed"]


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The document of one stream at one version."""


class ContentFacts(Facts, frozen=True, kw_only=True):
    """`<tenant>/cube/<id>`: the newest content revision and where its event stands."""

    revision: int
    mode: Literal["overwrite", "append"]
    index: IndexDepth
    findings: tuple[str, ...]
    size_bytes: int
    valid_from: int
    valid_to: int | None
    recorded_at: int
    event_index: int
    key_id: str

    def holds_at(self, moment: int) -> bool:
        """Whether what this revision says is about the moment."""
        return self.valid_from <= moment and (self.valid_to is None or moment < self.valid_to)


class Grant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share with one principal and the time it is good for."""

    principal: str
    scope: GrantScope
    valid_from: int
    valid_to: int | None

    def holds_at(self, now: int) -> bool:
        """Whether the share is in force."""
        return self.valid_from <= now and (self.valid_to is None or now < self.valid_to)


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cube that was read or that something was made of, at the revision of then."""

    cube: str
    revision: Integer


class Hold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That a matter holds something, and over which time."""

    matter: str
    valid_from: int
    valid_to: int | None

    def holds_at(self, now: int) -> bool:
        """Whether the hold is in force."""
        return self.valid_from <= now and (self.valid_to is None or now < self.valid_to)


class TimedWord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A label or a basis over its valid time; without a beginning it held from the first."""

    word: str
    valid_from: int | None = None
    valid_to: int | None = None

    def holds_at(self, moment: int) -> bool:
        """Whether this word says something about the moment."""
        begun = self.valid_from is None or self.valid_from <= moment
        return begun and (self.valid_to is None or moment < self.valid_to)


class GovernanceFacts(Facts, frozen=True, kw_only=True):
    """
    `<tenant>/cube/<id>/governance`: everything that rules a cube except its content.

    What was made of other cubes is kept no longer than `expires_at` and is
    valid no longer than `valid_to`, whatever its class and content say.
    `label` and `basis` are those in force, which only an event changes; what
    was ever said of them, in order of record, is in `labels` and `bases`,
    which are empty while the first word stands. `ended` are former shares.
    """

    form: Form
    state: State
    frozen: bool
    quarantined: bool
    label: str
    origin: str
    semantic_type: str
    author: str | None
    conversation: str | None
    position: int | None
    subjects: tuple[str, ...]
    owner: str
    purposes: tuple[str, ...]
    basis: str
    region: str
    retention_class: str
    priority: str
    grants: tuple[Grant, ...]
    holds: tuple[Hold, ...]
    sources: tuple[str, ...]
    recorded_at: int
    restricted: bool = False
    triggered_at: int | None = None
    expired_at: int | None = None
    erasing: bool = False
    erasure: str | None = None
    expires_at: int | None = None
    valid_to: int | None = None
    labels: tuple[TimedWord, ...] = ()
    bases: tuple[TimedWord, ...] = ()
    ended: tuple[Grant, ...] = ()

    def is_over(self, moment: int) -> bool:
        """Whether what the cube was made of had stopped being valid."""
        return self.valid_to is not None and self.valid_to <= moment

    def label_at(self, moment: int) -> str:
        """Return the label at a moment; of several words about it the newest record wins."""
        return word_at(self.labels, moment, self.label)

    def basis_at(self, moment: int) -> str:
        """Return the basis at a moment; of several words about it the newest record wins."""
        return word_at(self.bases, moment, self.basis)

    def grants_at(self, moment: int) -> tuple[Grant, ...]:
        """Return the shares in force at a moment, one a principal: the newest record wins."""
        words = (*self.ended, *self.grants)
        return tuple({g.principal: g for g in words if g.holds_at(moment)}.values())


def word_at(words: tuple[TimedWord, ...], moment: int, otherwise: str) -> str:
    """Return the newest word about a moment; `otherwise` where none says anything."""
    return next((w.word for w in reversed(words) if w.holds_at(moment)), otherwise)


class LineageFacts(Facts, frozen=True, kw_only=True):
    """
    `<tenant>/cube/<id>/lineage`: how many cubes were made of this one directly.

    Which ones, the certifier's `lineage` table says: a list in here would be
    written anew with every further one.
    """

    descendants: int = 0


class CorrelationFacts(Facts, frozen=True, kw_only=True):
    """
    `<tenant>/correlation/<id>`: the cubes whose content one actor was given in one session.

    Each stands once, at the newest revision given; `full` says that there were
    more than are kept.
    """

    reads: tuple[Source, ...] = ()
    full: bool = False


class ConsentFact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One consent or withdrawal, for one purpose, over its valid time."""

    purpose: str
    given: bool
    valid_from: int
    valid_to: int | None


class SubjectFacts(Facts, frozen=True, kw_only=True):
    """
    `<tenant>/subject/<id>`: consents in order of record, holds, restriction.

    `erasure` is the newest one asked for; `erasing` while it decides about the cubes.
    """

    consents: tuple[ConsentFact, ...] = ()
    holds: tuple[Hold, ...] = ()
    restricted: bool = False
    erased: bool = False
    erasing: bool = False
    erasure: str | None = None

    def held_at(self, now: int) -> bool:
        """Whether a hold on the subject itself is in force."""
        return any(hold.holds_at(now) for hold in self.holds)

    def consent_at(self, now: int) -> dict[str, bool]:
        """Return purpose -> given for each word in force; the newest record wins."""
        return {
            c.purpose: c.given
            for c in self.consents
            if c.valid_from <= now and (c.valid_to is None or now < c.valid_to)
        }


class PrincipalFacts(Facts, frozen=True, kw_only=True):
    """`<tenant>/principal/<id>`: what a principal is, never what it may do."""

    roles: tuple[str, ...] = ()
    clearance: str = "public"
    purposes: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


WORKER_FACTS = PrincipalFacts(roles=("worker",), regions=("*",))


class PolicyFacts(Facts, frozen=True, kw_only=True):
    """`<tenant>/guard/policy`: the active bundle, the former ones, and the founding keys."""

    active: str
    former: tuple[str, ...]
    verifier_key: str
    recovery_key: str


class VaultFacts(Facts, frozen=True, kw_only=True):
    """`<tenant>/guard/vault`: the newest epoch that this tenant had the vault rotated to."""

    epoch: int


class BaseModelFacts(Facts, frozen=True, kw_only=True):
    """`<tenant>/guard/basemodel`: the tenant's base model, and who registered it when."""

    base_model: str
    fingerprint: Fingerprint
    registered_by: str
    registered_at: int
    index: int


class ArtefactFacts(Facts, frozen=True, kw_only=True):
    """`<tenant>/artefact/<id>`: cubes that may be kept in another form, and who asked for it."""

    form: Form
    sources: tuple[Source, ...]
    base_model: str
    requested_by: str
    requested_at: int
    index: int


class GuardFacts(Facts, frozen=True, kw_only=True):
    """A guard that was never written."""


class HoldScope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cubes that a matter holds without naming them; a part that is None does not narrow."""

    label: str | None
    retention_class: str | None
    recorded_from: int | None
    recorded_to: int | None

    def covers(self, cube: GovernanceFacts) -> bool:
        """Whether the cube is one of them; `recorded_to` itself is not."""
        return (
            self.label in (None, cube.label)
            and self.retention_class in (None, cube.retention_class)
            and (self.recorded_from is None or self.recorded_from <= cube.recorded_at)
            and (self.recorded_to is None or cube.recorded_at < self.recorded_to)
        )


class ScopedHold(Hold, frozen=True, kw_only=True):
    """A hold on whatever a scope covers, also what is remembered later."""

    id: str
    scope: HoldScope


class HoldsFacts(Facts, frozen=True, kw_only=True):
    """`<tenant>/guard/holds`: the holds by scope; every verdict relies on there being no other."""

    holds: tuple[ScopedHold, ...] = ()


class HeldTarget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a matter holds: a subject, a cube, or a scope under the id of its hold."""

    kind: Literal["subject", "cube", "scope"]
    id: str


class PlacedHold(Hold, frozen=True, kw_only=True):
    """A hold as its matter knows it: on what, who placed it, and when."""

    target: HeldTarget
    scope: HoldScope | None
    placed_by: str
    placed_at: int


class MatterFacts(Facts, frozen=True, kw_only=True):
    """`<tenant>/matter/<id>`: what is held for a matter, in order of record."""

    holds: tuple[PlacedHold, ...] = ()


class CaseFacts(Facts, frozen=True, kw_only=True):
    """`<tenant>/case/<id>`: `action` on `target` by `actor` waits for a second pair of eyes."""

    state: Literal["open", "approved", "rejected", "used"]
    actor: str
    action: str
    target: str
    opened_at: int
    decided_by: str | None = None


class CustodianReceipt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a custodian found when it read back, and where that stands in the history."""

    custodian: Custodian
    checked: int
    remaining: int
    digest: str
    place: str
    started_at: int
    ended_at: int
    index: int


class ErasureFacts(Facts, frozen=True, kw_only=True):
    """
    `<tenant>/erasure/<id>`: how far an erasure has come.

    `cubes` is the set of an erasure that names a cube; that of a subject is
    every cube about it. `pages` are the indexes of the pages of its plan, over
    all times it was asked for; `last` is the last cube of the newest one.
    `requested_index` is that of the first request, `index` of the newest event.
    """

    state: ErasureState
    subject: str | None
    cube: str | None
    cubes: tuple[str, ...]
    requested_by: str
    requested_at: int
    requested_index: int
    index: int
    pages: tuple[int, ...] = ()
    last: str | None = None
    erased: int = 0
    kept: int = 0
    custodians: tuple[Custodian, ...] = ()
    receipts: tuple[CustodianReceipt, ...] = ()
    statement: str = ""
    completed_at: int | None = None
    backups_ended_at: int | None = None

    @property
    def unreported(self) -> tuple[Custodian, ...]:
        """The custodians that have not read back yet, in the order of the plan."""
        reported = {receipt.custodian for receipt in self.receipts}
        return tuple(name for name in self.custodians if name not in reported)


class OpenErasures(Facts, frozen=True, kw_only=True):
    """`<tenant>/guard/erasures`: the erasures to go on with, oldest first."""

    erasures: tuple[str, ...] = ()


class CheckpointFacts(Facts, frozen=True, kw_only=True):
    """
    `<tenant>/checkpoint`: the newest signed head of the tenant's tree.

    `note` signs `size` and `root` (hex); outcomes are recorded up to log
    offset `last_offset`. The record itself stands at `index`, signed at `signed_at`.
    """

    size: int
    root: str
    note: str
    last_offset: int
    index: int
    signed_at: int


class LogFacts(Facts, frozen=True, kw_only=True):
    """`_instance/log`, of each partition: whose it is, who may propose, what may stand in it."""

    instance: str
    partitions: int
    mac_keys: tuple[str, ...]
    event_types: tuple[str, ...]
    rules: int


def facts_type(stream: str) -> type[Facts]:
    """Return which document a stream holds, from its name."""
    match stream.split("/"):
        case [_, "cube", _]:
            return ContentFacts
        case [_, "cube", _, "governance"]:
            return GovernanceFacts
        case [_, "cube", _, "lineage"]:
            return LineageFacts
        case [_, "guard", name]:
            return _BY_GUARD.get(name, GuardFacts)
        case [_, "log"]:
            return LogFacts
        case [_, "checkpoint"]:
            return CheckpointFacts
        case [_, kind, _]:
            return _BY_KIND[kind]
        case _:
            msg = f"a stream without facts: {stream}"
            raise ValueError(msg)


_BY_KIND: dict[str, type[Facts]] = {
    "subject": SubjectFacts,
    "principal": PrincipalFacts,
    "matter": MatterFacts,
    "case": CaseFacts,
    "erasure": ErasureFacts,
    "artefact": ArtefactFacts,
    "correlation": CorrelationFacts,
}
_BY_GUARD: dict[str, type[Facts]] = {
    "holds": HoldsFacts,
    "policy": PolicyFacts,
    "vault": VaultFacts,
    "basemodel": BaseModelFacts,
    "erasures": OpenErasures,
}
