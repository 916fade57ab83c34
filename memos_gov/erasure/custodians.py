"""
Custodians read back: does anything of what was erased still exist where they keep it?

Each looks into its own store, by the ids that the log names, and says how
many things it looked for and how many of them it still found. Content that
opens, a name that is known, an entry of the index, a cube that is not erased:
any of these is a remainder, and an erasure with a remainder does not complete.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec

from memos_gov.certify import parse
from memos_gov.domain import codec, ids
from memos_gov.domain.facts import GovernanceFacts
from memos_gov.domain.verdicts import Custodian
from memos_gov.errors import NotFoundError
from memos_gov.ports import CubeIndex, EventLog, KeyStore, Tables
from memos_gov.sealing import Sealer

_PIECE = 200
Tensors = Callable[[str], Iterable[Collection[str]]]  # tenant -> the cubes of each of its files


class ReadBack(msgspec.Struct, frozen=True, kw_only=True):
    """What a custodian looked for, by how many ids, and how much of it is still there."""

    checked: int
    remaining: int
    digest: str
    place: str


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """A content event of an erased cube, and where its record stands."""

    cube: str
    index: int
    key_id: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure ended, and the stores that may still hold some of it."""

    tenant: str
    subject: str | None
    cubes: tuple[str, ...]
    log: EventLog
    tables: Tables
    keys: KeyStore
    index: CubeIndex
    tensors: Tensors

    def payloads(self) -> Iterator[Payload]:
        """Yield every revision that the erased cubes ever had, cube by cube."""
        for piece in _pieces(self.cubes):
            yield from self._payloads(piece)

    def _payloads(self, cubes: Iterable[str]) -> list[Payload]:
        from sqlalchemy import select

        from memos_gov.projections.tables import EventRow, OutcomeRow, table_of

        streams = {ids.content_stream(self.tenant, cube): cube for cube in cubes}
        event, outcome = table_of(EventRow), table_of(OutcomeRow)
        places = (outcome.c.partition, outcome.c.log_offset)
        query = (
            select(event.c.idx, event.c.stream, event.c.key_id, *places)
            .join(outcome, (outcome.c.tenant == event.c.tenant) & (outcome.c.idx == event.c.idx))
            .where(event.c.stream.in_(list(streams)), event.c.key_id.is_not(None))
            .order_by(event.c.stream, event.c.idx)
        )
        with self.tables.connection() as connection:
            rows = connection.execute(query).all()
        return [
            Payload(
                cube=streams[row.stream],
                index=row.idx,
                key_id=row.key_id,
                partition=row.partition,
                offset=row.log_offset,
            )
            for row in rows
        ]


def read_back(custodian: Custodian, erased: Erased) -> ReadBack:
    """Return what a custodian still finds of what was erased."""
    return _CUSTODIANS[custodian](erased)


def _vault(erased: Erased) -> ReadBack:
    """No key of any revision opens."""
    key_ids = {payload.key_id for payload in erased.payloads()}
    opened = erased.keys.open(erased.tenant, key_ids)
    return _found(key_ids, len(opened), f"vault of instance {erased.keys.instance}")


def _directory(erased: Erased) -> ReadBack:
    """The person's name is known no more."""
    subjects = {erased.subject} if erased.subject else set()
    known = erased.keys.names(erased.tenant, subjects)
    return _found(subjects, len(known), f"directory of instance {erased.keys.instance}")


def _index(erased: Erased) -> ReadBack:
    """No cube has an entry, findable or not."""
    present = erased.index.present(erased.tenant, erased.cubes)
    return _found(erased.cubes, len(present), "index")


def _tensors(erased: Erased) -> ReadBack:
    """No file of tensors is of any of the cubes."""
    files = list(erased.tensors(erased.tenant))
    left = {cube for cube in erased.cubes if any(cube in file for file in files)}
    return _found(erased.cubes, len(left), "tensors")


def _tables(erased: Erased) -> ReadBack:
    """Every cube is erased, and nothing that the tables hold of its content opens."""
    left = {cube for piece in _pieces(erased.cubes) for cube in _unerased(erased, piece)}
    sealer = Sealer(erased.keys)
    with erased.tables.snapshot() as snapshot:
        for payload in erased.payloads():
            stored = snapshot.content_event(erased.tenant, payload.cube, payload.index)
            try:
                if stored is not None:
                    sealer.open_content(stored, erased.tenant)
                left.add(payload.cube)
            except NotFoundError:
                continue
    return _found(erased.cubes, len(left), "tables")


def _unerased(erased: Erased, cubes: Sequence[str]) -> Iterator[str]:
    streams = {ids.governance_stream(erased.tenant, cube): cube for cube in cubes}
    with erased.tables.snapshot() as snapshot:
        found = snapshot.facts(streams)
    for stream, cube in streams.items():
        _, facts = found.get(stream, (0, None))
        if not isinstance(facts, GovernanceFacts) or facts.state != "erased":
            yield cube


def _log(erased: Erased) -> ReadBack:
    """The records hold nothing of the cubes but ciphertext that no key opens."""
    sealer, checked, left = Sealer(erased.keys), set[str](), 0
    for payload in erased.payloads():
        checked.add(payload.key_id)
        left += _opens_in_log(erased, sealer, payload)
    return _found(checked, left, "log")


def _opens_in_log(erased: Erased, sealer: Sealer, payload: Payload) -> bool:
    """Whether a record's payload of an erased cube opens, or stands there in another form."""
    parsed = parse(erased.log.read(payload.partition, payload.offset, 1)[0])
    if parsed.record is None:
        return True
    tenant, command_id = erased.tenant, parsed.record.id
    for env, event in zip(parsed.record.data.events, parsed.events, strict=True):
        if env.key_id == payload.key_id and env.sealed is not None:
            try:
                sealer.open(
                    event,
                    env.sealed,
                    env.key_id,
                    tenant=tenant,
                    command_id=command_id,
                    version=env.version,
                )
            except NotFoundError:
                return False
    return True


def _found(checked: Iterable[str], remaining: int, place: str) -> ReadBack:
    named = sorted(checked)
    digest = hashlib.sha256(codec.canonical(named)).hexdigest()
    return ReadBack(checked=len(named), remaining=remaining, digest=digest, place=place)


def _pieces(cubes: Iterable[str]) -> Iterator[list[str]]:
    left = iter(cubes)
    while piece := list(islice(left, _PIECE)):
        yield piece


_CUSTODIANS: dict[Custodian, Callable[[Erased], ReadBack]] = {
    "vault": _vault,
    "directory": _directory,
    "index": _index,
    "tensors": _tensors,
    "tables": _tables,
    "log": _log,
}
