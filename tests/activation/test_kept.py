"""KV caches that a process keeps: for a minute, within a quota, and while nothing ended."""

from pathlib import Path

import pytest
from msgspec.structs import replace

import memos_gov
from memos_gov.activation.kept import Kept
from memos_gov.activation.sealed_file import Header
from memos_gov.domain.facts import Source
from memos_gov.ports import KvCache
from tests.activation.test_sealed_file import HEADER

SMALL = KvCache((1,), b"x" * 40)


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def time() -> Time:
    """Return a clock."""
    return Time()


@pytest.fixture
def kept(time: Time) -> Kept:
    """Return room for two small ones a tenant."""
    return Kept(time, bytes_max=100)


def header(address: str, tenant: str = "acme") -> Header:
    """Return what a KV cache is of."""
    return replace(HEADER, address=address, tenant=tenant)


def test_kv_cache_is_kept_for_a_minute_after_its_last_use(kept: Kept, time: Time) -> None:
    """Not longer; a use begins it anew."""
    kept.put(header("a"), SMALL)
    time.now += 59
    kept.put(header("a"), SMALL)
    time.now += 59
    assert SMALL == kept.get("acme", "a")

    time.now += 1

    assert kept.get("acme", "a") is None
    assert [] == kept.all_of("acme")


def test_kv_cache_used_least_recently_goes_where_there_is_no_room(kept: Kept) -> None:
    """The one that was used again stays."""
    for address in ("a", "b", "a", "c"):
        kept.put(header(address), SMALL)

    assert ["a", "c"] == [known.address for known, _ in kept.all_of("acme")]
    assert kept.get("acme", "b") is None


def test_kv_cache_that_is_larger_than_the_quota_is_not_kept(kept: Kept) -> None:
    """And the others had to go for nothing else."""
    kept.put(header("a"), KvCache((1,), b"x" * 101))

    assert [] == kept.all_of("acme")


def test_tenant_with_many_drives_out_its_own_only(kept: Kept) -> None:
    """Another tenant's stay, and are not found by its name."""
    kept.put(header("a", "other"), SMALL)
    for address in ("a", "b", "c", "d"):
        kept.put(header(address), SMALL)

    assert SMALL == kept.get("other", "a")
    assert ["a"] == [known.address for known, _ in kept.all_of("other")]


def test_review_without_a_snapshot_drops_everything(kept: Kept) -> None:
    """As a process does that ends its lease."""
    kept.put(header("a"), SMALL)

    kept.review(None)

    assert kept.get("acme", "a") is None


@pytest.mark.parametrize("what", ["nothing", "revise", "freeze", "archive", "forget", "relabel"])
def test_review_drops_what_was_computed_of_a_cube_that_changed_or_ended(
    folder: Path, what: str
) -> None:
    """What does not change content or end its use leaves it."""
    kept = Kept()
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner")
        cubes = [str(owner.remember(text).cube_id) for text in ("one", "two")]
        sources = tuple(Source(cube=cube, revision=1) for cube in cubes)
        kept.put(replace(header("a", "default"), members=sources), SMALL)
        acts = {
            "nothing": lambda: None,
            "revise": lambda: owner.revise(cubes[1], "three"),
            "freeze": lambda: owner.freeze(cubes[1]),
            "archive": lambda: owner.archive(cubes[1]),
            "forget": lambda: owner.forget(cube=cubes[1], reason="asked"),
            "relabel": lambda: owner.relabel(cubes[1], "confidential"),
        }
        acts[what]()

        with gov.rooms.governor.tables.snapshot() as snapshot:
            kept.review(snapshot)

    stays = what in {"nothing", "freeze", "relabel"}
    assert stays == (kept.get("default", "a") is not None)
