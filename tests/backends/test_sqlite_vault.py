"""SqliteKeyStore keeps the contract, and what only a file can get wrong."""

import hmac
import multiprocessing
import random
import sqlite3
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.vault import SqliteKeyStore
from memos_gov.errors import CorruptionError, SettingsError, UnavailableError
from memos_gov.opened import OPENED_S_MAX
from memos_gov.ports import MasterKeys
from tests.contracts.key_store import INSTANCE, OTHER, TENANT, KeyStoreContract

MASTER = MasterKeys({1: "11" * 32})
NEWER = MasterKeys({1: "11" * 32, 2: "22" * 32})
Open = Callable[[], SqliteKeyStore]


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of a fresh vault."""
    path = tmp_path_factory.mktemp("vault") / "vault.db"
    migrate.upgrade(path, "vault")
    keys = SqliteKeyStore(path, lambda: MASTER)
    keys.found(INSTANCE)
    keys.close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, founded: bytes) -> Path:
    """Return where the vault lies, founded and empty."""
    place = tmp_path / "vault.db"
    place.write_bytes(founded)
    return place


@pytest.fixture
def masters() -> dict[int, str]:
    """Return the master keys, as a test may change them."""
    return dict(MASTER.epochs)


@pytest.fixture
def open_keys(path: Path, masters: dict[int, str]) -> Iterator[Open]:
    """Return a function that opens the vault; every opening is closed at the end."""
    opened: list[SqliteKeyStore] = []

    def put() -> SqliteKeyStore:
        opened.append(SqliteKeyStore(path, lambda: MasterKeys(dict(masters))))
        return opened[-1]

    yield put
    for keys in opened:
        keys.close()


@pytest.fixture
def keys(open_keys: Open) -> SqliteKeyStore:
    """Return the vault under test."""
    return open_keys()


def kept(path: Path) -> bytes:
    """Return every byte of the vault's files."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob("vault.db*")))


def changed(path: Path, statement: str, *values: object) -> None:
    """Change a row behind the vault's back."""
    connection = sqlite3.connect(path, isolation_level=None)
    assert connection.execute(statement, values).rowcount > 0
    connection.close()


def wrapped(path: Path, table: str = "content_keys", column: str = "wrapped") -> list[bytes]:
    """Return what a table keeps wrapped."""
    connection = sqlite3.connect(path)
    rows = connection.execute(f"SELECT {column} FROM {table}").fetchall()
    connection.close()
    return [row[0] for row in rows]


class TestSqliteKeyStore(KeyStoreContract):
    """The contract, on one file."""

    @pytest.fixture(autouse=True)
    def _found(self, path: Path) -> None:
        self._path = path

    def raw_bytes(self) -> bytes:
        """Return every byte of the vault's files."""
        return kept(self._path)

    @pytest.fixture
    def broken(self, open_keys: Open) -> SqliteKeyStore:
        """Return a vault whose file was closed under it."""
        keys = open_keys()
        keys._file.close()
        return keys


def _flip(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


@pytest.mark.parametrize(
    "change", [_flip, lambda _: b"", lambda raw: raw[:5], lambda raw: raw[:20]]
)
def test_key_that_was_tampered_with_is_corrupt_at_its_place(
    keys: SqliteKeyStore, path: Path, change: Callable[[bytes], bytes]
) -> None:
    """Never a wrong key: the place says which row."""
    (key,) = keys.issue(TENANT, 1)
    changed(path, "UPDATE content_keys SET wrapped = ?", change(wrapped(path)[0]))

    with pytest.raises(CorruptionError) as caught:
        keys.open(TENANT, [key.key_id])

    assert f"vault.db {key.key_id}" == caught.value.place


def test_key_moved_to_another_name_or_tenant_is_corrupt(keys: SqliteKeyStore, path: Path) -> None:
    """A wrap is bound to tenant and name."""
    one, two = keys.issue(TENANT, 2)
    changed(
        path,
        "UPDATE content_keys SET wrapped ="
        " (SELECT wrapped FROM content_keys WHERE key_id = ?) WHERE key_id = ?",
        one.key_id,
        two.key_id,
    )
    with pytest.raises(CorruptionError):
        keys.open(TENANT, [two.key_id])

    changed(path, "UPDATE content_keys SET tenant = ? WHERE key_id = ?", OTHER, one.key_id)
    with pytest.raises(CorruptionError):
        keys.open(OTHER, [one.key_id])


def test_secret_and_name_that_were_tampered_with_are_corrupt(
    keys: SqliteKeyStore, open_keys: Open, path: Path
) -> None:
    """Both at their place."""
    keys.secret(TENANT, "one", create=True)
    opaque = keys.refer(TENANT, "subject", ["ann"], create=True)["ann"]
    changed(path, "UPDATE directory SET sealed = ?", _flip(wrapped(path, "directory", "sealed")[0]))
    changed(path, "UPDATE secrets SET wrapped = zeroblob(60) WHERE name = 'one'")
    again = open_keys()

    with pytest.raises(CorruptionError) as caught:
        again.names(TENANT, [opaque])
    assert f"vault.db {opaque}" == caught.value.place
    with pytest.raises(CorruptionError) as caught:
        again.secret(TENANT, "one")
    assert "vault.db one" == caught.value.place


def test_vault_under_another_master_key_opens_nothing(open_keys: Open, path: Path) -> None:
    """An old backup without its key-encryption key is noise."""
    (key,) = open_keys().issue(TENANT, 1)
    stranger = SqliteKeyStore(path, lambda: MasterKeys({1: "99" * 32}))

    with pytest.raises(CorruptionError):
        stranger.open(TENANT, [key.key_id])

    stranger.close()


def test_keys_of_an_earlier_epoch_open_and_new_ones_use_the_newest(
    open_keys: Open, path: Path
) -> None:
    """A rotation begins with what is made from now on, by whoever has the vault open."""
    beside = open_keys()
    (old,) = beside.issue(TENANT, 1)
    rotated = SqliteKeyStore(path, lambda: NEWER)
    rotated.rotation().begin(2, 7)
    (new,) = rotated.issue(TENANT, 1)

    assert {old.key_id: old.key, new.key_id: new.key} == rotated.open(
        TENANT, [old.key_id, new.key_id]
    )
    assert [1, 2] == [row[0] for row in epochs_of(path)]
    with pytest.raises(CorruptionError, match="lacks epoch 2"):
        beside.issue(TENANT, 1)

    rotated.close()


def epochs_of(path: Path) -> list[tuple[int]]:
    """Return the epochs of the keys that are kept, in the order they were made."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT epoch FROM content_keys ORDER BY rowid").fetchall()
    connection.close()
    return rows


def test_key_of_an_epoch_whose_master_key_is_missing_is_corrupt(
    open_keys: Open, path: Path
) -> None:
    """The place names the file that lacks it."""
    rotated = SqliteKeyStore(path, lambda: NEWER)
    rotated.rotation().begin(2, 7)
    (new,) = rotated.issue(TENANT, 1)
    rotated.close()

    with pytest.raises(CorruptionError, match=r"keys/kek is older than vault\.db") as caught:
        open_keys().open(TENANT, [new.key_id])

    assert "keys/kek" == caught.value.place


def test_key_discarded_leaves_no_byte_in_any_file(keys: SqliteKeyStore, path: Path) -> None:
    """Neither in the database nor in its write-ahead log, however pages moved before."""
    issued = [key.key_id for _ in range(40) for key in keys.issue(TENANT, 50)]
    rows = dict(raw_keys(path))
    gone = sorted(issued)[::2]

    keys.discard(TENANT, gone)

    files = kept(path)
    assert [] == [key_id for key_id in gone if rows[key_id][:40] in files]
    assert len(gone) == len(keys.open(TENANT, set(issued) - set(gone)))


STEPS = ((0, 150), (150, 180), (180, 190), (190, 195), (195, 198))


@pytest.mark.parametrize("seed", range(10))
def test_key_destroyed_long_after_others_leaves_no_copy_of_it(
    keys: SqliteKeyStore, path: Path, seed: int
) -> None:
    """SQLite copies the neighbours of a row that is taken out, so no row is taken out."""
    chance, gone = random.Random(seed), []
    issued = [key.key_id for _ in range(60) for key in keys.issue(TENANT, 50)]
    rows = dict(raw_keys(path))
    for start in range(0, 2400, 200):
        stretch = issued[start : start + 200]
        chance.shuffle(stretch)
        for first, last in STEPS:
            with keys.destroying() as vault:
                vault.destroy(TENANT, stretch[first:last])
        gone += stretch[:198]

    files = kept(path)
    assert [] == [key_id for key_id in gone if rows[key_id][:40] in files]
    assert len(issued) - len(gone) == len(keys.open(TENANT, issued))


@pytest.mark.parametrize("seed", [0, 4])
def test_name_forgotten_long_after_others_leaves_no_copy_once_it_is_swept(
    keys: SqliteKeyStore, path: Path, seed: int
) -> None:
    """Neither what it is found by nor what it is sealed as, nor the id that it had."""
    chance, gone = random.Random(seed), []
    names = [f"person {n}" for n in range(3000)]
    known: dict[str, str] = {}
    for start in range(0, 3000, 50):
        known |= keys.refer(TENANT, "subject", names[start : start + 50], create=True)
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT opaque, lookup, sealed FROM directory").fetchall()
    connection.close()
    for start in range(0, 2400, 200):
        stretch = names[start : start + 200]
        chance.shuffle(stretch)
        for first, last in STEPS:
            with keys.destroying() as vault:
                vault.forget_names(TENANT, [known[name] for name in stretch[first:last]])
        gone += [known[name] for name in stretch[:198]]
    keys.sweep()

    files, ended = kept(path), set(gone)
    assert [] == [o for o, lookup, _ in rows if o in ended and lookup in files]
    assert [] == [o for o, _, sealed in rows if o in ended and sealed[:30] in files]
    assert [] == [opaque for opaque in gone if opaque.encode() in files]
    assert 3000 - len(gone) == len(keys.names(TENANT, known.values()))


def test_key_issued_while_another_process_begins_an_epoch_is_under_the_new_one(
    open_keys: Open, path: Path, masters: dict[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was wrapped under the one before, which may be gone soon, so it is wrapped again."""
    keys, beside = open_keys(), open_keys()
    masters[2] = "22" * 32
    wrap, first = keys._wrapping.wrap, [True]

    def overtaken(tenant: str, name: str, key: bytes, epoch: int) -> bytes:
        done = wrap(tenant, name, key, epoch)
        if first.pop() if first else False:
            beside.rotation().begin(max(masters), 1000)
        return done

    monkeypatch.setattr(keys._wrapping, "wrap", overtaken)
    (key,) = keys.issue(TENANT, 1)
    assert [2] == [epoch for (epoch,) in epochs_of(path)]

    masters[3] = "33" * 32
    first.append(True)
    secret = keys.secret(TENANT, "made", create=True)
    del masters[1]
    del masters[2]
    keys.forget_opened()
    connection = sqlite3.connect(path)
    (epoch,) = connection.execute("SELECT epoch FROM secrets WHERE name = 'made'").fetchone()
    connection.close()
    assert (3, secret) == (epoch, keys.secret(TENANT, "made"))
    assert key.key_id


def test_vault_that_is_read_meanwhile_is_swept_later(
    keys: SqliteKeyStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Destroyed is destroyed; that a copy may lie in the write-ahead log is said, not hidden."""
    (key,) = keys.issue(TENANT, 1)
    row = dict(raw_keys(path))[key.key_id]
    keys._file._db.execute("PRAGMA busy_timeout=10")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM content_keys").fetchall()

    def destroy() -> None:
        with keys.destroying() as vault:
            vault.destroy(TENANT, [key.key_id])

    with pytest.raises(UnavailableError, match="is being read"):
        destroy()
    assert {} == keys.open(TENANT, [key.key_id])
    with pytest.raises(UnavailableError, match="is being read"):
        keys.sweep()
    assert row[:40] in kept(path)

    reader.close()
    keys.sweep()
    assert row[:40] not in kept(path)


def test_everything_opened_ends_with_its_minute(path: Path) -> None:
    """Secrets, names and the keys that wrap them; what another process ended is not outlived."""
    now_s, reads = [0.0], []

    def master() -> MasterKeys:
        reads.append(now_s[0])
        return MASTER

    keys = SqliteKeyStore(path, master, now=lambda: now_s[0])
    secret = keys.secret(TENANT, "month:2026-11", create=True)
    known = keys.refer(TENANT, "subject", ["ann"], create=True)
    changed(path, "DELETE FROM secrets WHERE name = 'month:2026-11'")
    changed(path, "DELETE FROM directory")

    now_s[0] = OPENED_S_MAX - 1
    assert (secret, known) == (
        keys.secret(TENANT, "month:2026-11"),
        keys.refer(TENANT, "subject", ["ann"]),
    )
    assert [0.0] == reads
    now_s[0] = OPENED_S_MAX
    assert keys.secret(TENANT, "month:2026-11") is None
    assert {} == keys.refer(TENANT, "subject", ["ann"])
    assert [0.0, OPENED_S_MAX] == reads
    keys.close()
    assert {} == keys._opened._kept


def test_rotation_leaves_no_wrapping_of_before_and_an_old_copy_opens_nothing(
    open_keys: Open, path: Path, tmp_path: Path, masters: dict[int, str]
) -> None:
    """Not in any file; and what was forgotten is not in the copy, even for who guesses it."""
    keys = open_keys()
    issued = [key.key_id for _ in range(10) for key in keys.issue(TENANT, 60)]
    opaque = keys.refer(TENANT, "subject", ["ann", "bob"], create=True)
    with keys.destroying() as vault:
        vault.forget_names(TENANT, [opaque["ann"]])
    keys.refer(TENANT, "subject", ["cat"], create=True)
    keys._file.empty_log()
    copy = tmp_path / "copy" / "vault.db"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    wrappings = [row for table in ("content_keys", "secrets") for row in wrapped(path, table)]
    sealed, lookups = (wrapped(path, "directory", c) for c in ("sealed", "lookup"))
    masters[2] = "22" * 32
    rotation = keys.rotation()
    rotation.begin(2, 1000)
    while rotation.rewrap(50):
        pass
    del masters[1]
    rotation.end(2000)
    keys.sweep()

    files = kept(path)
    assert [] == [row for row in (*wrappings, *sealed, *lookups) if row[:20] in files]
    old = SqliteKeyStore(copy, lambda: MasterKeys(dict(masters)))
    with pytest.raises(CorruptionError, match="copy from before the vault was rotated"):
        old.check_epochs()
    for attempt in (
        lambda: old.open(TENANT, issued[:1]),
        lambda: old.secret(TENANT, "names"),
        lambda: old.names(TENANT, [opaque["bob"]]),
        lambda: old.refer(TENANT, "subject", ["bob"]),
    ):
        with pytest.raises(CorruptionError):
            attempt()
    old.close()
    connection = sqlite3.connect(path)
    names = connection.execute("SELECT name FROM secrets WHERE tenant = ?", (TENANT,)).fetchall()
    connection.close()
    for (name,) in names:
        secret = keys.secret(TENANT, name)
        assert secret is not None
        assert hmac.digest(secret, b"subject\0bob", "sha256") not in lookups
        for row in sealed:
            with pytest.raises(InvalidTag):
                AESGCM(secret).decrypt(row[:12], row[12:], f"{TENANT}/{opaque['bob']}".encode())


def test_copy_from_the_midst_of_a_rotation_is_refused_when_something_in_it_is_lost(
    open_keys: Open, path: Path, tmp_path: Path, masters: dict[int, str]
) -> None:
    """It names both epochs, and the key of one was destroyed since."""
    keys = open_keys()
    keys.issue(TENANT, 60)
    masters[2] = "22" * 32
    rotation = keys.rotation()
    rotation.begin(2, 1000)
    rotation.rewrap(20)
    keys._file.empty_log()
    copy = tmp_path / "copy" / "vault.db"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    half = SqliteKeyStore(copy, lambda: MasterKeys(dict(masters)))
    half.check_epochs()
    half.close()

    del masters[1]
    half = SqliteKeyStore(copy, lambda: MasterKeys(dict(masters)))
    with pytest.raises(CorruptionError, match="epoch 1 was destroyed"):
        half.check_epochs()
    half.close()


def test_mark_of_what_was_forgotten_meanwhile_survives_another_sweep(
    open_keys: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sweeps takes away the mark that it saw, not one that came while it swept."""
    keys, beside = open_keys(), open_keys()
    known = keys.refer(TENANT, "subject", ["ann", "bob"], create=True)
    with keys.destroying() as vault:
        vault.forget_names(TENANT, [known["ann"]])
    write_anew = keys._file._write_anew

    def meanwhile() -> None:
        write_anew()
        with beside.destroying() as vault:
            vault.forget_names(TENANT, [known["bob"]])

    monkeypatch.setattr(keys._file, "_write_anew", meanwhile)
    keys.sweep()

    assert beside._file.one("SELECT 1 FROM meta WHERE name = 'unswept'") is not None
    beside.sweep()
    assert beside._file.one("SELECT 1 FROM meta WHERE name = 'unswept'") is None
    assert known["bob"].encode() not in kept(path)


def raw_keys(path: Path) -> list[tuple[str, bytes]]:
    """Return the keys as they are kept, by name."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT key_id, wrapped FROM content_keys").fetchall()
    connection.close()
    return rows


def _make_secret(path: Path, answers: "Queue[tuple[bytes | None, str]]") -> None:
    keys = SqliteKeyStore(path, lambda: MASTER)
    secret = keys.secret(TENANT, "raced", create=True)
    answers.put((secret, keys.refer(TENANT, "subject", ["ann"], create=True)["ann"]))
    keys.close()


def test_processes_that_make_a_secret_at_once_get_one(path: Path) -> None:
    """One value, and one id for a name."""
    spawn = multiprocessing.get_context("spawn")
    answers: Queue[tuple[bytes | None, str]] = spawn.Queue()
    processes = [spawn.Process(target=_make_secret, args=(path, answers)) for _ in range(2)]
    for process in processes:
        process.start()

    made = {answers.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(60)

    assert 1 == len(made)


def test_vault_without_its_instance_is_corrupt(open_keys: Open, path: Path) -> None:
    """It cannot say whose it is."""
    changed(path, "DELETE FROM meta")

    with pytest.raises(CorruptionError):
        _ = open_keys().instance


def test_vault_founded_twice_is_an_error(keys: SqliteKeyStore) -> None:
    """A vault belongs to one log."""
    with pytest.raises(UnavailableError):
        keys.found("another")

    assert INSTANCE == keys.instance


def test_vault_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    """And one without its tables is of another version."""
    place = tmp_path / "vault.db"
    place.write_bytes(b"x" * 4096)
    with pytest.raises(CorruptionError):
        SqliteKeyStore(place, lambda: MASTER)

    empty = SqliteKeyStore(tmp_path / "empty.db", lambda: MASTER)
    with pytest.raises(SettingsError):
        empty.issue(TENANT, 1)
    empty.close()
