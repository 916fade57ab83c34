"""
The log against its outcomes: every record by itself, and every leaf derived again.

For each record: no gap before it, canonical bytes, a MAC of an enrolled
proposer, its tenant; an outcome whose leaf is the one these bytes give. Then,
tenant by tenant, the index without gaps and the tree over the leaves. Whether
the outcomes are right is not here: `tables.py` certifies everything again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from memos_gov.domain import codec, ids
from memos_gov.domain.history import LogPosition, LogRecord, Outcome, Parsed
from memos_gov.follow import BATCH_RECORDS_MAX, mac_secret
from memos_gov.fsck.report import KEEP, REBUILD, RESTORE, WATCH, Findings
from memos_gov.fsck.tree import root_over, subtrees_of
from memos_gov.fsck.walk import Ends, Seen, batches, walk
from memos_gov.ports import EventLog, KeyStore, Tables

OFFSET_MIN = -(2**63)
EVIDENCE = frozenset({"invalid", "forged", "unknown_type"})
_PROBLEMS = {
    "invalid": "the record is not canonical, or not one of ours",
    "tenant": "the record stands under another tenant's key",
    "forged": "no enrolled proposer made this record",
}


def check_log(
    log: EventLog,
    ends: Ends,
    tables: Tables | None,
    keys: KeyStore | None,
    findings: Findings,
) -> None:
    """Check every record below the ends against tables that have come as far, and the trees."""
    check_stored(log, findings)
    check = RecordCheck(ends, tables, keys, findings, gapless=log.gapless)
    walk(log, ends, tables, [check], findings)


def check_stored(log: EventLog, findings: Findings) -> None:
    """Note every record below offset 0, which no reader of the log sees, or stored as no record."""
    for place in log.damaged():
        findings.add(place, "damaged", "the record is not stored as one", RESTORE)
    for partition in range(log.partitions):
        for batch in batches(log, partition, 0, OFFSET_MIN):
            for record in batch:
                message = "the record stands before the log's beginning"
                findings.add(record.position.place, "before", message, RESTORE)


class RecordCheck:
    """
    Each record, its outcome and its place; at the end the trees.

    Without `tables` a record is checked by itself, without `keys` its MAC is
    not. Tables that `lag` may lack the outcomes of the newest records. Where the
    log is not `gapless`, an offset without a record is nothing by itself.
    """

    def __init__(
        self,
        ends: Ends,
        tables: Tables | None,
        keys: KeyStore | None,
        findings: Findings,
        *,
        lag: bool = False,
        gapless: bool = True,
    ) -> None:
        self._ends = ends
        self._gapless = gapless
        self._tables = tables
        self._keys = keys
        self._findings = findings
        self._lag = lag
        self._expected = [0] * len(ends)
        self._sizes = Counter[str]()
        self._mac_keys: dict[str, bytes | None] = {}

    def see(self, batch: Sequence[Seen]) -> None:
        """Check records in order of the log."""
        for seen in batch:
            at = seen.parsed.at.position
            expected = LogPosition(at.partition, self._expected[at.partition])
            if at != expected and self._gapless:
                message = "a record is missing from the log"
                self._findings.add(expected.place, "gap", message, RESTORE)
            self._expected[at.partition] = at.offset + 1
            self._check(seen)
        self._findings.counts["records"] += len(batch)

    def end(self) -> None:
        """Check that the log ends where it should, and every tenant's tree."""
        short = list(self._short())
        for place in short:
            message = "the log ends before what was decided of it"
            self._findings.add(place.place, "gap", message, RESTORE)
        if not short and self._tables is not None:
            check_trees(self._tables, self._findings)

    def _short(self) -> Iterator[LogPosition]:
        """Yield where a partition ends too early."""
        decided = [0] * len(self._ends)
        if self._tables is not None:
            decided = decided_ends(self._tables, len(self._ends), self._findings)
        for partition, expected in enumerate(self._expected):
            end = self._ends[partition] if self._gapless else 0
            if expected < max(decided[partition], end):
                yield LogPosition(partition, expected)

    def _check(self, seen: Seen) -> None:
        problem = self._problem(seen.parsed)
        if problem:
            self._note(problem, seen)
        if self._tables is None:
            return
        if seen.outcome is None:
            if seen.state == "missing" and not self._lag:
                place = _row_of(seen.parsed.at)
                self._findings.add(place, "outcome", "has no outcome", REBUILD)
        elif seen.repeats:
            self._findings.counts["duplicates"] += 1
        else:
            self._check_outcome(seen, seen.outcome, sound=not problem and self._keys is not None)

    def _problem(self, parsed: Parsed) -> str:
        """Return the kind of what a record by itself is not as it must be; "" for none."""
        if parsed.record is None or parsed.problem:
            return "invalid"
        if parsed.record.data.tenant != parsed.at.tenant:
            return "tenant"
        if self._keys is None or self._has_valid_mac(self._keys, parsed.record, parsed.at.body):
            return ""
        return "forged"

    def _has_valid_mac(self, keys: KeyStore, record: codec.Record, body: bytes) -> bool:
        name = record.data.mac_key
        if name not in self._mac_keys:
            self._mac_keys[name] = keys.secret(ids.INSTANCE, mac_secret(name))
        key = self._mac_keys[name]
        return key is not None and codec.has_valid_mac(record, body, key)

    def _note(self, problem: str, seen: Seen) -> None:
        """Note a record that is not sound; one that was decided as such is evidence."""
        evidence = seen.intact and seen.outcome is not None and seen.outcome.code in EVIDENCE
        message = f"{_PROBLEMS[problem]}; it was never applied" if evidence else _PROBLEMS[problem]
        tenant = seen.parsed.at.tenant if problem == "forged" else ""
        remedy = WATCH if evidence else RESTORE if problem == "tenant" else KEEP
        place = seen.parsed.at.position.place
        self._findings.add(place, problem, message, remedy, tenant=tenant)

    def _check_outcome(self, seen: Seen, outcome: Outcome, *, sound: bool) -> None:
        place, tenant = _row_of(seen.parsed.at), outcome.tenant
        if outcome.index != self._sizes[tenant]:
            message = f"index {outcome.index} of {tenant} where {self._sizes[tenant]} is due"
            self._findings.add(place, "index", message, REBUILD, tenant=tenant)
        self._sizes[tenant] = outcome.index + 1
        if seen.intact:
            return
        if sound:
            message = "another leaf than its record, which is properly sealed, gives"
            self._findings.add(place, "outcome", message, REBUILD, tenant=tenant)
        else:
            message = "the record is another one than the leaf in the tree was made of"
            at = seen.parsed.at.position.place
            self._findings.add(at, "leaf", message, KEEP, tenant=tenant)


def _row_of(at: LogRecord) -> str:
    return f"outcomes ({at.partition}, {at.offset})"


def decided_ends(tables: Tables, partitions: int, findings: Findings) -> list[int]:
    """Return the offset after the last record of each partition that has an outcome."""
    from sqlalchemy import func, select

    from memos_gov.projections.tables import OutcomeRow, table_of

    table, ends = table_of(OutcomeRow), [0] * partitions
    with findings.guarded("tables outcomes", "damaged", REBUILD), tables.connection() as connection:
        for partition in range(partitions):
            query = select(func.max(table.c.log_offset)).where(table.c.partition == partition)
            last = connection.execute(query).scalar()
            ends[partition] = 0 if last is None else int(last) + 1
    return ends


def check_trees(tables: Tables, findings: Findings) -> None:
    """Compare each tree with the one over the leaves in the order of their index."""
    from sqlalchemy import select

    from memos_gov.projections.tables import OutcomeRow, TreeRow, table_of

    tree, outcome, named = table_of(TreeRow), table_of(OutcomeRow), list[str]()
    with findings.guarded("trees", "root", REBUILD), tables.connection() as connection:
        kept = {row.tenant for row in connection.execute(select(tree.c.tenant))}
        decided = select(outcome.c.tenant).where(outcome.c.idx.is_not(None)).distinct()
        named = sorted(kept | {row.tenant for row in connection.execute(decided)})
    for tenant in named:
        place = f"trees ({tenant})"
        with findings.guarded(place, "root", REBUILD):
            size, subtrees = _tree_of(tables, tenant)
            findings.roots[tenant] = root_over(subtrees).hex()
            if _kept_tree(tables, tenant) != (size, b"".join(subtrees)):
                message = "the tree is not the one that its leaves make"
                findings.add(place, "root", message, REBUILD, tenant=tenant)
            findings.counts["trees"] += 1


def _tree_of(tables: Tables, tenant: str) -> tuple[int, list[bytes]]:
    """Return how many leaves a tenant has, and the perfect subtrees over them."""
    from sqlalchemy import func, select

    from memos_gov.projections.tables import OutcomeRow, table_of

    outcome = table_of(OutcomeRow)
    mine = (outcome.c.tenant == tenant, outcome.c.idx.is_not(None))
    query = select(outcome.c.leaf).where(*mine).order_by(outcome.c.idx)
    with tables.connection() as connection:
        size = connection.execute(select(func.count()).where(*mine)).scalar() or 0
        rows = connection.execute(query.execution_options(yield_per=BATCH_RECORDS_MAX))
        return size, subtrees_of((row.leaf for row in rows), size)


def _kept_tree(tables: Tables, tenant: str) -> tuple[int, bytes] | None:
    """Return size and frontier of a tenant's tree as the tables keep it."""
    from sqlalchemy import select

    from memos_gov.projections.tables import TreeRow, table_of

    tree = table_of(TreeRow)
    with tables.connection() as connection:
        row = connection.execute(select(tree).where(tree.c.tenant == tenant)).first()
    return None if row is None else (row.size, row.frontier)
