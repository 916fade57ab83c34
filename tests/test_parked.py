"""Entries of the index that cannot be made: they stop no other, are said, and are made later."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

import memos_gov
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.materializers.plaintext import IndexFollower
from memos_gov.projections.tables import EventRow, table_of
from memos_gov.service import Actor, Service
from memos_gov.worker.telemetry import Telemetry
from tests.connected_folders import own_engines, removed_afterwards

_EVENT = table_of(EventRow)
DIMS = 4


def kept(actor: Actor, content: str) -> str:
    """Remember something, and return its cube."""
    made = actor.remember(content)
    assert made.cube_id is not None
    return made.cube_id


def payload(gov: Service, cube: str) -> str:
    """Return the payload that the tables have of a cube, sealed."""
    of_cube = _EVENT.c.stream.contains(cube) & _EVENT.c.sealed.is_not(None)
    with gov.rooms.governor.tables.connection() as connection:
        (sealed,) = connection.execute(select(_EVENT.c.sealed).where(of_cube)).one()
    return str(sealed)


def put_payload(gov: Service, cube: str, sealed: str) -> None:
    """Let the tables have another payload of a cube."""
    of_cube = _EVENT.c.stream.contains(cube) & _EVENT.c.sealed.is_not(None)
    with gov.rooms.governor.tables.connection(write=True) as connection:
        connection.execute(update(_EVENT).where(of_cube).values(sealed=sealed))


def damaged(sealed: str) -> str:
    """Return a payload with some letters in its midst changed."""
    half = len(sealed) // 2
    return (
        sealed[:half]
        + ("AAAA" if sealed[half : half + 4] != "AAAA" else "BBBB")
        + sealed[half + 4 :]
    )


def found(actor: Actor) -> set[str]:
    """Return which cubes a recall of a note finds."""
    return {hit.cube_id for hit in actor.recall("note").hits}


def test_memory_whose_payload_is_damaged_stops_no_other(gov: Service, owner: Actor) -> None:
    """It is parked and said; all that came after it is found."""
    bad = kept(owner, "a note that is damaged")
    put_payload(gov, bad, damaged(payload(gov, bad)))
    good = kept(owner, "a note after it")

    assert {good} == found(owner)
    assert [("default", bad, "unreadable")] == gov.rooms.index.parked()
    assert {"unreadable": 1} == gov.status().parked
    page = Telemetry(gov.rooms, ["plaintext"]).page("/metrics")[2].decode()
    assert 'memos_gov_parked_cubes{tenant="default"} 1.0' in page


def test_parked_memory_is_found_once_its_entry_can_be_made(gov: Service, owner: Actor) -> None:
    """What is still damaged stays parked; what is whole again is parked no more."""
    one, other = kept(owner, "a note"), kept(owner, "another note")
    whole = payload(gov, one)
    for cube in (one, other):
        put_payload(gov, cube, damaged(payload(gov, cube)))
    assert set() == found(owner)

    put_payload(gov, one, whole)
    gov.rooms.index_follower.retry_parked()

    assert {one} == found(owner)
    assert [("default", other, "unreadable")] == gov.rooms.index.parked()


def test_parked_memory_is_erased_as_any_other(gov: Service, owner: Actor) -> None:
    """The erasure completes, and leaves nothing parked."""
    erased, stays = kept(owner, "a note"), kept(owner, "another note")
    put_payload(gov, erased, damaged(payload(gov, erased)))
    assert {stays} == found(owner)

    done = owner.forget(cube=erased, reason="request 1")

    assert "completed" == done.state
    assert {stays} == found(owner)
    assert [] == gov.rooms.index.parked()


def test_rebuild_finds_what_was_parked(folder: Path) -> None:
    """`fsck` says that the index lacks it; tables made anew have its payload from the log."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose="complaint-handling")
        cube = kept(owner, "a note")
        put_payload(gov, cube, damaged(payload(gov, cube)))
        assert set() == found(owner)

    assert any(cube in finding.place for finding in fsck(folder).findings)
    rebuild(folder)

    assert [] == list(fsck(folder).findings)
    with memos_gov.open(folder) as gov:
        assert {cube} == found(gov.acting_as("owner", purpose="complaint-handling"))


class OddEmbedder:
    """An embedder whose vectors of texts with the word `odd` have a dimension too few."""

    name = "odd"
    dims = DIMS

    def embed(self, texts: list[str]) -> list[bytes]:
        """Return vectors of length 1."""
        one = b"\x00\x00\x80?"
        return [one + bytes(4 * (DIMS - 1 - ("odd" in text))) for text in texts]


@pytest.mark.connected
def test_entry_that_weaviate_refuses_is_parked_and_the_others_are_found(tmp_path: Path) -> None:
    """With neither words nor vector; made again by an embedder that it takes vectors of."""
    with (
        removed_afterwards(tmp_path / "data") as folder,
        memos_gov.init(folder, engines=own_engines()) as gov,
    ):
        owner, rooms = gov.acting_as("owner", purpose="complaint-handling"), gov.rooms
        cubes = [kept(owner, f"{word} note") for word in ("first", "an odd", "last")]
        governor = rooms.governor
        whole = (governor.log, governor.tables, governor.sealer, rooms.index)
        IndexFollower(*whole, embedder=OddEmbedder()).catch_up()

        assert {cubes[0], cubes[2]} == found(owner)
        assert [("default", cubes[1], "refused")] == rooms.index.parked()

        rooms.index_follower.retry_parked()
        assert set(cubes) == found(owner)
        assert [] == rooms.index.parked()
