"""
Examination from outside the live tables: does everything here follow from the log?

`examine` looks at the parts it is told to, all by default; each part is a file
in this folder and can be looked at alone:

    log       records.py   every record, its outcome, the trees
    vault     keys.py      every key, and every payload with its key
              references.py  every name and secret that records refer to
    tables    tables.py    everything certified again and compared row by row
    index     index.py     every entry, from the content opened with its key
    tiles     tiles.py     every tile from its leaves, and the heads beside them
    erasures  erasures.py  every certificate's statement, from the log
    policies  policies.py  every bundle that decided or is kept
    folder    folder.py    key files and defaults

Not a byte of what is examined is written: live tables are looked at as a copy
that is brought to the end of the log first. Where a certifier elsewhere may be
at work, that end is the last record which the tables have decided: what comes
after it is counted and left to the certifier. What cannot be read is a finding
with its place, and the rest goes on. Trees and leaves are derived by
`tree.py`, which shares nothing with the certifier's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from memos_gov.certify import parse
from memos_gov.domain import ids
from memos_gov.domain.events import LogFounded
from memos_gov.domain.history import LogPosition
from memos_gov.errors import CorruptionError
from memos_gov.follow import mac_secret
from memos_gov.fsck.erasures import CertificateFile, check_certificates, check_erasures
from memos_gov.fsck.folder import SmallFiles, check_folder
from memos_gov.fsck.index import check_index
from memos_gov.fsck.keys import KeyCheck, check_followed, check_vault
from memos_gov.fsck.policies import check_policies
from memos_gov.fsck.records import RecordCheck, check_stored, decided_ends
from memos_gov.fsck.references import ReferenceCheck
from memos_gov.fsck.report import KEEP, REBUILD, RESTORE, Finding, Findings, FsckReport
from memos_gov.fsck.tables import CertifyAgain, certify_again, compare
from memos_gov.fsck.tiles import check_tiles
from memos_gov.fsck.walk import Check, walk
from memos_gov.ports import CubeIndex, EventLog, KeyStore, PolicyBundles, Tables, TileStore

__all__ = [
    "PARTS",
    "CertificateFile",
    "Examined",
    "Finding",
    "Findings",
    "FsckReport",
    "SmallFiles",
    "examine",
]

PARTS = ("log", "vault", "tables", "index", "tiles", "erasures", "policies", "folder")
NEED_TABLES = frozenset({"index", "tiles", "erasures"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """
    What could be opened of a folder; None what could not, with a finding.

    `live` is a copy of the tables in use, `fresh` makes empty ones; both are
    thrown away afterwards. Where others may be `at_work` on them, what they have
    not decided is left to them. `model` is the embedder whose vectors the index should have.
    """

    log: EventLog | None
    keys: KeyStore | None
    live: Tables | None
    fresh: Callable[[], Tables]
    index: CubeIndex | None
    tiles: TileStore
    bundles: PolicyBundles
    files: SmallFiles
    certificates: Iterable[CertificateFile] = ()
    at_work: bool = False
    model: str = ""


def examine(at: Examined, findings: Findings, parts: Collection[str] = PARTS) -> FsckReport:
    """Look at `parts` of a folder, as far as they can be opened."""
    if at.log is None:
        findings.skipped.append("everything: there is no log to read")
        return findings.report()
    _Examination(at, at.log, findings, frozenset(parts)).run()
    return findings.report()


class _Examination:
    """One examination: what is trusted so far, and what comes next."""

    def __init__(
        self, at: Examined, log: EventLog, findings: Findings, parts: frozenset[str]
    ) -> None:
        self._at = at
        self._log = log
        self._findings = findings
        self._parts = parts
        self._ends = [0] * log.partitions
        self._keys: KeyStore | None = None
        self._live = at.live
        self._behind: CorruptionError | None = None
        self._made: Tables | None = None
        self._again: CertifyAgain | None = None
        self._of_vault = findings.aside()

    def run(self) -> None:
        """Look at the parts, each with what the ones before it proved."""
        findings = self._findings
        with findings.guarded("log.db", "damaged", RESTORE):
            self._ends = self._examined_ends()
            self._keys = self._own_keys()
        if self._keys is not None and "vault" in self._parts:
            with findings.guarded("vault.db", "vault", RESTORE):
                check_vault(self._keys, findings)
                check_followed(self._log, self._keys, findings)
        self._catch_up()
        self._made = self._live if self._behind is None else None
        with findings.guarded("log.db", "damaged", RESTORE):
            self._walk()
        if findings.log_is_changed:
            findings.take(self._of_vault)
            findings.skipped.append("what is made of the log: the log itself was changed")
            return
        self._say_checkpoint()
        self._compare()
        self._rest()

    def _examined_ends(self) -> list[int]:
        """Return up to where each partition is examined; what is left to others is counted."""
        ends = [self._log.end(n) for n in range(self._log.partitions)]
        decided = ends if self._live is None or not self._at.at_work else self._decided(ends)
        if undecided := sum(ends) - sum(decided):
            self._findings.counts["undecided"] += undecided
        return decided

    def _decided(self, ends: Sequence[int]) -> list[int]:
        """Return up to where the live tables have decided each partition; its end if that fails."""
        assert self._live is not None
        held = decided_ends(self._live, len(ends), self._findings)
        with (
            self._findings.guarded("tables checkpoints", "damaged", REBUILD),
            self._live.snapshot() as snapshot,
        ):
            said = [snapshot.certified(n) for n in range(len(ends))]
            return [min(end, max(pair)) for end, *pair in zip(ends, said, held, strict=True)]
        return list(ends)

    def _own_keys(self) -> KeyStore | None:
        """Return the vault if it is this log's, and knows who may write to it."""
        keys, findings = self._at.keys, self._findings
        control = self._control()
        if control is None:
            return None
        if keys is None:
            findings.skipped.append("seals, payloads and tables: there is no vault to read")
            return None
        why = "the vault cannot be read"
        with findings.guarded("vault.db", "vault", RESTORE):
            secret = mac_secret(control.mac_key)
            if keys.instance != control.instance:
                why = "the vault is not this log's"
                findings.add("vault.db", "vault", "the vault belongs to another log", RESTORE)
            elif keys.secret(ids.INSTANCE, secret) is None:
                why = "the vault lacks the proposer's key"
                findings.add(f"vault.db secret {secret}", "vault", why, RESTORE)
            else:
                return keys
        findings.skipped.append(f"seals, payloads and tables: {why}")
        return None

    def _control(self) -> LogFounded | None:
        """Return the control record that every partition begins with; None and findings if not."""
        first: LogFounded | None = None
        for partition in range(self._log.partitions):
            found = self._log.read(partition, 0, 1)
            events = parse(found[0]).events if found else ()
            control = events[0] if events and isinstance(events[0], LogFounded) else None
            if control is None or (first or control) != control:
                place = LogPosition(partition, 0).place
                message = "the log has no control record"
                self._findings.add(place, "control", message, RESTORE)
                return None
            first = control
        return first

    def _catch_up(self) -> None:
        """Bring the copy of the live tables to the end of the log; remember what is in the way."""
        if self._live is None or self._keys is None:
            return
        with self._findings.guarded("tables", "damaged", REBUILD):
            try:
                certify_again(self._log, self._ends, self._keys, self._live, self._findings)
            except CorruptionError as error:
                self._behind = error  # the log's fault or that of a checkpoint: the walk shows

    def _walk(self) -> None:
        """Look at every record, for the parts that do."""
        checks, findings = list[Check](), self._findings
        if "log" in self._parts or self._behind is not None:
            check_stored(self._log, findings)
            lag = self._behind is not None or self._keys is None
            told = (self._ends, self._live, self._keys, findings)
            checks.append(RecordCheck(*told, lag=lag, gapless=self._log.gapless))
        if self._made is not None:
            checks.extend(self._vault_checks(self._made))
        with ExitStack() as stack:
            if self._keys is not None and self._needs_fresh:
                fresh = self._at.fresh()
                stack.enter_context(fresh.bulk())
                self._again = CertifyAgain(self._log, self._keys, fresh, findings)
                checks.append(self._again)
            if checks:
                walk(self._log, self._ends, self._live, checks, findings)

    def _vault_checks(self, tables: Tables) -> list[Check]:
        """Return the checks of records for the vault, by tables that have come to the end."""
        if self._keys is None or "vault" not in self._parts:
            return []
        return [
            KeyCheck(self._keys, tables, self._of_vault),
            ReferenceCheck(self._keys, tables, self._of_vault),
        ]

    @property
    def _needs_fresh(self) -> bool:
        """Whether tables are to be made again: to be compared, or because there are no others."""
        return bool(self._parts - {"log"} if self._made is None else self._parts & {"tables"})

    def _say_checkpoint(self) -> None:
        """Say that the tables do not go on where the log does, although every record is right."""
        if self._behind is not None:
            message = "a follower has come to a place that the log does not have"
            self._findings.add("tables checkpoints", "damaged", message, REBUILD)
            self._findings.skipped.append("tables: they do not go on where the log does")

    def _compare(self) -> None:
        """
        Compare the live tables with those made again, which are believed from here on.

        What the vault was held against must be right: by tables that are not, it is
        looked at again.
        """
        again, live, findings = self._again, self._made, self._findings
        if again is not None and again.whole:
            self._made, before = again.tables, findings.total
            with findings.guarded("log.db", "replay", RESTORE):
                if live is not None:
                    compare(live, again.tables, findings)
                if live is None or findings.total > before:
                    self._of_vault = findings.aside()
                    if checks := self._vault_checks(again.tables):
                        walk(self._log, self._ends, again.tables, checks, findings)
        findings.take(self._of_vault)

    def _rest(self) -> None:
        """Look at what is made of the tables or stands beside them."""
        at, findings, made = self._at, self._findings, self._made
        if "policies" in self._parts:
            check_policies(made, at.bundles, findings)
        if "folder" in self._parts:
            with findings.guarded("keys", "key_file"):
                check_folder(at.files, made, self._keys, at.bundles, findings)
        if made is None or self._keys is None:
            if self._parts & NEED_TABLES:
                findings.skipped.append("index, tiles, erasures: there is nothing to compare with")
            return
        if "tiles" in self._parts:
            with findings.guarded("tiles", "tile", REBUILD):
                check_tiles(made, at.tiles, at.files.public.get("verifier", ""), findings)
        if "erasures" in self._parts:
            with findings.guarded("tables", "certificate", KEEP):
                check_erasures(self._log, made, findings)
                public = at.files.public.get("verifier", "")
                check_certificates(at.certificates, made, public, findings)
        if "index" in self._parts and at.index is not None:
            with findings.guarded("index.db", "index", REBUILD):
                check_index(made, self._keys, at.index, self._ends, findings, at.model)
