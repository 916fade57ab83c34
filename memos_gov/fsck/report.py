"""What an examination found: places, kinds and remedies, never content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from msgspec import structs

from memos_gov.errors import CorruptionError, GovernanceError
from memos_gov.projections.formats import MAKE_AGAIN

FINDINGS_PER_KIND_MAX = 50
LOG_KINDS = frozenset({"gap", "leaf", "tenant"})
Progress = Callable[[str, int, int], None]

KEEP = "Stop writing, keep the folder as it is, and compare it with a backup."
REBUILD = MAKE_AGAIN
RESTORE = "Bring the file back from a backup of this folder."
WATCH = "Nothing was lost by it and nothing applied; find out who can write to log.db."
OLDER = (
    "Bring the newer log.db back. If it is lost, keep the signed head as evidence before "
    "you run `memos-gov rebuild`."
)
UNDO = (
    "Drop what was added, make again what is missing or bring the database back from a backup, and"
    " find out who may change it."
)
DESTROY = "Open the folder with any command: what erasures ended is destroyed before all else."
CERTIFY = "Write it again with `memos-gov evidence certificate`; the log holds what it states."
BRING_KEY = "Bring the key file back from where you keep it."
CORRECT = "Correct memos-gov.toml: `memos-gov config` shows what is in force."


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it must be, where, and what to do; `tenant` "" for the folder."""

    place: str
    kind: str
    message: str
    remedy: str
    tenant: str = ""

    @property
    def rebuildable(self) -> bool:
        """Whether it lies in what the log makes again."""
        return self.remedy == REBUILD


class FsckReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was examined and what was found, in the order it was found.

    At most FINDINGS_PER_KIND_MAX findings of a kind are kept; `found` counts
    all of them by kind. `counts` says how much was examined; `skipped` what
    could not be, because of a finding before it. `roots` are the roots of the
    tenants' trees in hex, recomputed.
    """

    findings: tuple[Finding, ...]
    found: dict[str, int]
    counts: dict[str, int]
    skipped: tuple[str, ...]
    roots: dict[str, str]

    @property
    def clean(self) -> bool:
        """Whether everything was examined and nothing was found."""
        return not self.findings and not self.skipped


class Findings:
    """Collects findings while an examination goes on."""

    def __init__(self, progress: Progress | None = None) -> None:
        self._kept: list[Finding] = []
        self._progress = progress
        self.found: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.skipped: list[str] = []
        self.roots: dict[str, str] = {}

    @property
    def total(self) -> int:
        """How much was found so far."""
        return self.found.total()

    @property
    def log_is_changed(self) -> bool:
        """Whether records are missing or others than were decided."""
        return not LOG_KINDS.isdisjoint(self.found)

    def add(
        self, place: str, kind: str, message: str, remedy: str = KEEP, *, tenant: str = ""
    ) -> None:
        """Note a finding."""
        self.found[kind] += 1
        if self.found[kind] <= FINDINGS_PER_KIND_MAX:
            finding = Finding(place=place, kind=kind, message=message, remedy=remedy, tenant=tenant)
            self._kept.append(finding)

    def aside(self) -> Findings:
        """Return findings of which it is not known yet whether they count."""
        return Findings(self._progress)

    def take(self, others: Findings) -> None:
        """Note what was noted aside."""
        for finding in others._kept:
            self.add(**structs.asdict(finding))
        self.found.update(others.found - Counter(finding.kind for finding in others._kept))
        self.counts.update(others.counts)

    def add_error(self, error: GovernanceError, place: str, kind: str, remedy: str = "") -> None:
        """
        Note an error as a finding, at the error's own place where it has one.

        A remedy that the error was raised with, such as a right to give or a newer
        program to install, is kept.
        """
        found = error.place if isinstance(error, CorruptionError) else place
        own = error.remedy != type(error).remedy
        self.add(found, kind, str(error), error.remedy if own or not remedy else remedy)

    @contextmanager
    def guarded(self, place: str, kind: str, remedy: str = "") -> Iterator[None]:
        """Turn what cannot be read into a finding; the rest of the examination goes on."""
        try:
            yield
        except GovernanceError as error:
            self.add_error(error, place, kind, remedy)
        except (
            msgspec.MsgspecError,
            ArithmeticError,
            AssertionError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            message = f"cannot be read ({type(error).__name__})"
            self.add(place, kind, message, remedy or KEEP)

    def progress(self, stage: str, done: int, total: int) -> None:
        """Tell whoever watches how far a stage has come."""
        if self._progress is not None:
            self._progress(stage, done, total)

    def report(self) -> FsckReport:
        """Return everything noted so far."""
        return FsckReport(
            findings=tuple(self._kept),
            found=dict(self.found),
            counts=dict(self.counts),
            skipped=tuple(self.skipped),
            roots=dict(self.roots),
        )
