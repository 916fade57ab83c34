"""
The processes of a history: each a generator that yields between any two steps.

Whoever turns the world may stop going on with one for as long as it likes (a
zombie), or drop it (a kill) and start the next.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from memos_gov.certify import certify, parse
from memos_gov.destroyer import Destroyer
from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.evolve import touched_cubes
from memos_gov.domain.facts import ContentFacts, GovernanceFacts
from memos_gov.domain.history import Known, Outcome
from memos_gov.domain.lineage import may_narrow
from memos_gov.domain.reliance import base_streams, required_streams, session_streams
from memos_gov.follow import digest, read_after
from memos_gov.materializers.plan import has_entry
from memos_gov.ports import Checkpoint, EventLog, KeyStore, Tables
from tests.domain.given import OWNER, remembered
from tests.records import KEY, KEY_ID, allowing, refusing, targets_of
from tests.simulation.world import Committed, Meant, Returned, World, copied

Process = Iterator[str]
KINDS = ("remember", "remember", "revise", "revise", "read", "read", "read", "archive", "restore")
RARE = ("freeze", "thaw", "withdraw", "erase", "erase", "refused", "forget to rely")
ATTEMPTS, PATIENCE, VALID_S, READ_DEADLINE_S = 6, 25, 20, 30
SUBJECTS = ("s_one", "s_two")


@dataclass(slots=True)
class Order:
    """A command that a caller wants done, under one id for ever."""

    tenant: str
    kind: str
    command_id: str
    cubes: tuple[str, ...] = ()


@dataclass(slots=True)
class Client:
    """A caller with orders left; it outlives the processes that work for it."""

    orders: list[Order] = field(default_factory=list)


def writer(world: World, client: Client) -> Process:
    """Have each order decided, acknowledged once its outcome is final."""
    while client.orders:
        order = client.orders[0]
        for _ in range(ATTEMPTS):
            yield "load"
            state = world.facts()
            earlier = state.known.outcomes.get((order.tenant, order.command_id))
            if earlier is not None:
                world.acknowledged[order.tenant, order.command_id] = earlier
                break
            offset = yield from _proposed(world, order, state)
            if offset is None:
                continue
            outcome = world.tables.state.outcomes[offset]
            if outcome.final:
                world.acknowledged[order.tenant, order.command_id] = outcome
                if offset not in world.tables.state.repeats:  # (a repeated read gets no content)
                    _open(world, order, outcome, state)
                break
        client.orders.pop(0)


def _proposed(world: World, order: Order, state: Committed) -> Generator[str, None, int | None]:
    """Make the record of an order, append it, wait until it is decided; return where it stands."""
    meant = _meant(world, order, state)
    body = _body(world, meant)
    for _ in range(2):
        yield "append"
        position = world.send(order.tenant, meant.time_ms, body)
        if position is not None:
            break
    else:
        return None
    for _ in range(PATIENCE):
        yield "wait"
        if world.tables.state.checkpoint.next_offset > position.offset:
            return position.offset
    return None


def _meant(world: World, order: Order, state: Committed) -> Meant:
    """Decide an order by the facts as they are seen: events, and what they rely on."""
    known, tenant = state.known, order.tenant
    events = _events(world, order, known)
    actor = ids.SCHEDULER if order.kind == "erase" else OWNER
    meant = Meant(
        tenant=tenant,
        command_id=order.command_id,
        actor=actor,
        events=events,
        relied_on=_relied_on(events, tenant, actor, order.command_id, known),
        valid_until=world.now + VALID_S,
        time_ms=world.now_ms,
    )
    if order.kind == "forget to rely" and not events[0].REFUSAL:
        left_out = f"{tenant}/cube/{order.cubes[0]}/governance"
        rest = {s: v for s, v in meant.relied_on.items() if s != left_out}
        return replace(meant, relied_on=rest, forgot=True)
    return meant


def _body(world: World, meant: Meant) -> bytes:
    """Seal and sign: a fresh key a content, in the vault before the record is anywhere."""
    key_id = f"k_{world.chance.getrandbits(48):x}"
    if any(isinstance(event, e.CubeRemembered | e.CubeRevised) for event in meant.events):
        world.vault.keys.add((meant.tenant, key_id))
    verdict = _verdict(meant)
    return world.record(meant, verdict=verdict, key_id=key_id)


def _verdict(meant: Meant) -> codec.RecordedVerdict:
    """Return policy's word on what is meant, for as long as it counts."""
    if meant.events[0].REFUSAL:
        return refusing()
    return allowing(targets_of(meant.events) | {""}, valid_until=meant.valid_until)


def _events(world: World, order: Order, known: Known) -> tuple[e.Event, ...]:
    tenant, kind = order.tenant, order.kind
    if kind != "remember" and not order.cubes:
        order.cubes = _some_cubes(world, tenant, known, 2 if kind == "read" else 1)
        if not order.cubes:
            kind = order.kind = "remember"
    if kind == "remember":
        cube = ids.cube_id_of(order.command_id)
        subject = world.chance.choice(SUBJECTS)
        return (remembered(cube=cube, subjects=(subject,), valid_from=world.now),)
    governed = [known.facts.get(ids.governance_stream(tenant, cube)) for cube in order.cubes]
    ended = [g for g in governed if not isinstance(g, GovernanceFacts) or g.state == "erased"]
    if ended or kind == "refused":
        # Policy said no, or did not answer: the refusal is all there is.
        code = "policy_timeout" if kind == "refused" else "erased"
        return (e.CommandRefused(action=kind, targets=order.cubes, reasons=(code,)),)
    if kind == "read":
        return (_read(order, known, tenant),)
    return (_change(world, order, known),)


def _some_cubes(world: World, tenant: str, known: Known, most: int) -> tuple[str, ...]:
    prefix = f"{tenant}/cube/"
    cubes = sorted(
        s[len(prefix) :] for s in known.facts if s.startswith(prefix) and s.count("/") == 2
    )
    count = min(len(cubes), world.chance.randint(1, most))
    return tuple(sorted(world.chance.sample(cubes, count)))


def _read(order: Order, known: Known, tenant: str) -> e.CubesRead:
    cubes = tuple(
        e.ReadCube(cube=cube, revision=_content(known, tenant, cube).revision)
        for cube in order.cubes
    )
    size = known.trees[tenant].size
    return e.CubesRead(action="read", cubes=cubes, snapshot=size - 1, refused={})


def _content(known: Known, tenant: str, cube: str) -> ContentFacts:
    return cast("ContentFacts", known.facts[ids.content_stream(tenant, cube)])


def _change(world: World, order: Order, known: Known) -> e.Event:
    (cube,), tenant = order.cubes[:1], order.tenant
    match order.kind:
        case "archive":
            return e.CubeArchived(cube=cube)
        case "restore":
            return e.CubeActivated(cube=cube)
        case "freeze":
            return e.CubeFrozen(cube=cube)
        case "thaw":
            return e.CubeThawed(cube=cube)
        case "erase":
            return e.CubeErased(cube=cube, erasure="x_one")
        case "withdraw":
            subject = world.chance.choice(SUBJECTS)
            return e.ConsentWithdrawn(
                subject=subject, purpose="research", valid_from=world.now, valid_to=None
            )
        case _:
            return e.CubeRevised(
                cube=cube,
                revision=_content(known, tenant, cube).revision + 1,
                mode="overwrite",
                findings=(),
                index="full",
                size_bytes=5,
                valid_from=world.now,
                valid_to=None,
            )


def _relied_on(
    events: Sequence[e.Event], tenant: str, actor: str, correlation: str, known: Known
) -> dict[str, int]:
    streams = {*base_streams(tenant, actor, None)}
    streams.update(session_streams(events, tenant, actor, correlation))
    for event in events:
        streams.update(required_streams(event, tenant, known.facts))
        if (cube := may_narrow(event)) is not None:
            streams.add(ids.lineage_stream(tenant, cube))
    return {stream: known.versions.get(stream, 0) for stream in streams}


def _open(world: World, order: Order, outcome: Outcome, state: Committed) -> None:
    """Return the content of an accepted read, as far as nothing was struck and a key is there."""
    if order.kind != "read" or outcome.code != "accepted":
        return
    for cube in order.cubes:
        content = _content(state.known, order.tenant, cube)
        there = (order.tenant, content.key_id) in world.vault.keys
        if cube not in outcome.detail.get("struck", ()) and there:
            seen = state.known.trees[order.tenant].size - 1
            world.returned.append(Returned(order.tenant, cube, outcome.index, seen))


def certifier(world: World) -> Process:
    """Certify a batch at a time; between its steps another may do the same."""
    while True:
        state = world.tables.state
        yield "read"
        batch = read_after(cast("EventLog", world.log), 0, state.checkpoint)
        batch = batch[: world.chance.randint(1, 6)]
        if not batch:
            continue
        yield "certify"
        known = copied(state.known)
        known.log_time_ms = state.checkpoint.log_time_ms
        rows = certify([parse(record) for record in batch], known, {KEY_ID: KEY})
        yield "commit"
        last = batch[-1]
        after = Checkpoint(last.offset + 1, digest(last), known.log_time_ms)
        if not world.tables.commit(state, known, rows, after):
            world.happened["zombie fenced"] += 1


def keeper(world: World) -> Process:
    """Keep vault and index where the decided history is."""
    destroyer = destroyer_of(world)
    while True:
        yield "destroy"
        destroyer.catch_up()
        yield "look"
        state, start = world.tables.state, world.index.position + 1
        records = world.log.records[start : state.checkpoint.next_offset][:4]
        if not records:
            continue
        put, remove = _wanted(state, [parse(record).events for record in records], records)
        yield "apply"
        world.index.apply(records[-1].offset, put, remove)
        if world.chance.random() < 0.2:
            yield "apply again"
            world.index.apply(records[-1].offset, put, remove)
            world.happened["effect repeated"] += 1


def _wanted(
    state: Committed, events: Sequence[tuple[e.Event, ...]], records: Sequence[object]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    put: list[tuple[str, str]] = []
    remove: list[tuple[str, str]] = []
    for found, record in zip(events, records, strict=True):
        tenant = getattr(record, "tenant", "")
        for cube in touched_cubes(found, tenant):
            facts = state.known.facts.get(ids.governance_stream(tenant, cube))
            there = isinstance(facts, GovernanceFacts) and has_entry(facts)
            (put if there else remove).append((tenant, cube))
    return put, remove


def destroyer_of(world: World) -> Destroyer:
    """Return a destroyer that begins at the vault's own checkpoint."""
    log, tables = cast("EventLog", world.log), cast("Tables", world.tables)
    return Destroyer(log, tables, cast("KeyStore", world.vault))


def neighbour(world: World) -> Process:
    """Put into the topic what nobody vouches for: garbage, flipped bytes, foreign keys, repeats."""
    while True:
        yield "wait"
        if not world.log.records or world.chance.random() < 0.7:
            continue
        record = world.chance.choice(world.log.records)
        body, tenant = bytearray(record.body), record.tenant
        what = world.chance.choice(("garbage", "flip", "abduct", "repeat", "unjudged"))
        if what == "garbage":
            body = bytearray(world.chance.randbytes(12))
        elif what == "flip":
            body[world.chance.randrange(len(body))] ^= 1 << world.chance.randrange(8)
        elif what == "abduct":
            tenant = world.chance.choice(("acme", "globex", "ghost"))
        elif what == "unjudged":
            body, tenant = bytearray(_unjudged(world)), "acme"
        world.log.put(tenant, world.now_ms, bytes(body), world.now_ms)
        world.happened[f"hostile {what}"] += 1


def _unjudged(world: World) -> bytes:
    """Return a record by a known proposer that carries no verdict: a bug, or a thief of its key."""
    meant = Meant(
        tenant="acme",
        command_id=world.an_id(),
        actor=OWNER,
        events=(e.CubeFrozen(cube="c_any"),),
        relied_on={},
        valid_until=0,
        time_ms=world.now_ms,
    )
    return world.record(meant, verdict=None)
