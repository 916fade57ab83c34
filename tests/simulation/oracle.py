"""
The oracle: the log played through a plain model, and then the promises, one by one.

The model knows what each record was meant to be, versions as numbers, and the
rules in words of the pages. It shares no code with the certifier but the names
of streams.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from memos_gov.certify import certify, parse
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.history import Known, LogRecord, Rows
from tests.records import KEY, KEY_ID
from tests.simulation.world import Meant, World

GUARDS = ("policy", "holds", "restrictions")


class BrokenPromiseError(AssertionError):
    """A history in which a promise does not hold."""


@dataclass(slots=True)
class Model:
    """What a plain reader of the log knows so far."""

    versions: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    final: dict[tuple[str, str], tuple[int, str, set[str]]] = field(default_factory=dict)
    sizes: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    changed: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    subjects: dict[str, tuple[str, ...]] = field(default_factory=dict)
    erased: dict[tuple[str, str], int] = field(default_factory=dict)
    time_ms: int = 0

    def decide(self, record: LogRecord, meant: Meant | None) -> tuple[str, str, int, set[str]]:
        """Return tenant, code, index and struck cubes of the next record."""
        if meant is None or record.tenant != meant.tenant:
            known = meant is not None
            code = "invalid" if known else "untrusted"
            return self._closed(ids.INSTANCE, code, set())
        self.time_ms = max(self.time_ms, meant.time_ms)
        if (meant.tenant, meant.command_id) in self.final:
            index, code, struck = self.final[meant.tenant, meant.command_id]
            return meant.tenant, code, index, struck
        code, struck = self._judged(meant)
        closed = self._closed(meant.tenant, code, struck)
        if code in {"accepted", "refused"}:
            self.final[meant.tenant, meant.command_id] = (closed[2], code, struck)
        if code == "accepted":
            self._apply(meant, closed[2])
        return closed

    def _closed(self, tenant: str, code: str, struck: set[str]) -> tuple[str, str, int, set[str]]:
        self.sizes[tenant] += 1
        return tenant, code, self.sizes[tenant] - 1, struck

    def _judged(self, meant: Meant) -> tuple[str, set[str]]:
        if meant.genesis:
            return "accepted", set()
        if meant.valid_until == 0:
            return "invalid", set()
        if meant.events[0].REFUSAL:
            return "refused", set()
        if self.time_ms >= meant.valid_until * 1000:
            return "late", set()
        if meant.forgot:
            return "incomplete", set()
        moved = {s for s, version in meant.relied_on.items() if self.versions[s] != version}
        (event,) = meant.events
        if not isinstance(event, e.CubesRead):
            return ("stale", set()) if moved else ("accepted", set())
        guards = {ids.guard_stream(meant.tenant, name) for name in GUARDS}
        if moved & {ids.principal_stream(meant.tenant, meant.actor), *guards}:
            return "stale", set()
        cubes = {read.cube for read in event.cubes}
        ended = {cube for cube in cubes if (meant.tenant, cube) in self.erased}
        return "accepted", ended | {c for c in cubes if moved & self._about(meant.tenant, c)}

    def _about(self, tenant: str, cube: str) -> set[str]:
        content = f"{tenant}/cube/{cube}"
        people = {f"{tenant}/subject/{s}" for s in self.subjects.get(content, ())}
        return {content, f"{content}/governance", *people}

    def _apply(self, meant: Meant, index: int) -> None:
        for event in meant.events:
            for stream in _moved_by(event, meant.tenant):
                self.versions[stream] += 1
                self.changed[stream].append(index)
            if isinstance(event, e.CubeRemembered):
                self.subjects[event.stream(meant.tenant)] = event.subjects
            if isinstance(event, e.CubeErased):
                self.erased[meant.tenant, event.cube] = index


def _moved_by(event: e.Event, tenant: str) -> tuple[str, ...]:
    """Return the streams whose facts an accepted event changes, of those of this world."""
    match event:
        case e.LogFounded() | e.CubesRead():
            return ()  # (no order relies on these)
        case e.TenantFounded(principal=principal):
            return (f"{tenant}/principal/{principal}", f"{tenant}/guard/policy")
        case e.CubeRemembered(cube=cube):
            return (f"{tenant}/cube/{cube}", f"{tenant}/cube/{cube}/governance")
        case e.ConsentWithdrawn(subject=subject):
            return (f"{tenant}/subject/{subject}",)
        case e.CubeRevised(cube=cube):
            return (f"{tenant}/cube/{cube}",)
        case e.OnGovernance(cube=cube):
            return (f"{tenant}/cube/{cube}/governance",)
    raise AssertionError(event)


def check(world: World) -> None:
    """
    Compare a settled world with the model, and ask for each promise.

    Raises:
        BrokenPromiseError: Says which one, and where.
    """
    model, records = Model(), world.log.records
    for record in records:
        _check_outcome(world, model, record)
    _require(1, _rows(world.tables.state.rows) == _replayed(records, 3), "tables are not the log's")
    _require(4, _replayed(records, 1) == _replayed(records, 1_000), "batches change history")
    _check_reads(world, model)
    _check_acknowledged(world, model)
    _check_erased(world, model)
    _check_tenants(world)


def _require(promise: int, holds: bool, what: str) -> None:
    if not holds:
        msg = f"promise {promise}: {what}"
        raise BrokenPromiseError(msg)


def _check_outcome(world: World, model: Model, record: LogRecord) -> None:
    """Promises 2 and 5: every record has the outcome that the pages say, refusals too."""
    meant = world.meant.get(record.body)
    tenant, code, index, struck = model.decide(record, meant)
    found = world.tables.state.outcomes[record.offset]
    told = (found.tenant, found.index, set(found.detail.get("struck", ())))
    codes = {"invalid", "forged", "unknown_type"} if code == "untrusted" else {code}
    holds = told == (tenant, index, struck) and found.code in codes
    expected = f"{(tenant, code, index, struck)}, found {(*told, found.code)}"
    _require(2, holds, f"offset {record.offset}: expected {expected}")


def _replayed(records: list[LogRecord], size: int) -> list[tuple[object, ...]]:
    known, made = Known(), list[Rows]()
    for start in range(0, len(records), size):
        batch = [parse(record) for record in records[start : start + size]]
        made.append(certify(batch, known, {KEY_ID: KEY}))
    return _rows(made)


def _rows(made: list[Rows] | tuple[Rows, ...]) -> list[tuple[object, ...]]:
    return [
        row
        for name in ("outcomes", "events", "facts", "lineage")
        for rows in made
        for row in getattr(rows, name)
    ]


def _check_reads(world: World, model: Model) -> None:
    """Promise 3: nothing was returned that had moved or ended before its read was accepted."""
    for got in world.returned:
        for stream in model._about(got.tenant, got.cube):
            between = [i for i in model.changed[stream] if got.snapshot < i < got.index]
            _require(3, not between, f"{got} although {stream} moved at {between}")
        ended = model.erased.get((got.tenant, got.cube), got.index)
        _require(3, ended >= got.index, f"{got} although it ended at {ended}")


def _check_acknowledged(world: World, model: Model) -> None:
    """Promise 6: what was acknowledged stands, once, with the outcome that was told."""
    for command, outcome in world.acknowledged.items():
        told = (outcome.index, outcome.code)
        _require(6, (model.final.get(command) or ())[:2] == told, f"{command} was told {told}")
    applied = [row for row in _rows(world.tables.state.rows) if len(row) == 9]
    places = [(row[0], row[1], row[2]) for row in applied]
    _require(6, len(places) == len(set(places)), "an event stands twice")


def _check_erased(world: World, model: Model) -> None:
    """Promise 7: of what ended no key and no entry is left, and nothing else went."""
    named: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for rows in world.tables.state.rows:
        for row in rows.events:
            if row[8]:
                tenant, _, cube = str(row[5]).split("/")[:3]
                named[tenant, cube].add(str(row[8]))
    for (tenant, cube), keys in named.items():
        left = {key for key in keys if (tenant, key) in world.vault.keys}
        if (tenant, cube) in model.erased:
            _require(7, not left, f"{cube} ended and {left} open it")
            _require(7, (tenant, cube) not in world.index.found, f"{cube} ended and is found")
        else:
            _require(6, left == keys, f"{cube} lives and lost {keys - left}")
            _require(6, (tenant, cube) in world.index.found, f"{cube} lives and is not found")


def _check_tenants(world: World) -> None:
    """Promise 8: no event of a tenant stands on a stream of another."""
    for rows in world.tables.state.rows:
        for row in rows.events:
            _require(8, str(row[5]).startswith(f"{row[0]}/"), f"{row[5]} in the tree of {row[0]}")
