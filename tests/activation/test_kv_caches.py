"""KV caches of sets of cubes: restored where everything fits, and else computed, never wrong."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from memos_gov.activation.kv_caches import KvCaches, Wanted
from memos_gov.activation.members import Member
from memos_gov.activation.sealed_file import MAGIC, Header, file_key, header_of, sealed
from memos_gov.backends.base_models.language_model import TransformersLanguageModel
from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.vault import SqliteKeyStore
from memos_gov.backends.tensors import FileTensorStore
from memos_gov.errors import InvalidCommandError, NotFoundError, UnavailableError
from memos_gov.ports import KvCache, MasterKeys
from tests.base_models import TEXTS, require_base_models, tiny

pytestmark = pytest.mark.models
TENANT, POLICY = "acme", "a" * 64
KEY_IDS: dict[str, list[str]] = {}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> TransformersLanguageModel:
    """Return a tiny base model."""
    require_base_models()
    folder = tmp_path_factory.mktemp("base")
    return TransformersLanguageModel(str(tiny(folder / "llama")), folder)


@pytest.fixture(scope="module")
def empty_vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a vault with keys of three cubes of two tenants, which nobody writes to."""
    path = tmp_path_factory.mktemp("vault") / "vault.db"
    migrate.upgrade(path, "vault")
    with closing(SqliteKeyStore(path, lambda: MasterKeys({1: "11" * 32}))) as vault:
        for tenant in (TENANT, "other"):
            KEY_IDS[tenant] = [key.key_id for key in vault.issue(tenant, 3)]
    return path


@pytest.fixture
def keys(empty_vault: Path, tmp_path: Path) -> Iterator[SqliteKeyStore]:
    """Return a vault of the test's own."""
    path = Path(shutil.copy(empty_vault, tmp_path / "vault.db"))
    vault = SqliteKeyStore(path, lambda: MasterKeys({1: "11" * 32}))
    yield vault
    vault.close()


@pytest.fixture
def store(tmp_path: Path) -> FileTensorStore:
    """Return where the files lie."""
    return FileTensorStore(tmp_path / "tensors")


@pytest.fixture
def kv_caches(
    llama: TransformersLanguageModel, store: FileTensorStore, keys: SqliteKeyStore
) -> KvCaches:
    """Return the room under test."""
    return KvCaches(llama, store, keys)


def member(number: int, text: str | None = None, **changes: Any) -> Member:
    """Return a cube; `wanted` gives it its key."""
    said = {
        "cube": f"c_{number}",
        "revision": 1,
        "key_id": str(number),
        "rank": 1,
        "text": text or TEXTS[number],
    }
    return Member(**(said | changes))


def wanted(*members: Member, **changes: Any) -> Wanted:
    """Return a set."""
    found = changes.pop("members", members or (member(0), member(1), member(2)))
    keys = KEY_IDS[changes.get("tenant", TENANT)]
    of_keys = tuple(replace(one, key_id=keys[int(one.key_id)]) for one in found)
    return Wanted(**({"tenant": TENANT, "policy": POLICY, "members": of_keys} | changes))


def rewritten(tmp_path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Change a file behind the store's back."""
    place = tmp_path / "tensors" / TENANT / f"{name}.kv"
    place.write_bytes(change(place.read_bytes()))


def test_set_that_was_built_is_restored_bit_for_bit(kv_caches: KvCaches) -> None:
    """In whatever order its cubes are named."""
    built = kv_caches.build(wanted())

    for members in itertools.permutations((member(0), member(1), member(2))):
        served = kv_caches.serve(wanted(*members))
        assert (True, built.kv_cache) == (served.restored, served.kv_cache)
    assert {"computed": 1, "restored": 6} == kv_caches.counts


def test_set_that_was_not_built_is_computed_and_nothing_is_written(
    kv_caches: KvCaches, store: FileTensorStore
) -> None:
    """Serving is no building."""
    served = kv_caches.serve(wanted())

    assert (False, 0, None) == (served.restored, served.reused, served.refused)
    assert [] == store.names(TENANT)


def test_set_that_begins_like_another_one_is_computed_from_there(
    kv_caches: KvCaches, llama: TransformersLanguageModel
) -> None:
    """The longest beginning counts; what comes out is as near as 16 bits are."""
    kv_caches.build(wanted(member(0)))
    longest = kv_caches.build(wanted(member(0), member(1)))
    kv_caches.build(wanted(member(2)))

    served = kv_caches.serve(wanted())

    first = llama.prefix(TEXTS[:2])
    assert len(first) - 8 < served.reused < len(longest.kv_cache.tokens) + 1
    plain = llama.restored(llama.prefill(served.kv_cache.tokens, exact=True))
    made = llama.restored(served.kv_cache)
    for one, other in zip(plain.layers, made.layers, strict=True):
        assert (one.keys - other.keys).abs().max() < 0.01
        assert (one.values - other.values).abs().max() < 0.01


@pytest.mark.parametrize(
    "other",
    [
        lambda: wanted(tenant="other"),
        lambda: wanted(policy="b" * 64),
        lambda: wanted(member(0, revision=2), member(1), member(2)),
        lambda: wanted(member(0, text="Something else."), member(1), member(2)),
        lambda: wanted(member(0), member(1)),
    ],
    ids=["tenant", "policy", "revision", "text", "members"],
)
def test_set_that_differs_in_anything_misses_and_the_same_one_hits(
    kv_caches: KvCaches, other: Callable[[], Wanted]
) -> None:
    """Both halves: a cache that never hits would pass the first."""
    kv_caches.build(wanted())

    assert not kv_caches.serve(other()).restored
    assert kv_caches.serve(wanted()).restored


def test_beginning_is_never_taken_from_another_tenant(kv_caches: KvCaches) -> None:
    """Nor from another policy's files."""
    kv_caches.build(wanted(member(0)))

    assert 0 == kv_caches.serve(wanted(tenant="other")).reused
    assert 0 == kv_caches.serve(wanted(policy="b" * 64)).reused
    assert 0 < kv_caches.serve(wanted()).reused


def test_base_model_that_changed_does_not_find_what_the_old_one_built(
    kv_caches: KvCaches, store: FileTensorStore, keys: SqliteKeyStore, tmp_path: Path
) -> None:
    """Other weights, same everything else."""
    kv_caches.build(wanted())
    other = TransformersLanguageModel(str(tiny(tmp_path / "other", seed=8)), tmp_path)

    served = KvCaches(other, store, keys).serve(wanted())

    assert (False, 0) == (served.restored, served.reused)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw[:-1], "corrupt"),
        (lambda raw: raw[:40], "corrupt"),
        (lambda _: b"", "corrupt"),
        (lambda raw: raw[:-5] + bytes([raw[-5] ^ 1]) + raw[-4:], "corrupt"),
        (lambda raw: raw.replace(b'"revision":1', b'"revision":2', 1), "corrupt"),
        (lambda raw: raw.replace(MAGIC, b"memos-gov kv 2\n", 1), "newer"),
        (lambda raw: b"\x80\x04\x95" + raw, "corrupt"),
    ],
    ids=["cut", "header cut", "empty", "turned", "forged", "newer", "pickle"],
)
def test_file_that_is_wrong_is_refused_counted_and_made_again(
    kv_caches: KvCaches,
    store: FileTensorStore,
    tmp_path: Path,
    change: Callable[[bytes], bytes],
    reason: str,
) -> None:
    """The caller gets what is right, having waited; building puts the file right."""
    good = kv_caches.build(wanted())
    rewritten(tmp_path, good.address, change)

    served = kv_caches.serve(wanted())

    assert (False, reason, good.kv_cache) == (served.restored, served.refused, served.kv_cache)
    assert 1 == kv_caches.counts[f"refused_{reason}"]
    kv_caches.build(wanted())
    assert kv_caches.serve(wanted()).restored
    assert [good.address] == store.names(TENANT)


def test_file_of_another_set_under_this_ones_name_is_refused(
    kv_caches: KvCaches, tmp_path: Path
) -> None:
    """Swapped within a tenant, each with a key that opens it."""
    one, two = kv_caches.build(wanted(member(0))), kv_caches.build(wanted(member(1)))
    folder = tmp_path / "tensors" / TENANT
    shutil.copy(folder / f"{two.address}.kv", folder / f"{one.address}.kv")

    served = kv_caches.serve(wanted(member(0)))

    assert ("corrupt", one.kv_cache) == (served.refused, served.kv_cache)


def test_file_of_another_tenant_under_this_ones_name_is_refused(
    kv_caches: KvCaches, tmp_path: Path
) -> None:
    """The keys of its cubes open for their tenant only."""
    mine, theirs = kv_caches.build(wanted()), kv_caches.build(wanted(tenant="other"))
    folder = tmp_path / "tensors"
    shutil.copy(folder / "other" / f"{theirs.address}.kv", folder / TENANT / f"{mine.address}.kv")

    served = kv_caches.serve(wanted())

    assert (False, mine.kv_cache) == (served.restored, served.kv_cache)
    assert served.refused in {"corrupt", "key_gone"}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_file_of_which_one_cube_was_erased_opens_no_more(
    kv_caches: KvCaches, keys: SqliteKeyStore, store: FileTensorStore, place: int
) -> None:
    """Whichever it is: its key is a part of the file's, and there is no other way to it."""
    built = kv_caches.build(wanted())
    keys.discard(TENANT, [KEY_IDS[TENANT][place]])
    keys.forget_opened()

    assert "key_gone" == kv_caches.serve(wanted()).refused
    with pytest.raises(NotFoundError):
        kv_caches.build(wanted())
    assert [] == store.names(TENANT)
    assert built.kv_cache.tokens


def test_file_that_was_forged_ends_no_key(
    kv_caches: KvCaches, keys: SqliteKeyStore, store: FileTensorStore, tmp_path: Path
) -> None:
    """Whoever can write the folder cannot reach the vault through it."""
    built = kv_caches.build(wanted(member(0)))
    raw = store.get(TENANT, built.address)
    assert raw is not None
    forged = replace(header_of(raw, "x"), key_ids=(KEY_IDS[TENANT][2],))
    rewritten(tmp_path, built.address, lambda _: sealed(forged, built.kv_cache, b"z" * 32))

    assert "corrupt" == kv_caches.serve(wanted(member(0))).refused
    kv_caches.build(wanted(member(0)))

    assert 3 == len(keys.open(TENANT, KEY_IDS[TENANT]))
    assert kv_caches.serve(wanted(member(0))).restored


def test_file_that_was_sealed_with_other_tokens_is_refused(
    kv_caches: KvCaches, store: FileTensorStore, keys: SqliteKeyStore, tmp_path: Path
) -> None:
    """Token ids are compared, whatever the address says."""
    built = kv_caches.build(wanted())
    raw = store.get(TENANT, built.address)
    assert raw is not None
    header: Header = header_of(raw, "x")
    tokens = (*built.kv_cache.tokens[:-1], 5)
    found = keys.open(TENANT, header.key_ids)
    key = file_key([found[key_id] for key_id in header.key_ids], built.address)
    wrong = sealed(header, KvCache(tokens, built.kv_cache.tensors), key)
    rewritten(tmp_path, built.address, lambda _: wrong)

    served = kv_caches.serve(wanted())

    assert ("corrupt", built.kv_cache) == (served.refused, served.kv_cache)


def test_beginning_that_is_damaged_is_counted_and_all_is_computed(
    kv_caches: KvCaches, tmp_path: Path
) -> None:
    """A tail on a wrong beginning would be wrong."""
    built = kv_caches.build(wanted(member(0)))
    rewritten(tmp_path, built.address, lambda raw: raw[:-1] + b"x")

    assert 0 == kv_caches.serve(wanted()).reused
    assert 1 == kv_caches.counts["refused_corrupt"]


def test_set_of_no_cubes_or_of_too_many_is_refused(kv_caches: KvCaches) -> None:
    """The field is named."""
    many = tuple(member(0, cube=f"c_{n}") for n in range(1001))
    for members in ((), many):
        with pytest.raises(InvalidCommandError, match="members"):
            kv_caches.serve(wanted(members=members))


def test_set_that_is_longer_than_the_base_model_reads_is_refused(
    kv_caches: KvCaches, store: FileTensorStore
) -> None:
    """Nothing is cut off silently, nothing is written."""
    with pytest.raises(InvalidCommandError, match="that the base model reads"):
        kv_caches.build(wanted(member(0, text="word " * 9000)))

    assert [] == store.names(TENANT)


def test_set_that_cannot_be_written_is_unavailable(
    llama: TransformersLanguageModel, keys: SqliteKeyStore, tmp_path: Path
) -> None:
    """The cause is named."""
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(UnavailableError, match="cannot be"):
        KvCaches(llama, FileTensorStore(tmp_path / "file"), keys).build(wanted())


def test_file_shows_no_word_of_its_cubes(kv_caches: KvCaches, tmp_path: Path) -> None:
    """Neither as text nor as tokens; ids stand in the clear."""
    built = kv_caches.build(wanted(member(0, text="Xylophone zebra quartz.")))

    raw = (tmp_path / "tensors" / TENANT / f"{built.address}.kv").read_bytes()
    assert b"ylophone" not in raw
    assert b"c_0" in raw
