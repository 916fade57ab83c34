"""
The event log on one machine, beside `eventsourcing` with SQLite (`peer.py`).

Both keep the same complaints of about sixty words with the same governance
words: an event of 1.1 kB there, a record of 2.6 kB here, since it also carries
verdict, rules, what it relied on, a ciphertext in base64, a salt and a MAC.
Both are durable alike: a file in WAL mode with `synchronous=FULL` under
whatever is acknowledged. Our tables are made again from the log at need and
use NORMAL; the peer's view shares the peer's database and its FULL, as it does
out of the box.

- One command: `Actor.remember`, from words to receipt, with policy, sealing,
  append, certification and the facts written, against a save and one
  projected row. The customer is known; a new one costs a second fsync, of the
  directory in the vault, and is told apart.
- Certification: what follows the append, for batches of 500 records, each a
  command of its own. The peer's like is one save a command, and that is what
  the floor is about. Its save can also take many aggregates at once, as one
  command; told too, and not judged, since it decides nothing per event.
- Projecting: both read their own log, 500 events at a time, and write one
  view. The peer's `process_event` is a transaction an event, and that is
  judged; one transaction for 500 events by hand is told.
- Rebuild: certification and every view into empty tables, which is what the
  floor is about; then the command whole (roots compared, index filled again)
  and `fsck`, both told.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path

import memos_gov
from bench import folders, peer
from bench.complaints import complaints
from bench.measure import (
    Bench,
    Figure,
    Spread,
    against,
    at_least,
    beside,
    interleaved,
    seconds,
    told,
)
from bench.replay import Replay
from memos_gov import bootstrap
from memos_gov.ports import Proposal

THREADS = 16
KNOWN = 20
VIEW = "cubes"


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield every figure of the embedded log."""
    with closing(peer.Peer(bench.folder / "peer")) as other:
        with folders.founded(bench.folder / "one") as gov:
            yield from single(bench, gov, other)
            yield from threads(bench, gov)
        with folders.founded(bench.folder / "many") as gov:
            yield from batches(bench, gov, other)
    yield from whole(bench, bench.folder / "many")


def single(bench: Bench, gov: memos_gov.Service, other: peer.Peer) -> Iterator[Figure]:
    """Yield the time of one durable command, to its facts and to a view beyond them."""
    times = bench.size(400, 5)
    actor, follower = gov.acting_as("owner"), gov.rooms.follower
    texts, numbers = complaints(6 * (times + 50)), count()

    def ours() -> None:
        actor.remember(next(texts), subjects=[f"customer-{next(numbers) % KNOWN}"])

    def ours_in_view() -> None:
        ours()
        follower.catch_up(VIEW)

    def ours_of_a_new_customer() -> None:
        actor.remember(next(texts), subjects=[f"new-customer-{next(numbers)}"])

    def theirs() -> None:
        other.save_and_project(peer.note(next(texts), f"customer-{next(numbers)}"))

    mine, seen, new, others = interleaved(
        times, ours, ours_in_view, ours_of_a_new_customer, theirs, warm_up=KNOWN
    )
    beside_it = (f"{peer.NAME}, save + one row", others.median * 1000)
    yield beside("one command, in its facts", mine.median * 1000, "ms", beside_it, 0.5)
    yield told("one command, in its facts, p95", mine.p95 * 1000, "ms")
    yield beside("one command, in view `cubes` too", seen.median * 1000, "ms", beside_it, None)
    yield beside("one command, of a new customer", new.median * 1000, "ms", beside_it, None)


def threads(bench: Bench, gov: memos_gov.Service) -> Iterator[Figure]:
    """Yield how many prepared records 16 threads append a second, one at a time each."""
    each = bench.size(300, 3)
    rates = []
    for turn in range(bench.size(5, 1)):
        proposals = _proposals(gov, THREADS * each, turn)
        took = seconds(partial(_append_from_threads, gov, proposals))
        rates.append(THREADS * each / took)
    gov.rooms.governor.certifier.catch_up()
    rate = sorted(rates)[len(rates) // 2]
    yield at_least(f"appends, {THREADS} threads, durable one by one", rate, "/s", 3000)


def _proposals(gov: memos_gov.Service, total: int, seed: int) -> list[Proposal]:
    texts = complaints(total, seed=seed)
    commands = [folders.remember(text, n) for n, text in enumerate(texts)]
    found = folders.prepared(gov, gov.acting_as("owner"), commands)
    return [item.proposal for item in found]


def _append_from_threads(gov: memos_gov.Service, proposals: Sequence[Proposal]) -> None:
    log = gov.rooms.governor.log

    def append(mine: Sequence[Proposal]) -> None:
        for proposal in mine:
            log.append([proposal])

    writers = [
        threading.Thread(target=append, args=(proposals[n::THREADS],)) for n in range(THREADS)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()


def batches(bench: Bench, gov: memos_gov.Service, other: peer.Peer) -> Iterator[Figure]:
    """Yield the rates of certifying, projecting and rebuilding a log."""
    total, turns = bench.size(5000, 20), bench.size(5, 1)
    texts = list(complaints(total, seed=3))
    actor = gov.acting_as("owner")
    folders.fill(gov, actor, (folders.remember(text, n) for n, text in enumerate(texts)))
    gov.rooms.follower.catch_up()
    with closing(Replay(gov, bench.folder / "replay")) as replay:
        yield from _certifying(replay, other, texts, turns)
        with closing(peer.Peer(bench.folder / "peer-log")) as written:
            _save_by_500(written, texts)
            yield from _projecting(replay, written, turns)
        yield from _rebuilding(replay, turns)


def _save_by_500(other: peer.Peer, texts: Sequence[str]) -> None:
    for start in range(0, len(texts), peer.BATCH):
        batch = texts[start : start + peer.BATCH]
        other.save_batch(peer.note(text, f"customer-{start}") for text in batch)


def _certifying(
    replay: Replay, other: peer.Peer, texts: Sequence[str], turns: int
) -> Iterator[Figure]:
    few = texts[: len(texts) // 5]

    def one_by_one() -> None:
        for number, text in enumerate(few):
            other.save(peer.note(text, f"customer-{number}"))

    def by_500() -> None:
        _save_by_500(other, texts)

    ours, single_saves, batch_saves, proofs = interleaved(
        turns, replay.certify, one_by_one, by_500, replay.provable(), warm_up=1
    )
    rate = replay.records / ours.median
    yield at_least("certification, batches of 500", rate, "records/s", 5000)
    one = (f"{peer.NAME}, a save a command", len(few) / single_saves.median)
    yield against("certification beside saves", rate, "records/s", one, 3.0)
    many = (f"{peer.NAME}, 500 events a save", len(texts) / batch_saves.median)
    yield against("certification beside saves of 500", rate, "records/s", many, None)
    share = proofs.median / ours.median
    yield Figure(
        name="keys, hashes and Merkle, share of certification",
        value=100 * share,
        unit="%",
        peer="limit 20 %",
        ratio=0.2 / share,
        floor=1.0,
    )


def _projecting(replay: Replay, other: peer.Peer, turns: int) -> Iterator[Figure]:
    total = other.app.recorder.max_notification_id() or 0
    ours, each, by_500 = interleaved(
        turns, replay.project, other.project_each, other.project_batches, warm_up=1
    )
    rate = replay.records / ours.median
    one = (f"{peer.NAME}, a transaction an event", total / each.median)
    yield against("own log read and projected, one view", rate, "events/s", one, 2.0)
    many = (f"{peer.NAME}, 500 events a transaction", total / by_500.median)
    yield against("the same, beside hand-made batches", rate, "events/s", many, None)


def _rebuilding(replay: Replay, turns: int) -> Iterator[Figure]:
    taken: Spread = interleaved(turns, replay.rebuild, warm_up=1)[0]
    rate = replay.records / taken.median
    yield at_least("full rebuild, all tables", rate, "events/s", 7000)


def whole(bench: Bench, data: Path) -> Iterator[Figure]:
    """Yield what `memos-gov rebuild` and `fsck` do on a closed folder, all steps included."""
    records = 0

    def rebuild() -> None:
        nonlocal records
        records = bootstrap.rebuild(data).records

    def fsck() -> None:
        assert bootstrap.fsck(data).clean

    rebuilt, examined = interleaved(bench.size(3, 1), rebuild, fsck, warm_up=1)
    yield told("rebuild, index and comparison too", records / rebuilt.median, "events/s")
    yield told("fsck", records / examined.median, "events/s")
