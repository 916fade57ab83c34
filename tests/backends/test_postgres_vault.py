"""PostgresKeyStore keeps the contract, and what only a server can get wrong."""

import hmac
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.connection import connect
from memos_gov.backends.postgres.vault import PostgresKeyStore, store, sweeping
from memos_gov.backends.postgres.vault import database as vault_database
from memos_gov.errors import CorruptionError, SettingsError, UnavailableError
from memos_gov.opened import OPENED_S_MAX
from memos_gov.ports import Checkpoint, MasterKeys
from tests.contracts.key_store import INSTANCE, OTHER, TENANT, KeyStoreContract
from tests.databases import NOBODY, copy_of, fresh_database, unused_address

pytestmark = pytest.mark.connected
MASTER = MasterKeys({1: "11" * 32})
NEWER = MasterKeys({1: "11" * 32, 2: "22" * 32})
Open = Callable[[], PostgresKeyStore]


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """Return the address of a vault that was founded and is empty."""
    with fresh_database() as url:
        migrate.upgrade(url, "vault")
        keys = PostgresKeyStore(url, lambda: MASTER)
        keys.found(INSTANCE)
        keys.close()
        yield url


@pytest.fixture
def url(model: str) -> Iterator[str]:
    """Return where the vault lies, founded and empty."""
    with copy_of(model) as copy:
        yield copy


@pytest.fixture
def masters() -> dict[int, str]:
    """Return the master keys, as a test may change them."""
    return dict(MASTER.epochs)


@pytest.fixture
def open_keys(url: str, masters: dict[int, str]) -> Iterator[Open]:
    """Return a function that opens the vault; every opening is closed at the end."""
    opened: list[PostgresKeyStore] = []

    def put() -> PostgresKeyStore:
        opened.append(PostgresKeyStore(url, lambda: MasterKeys(dict(masters))))
        return opened[-1]

    yield put
    for keys in opened:
        keys.close()


@pytest.fixture
def keys(open_keys: Open) -> PostgresKeyStore:
    """Return the vault under test."""
    return open_keys()


def kept(url: str) -> bytes:
    """Return every byte of every file of a database as it lies on the disk of its server."""
    folder = "'base/' || (SELECT oid FROM pg_database WHERE datname = current_database())"
    with connect(url) as connection:
        connection.execute("CHECKPOINT")
        files = f"SELECT pg_read_binary_file({folder} || '/' || name, 0, 1 << 29, true)"
        rows = connection.execute(f"{files} FROM pg_ls_dir({folder}) AS name").fetchall()
    return b"".join(body or b"" for (body,) in rows)


def holds(url: str, row: bytes) -> bool:
    """Whether any file of a database holds some bytes; said shortly where a test fails."""
    return row in kept(url)


def changed(url: str, statement: str, *values: object) -> None:
    """Change a row behind the vault's back."""
    with connect(url) as connection:
        assert connection.execute(statement.encode(), values).rowcount > 0


def found(url: str, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query, asked behind the vault's back."""
    with connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def raw_keys(url: str) -> dict[str, bytes]:
    """Return the keys as they are kept, by name."""
    with connect(url) as connection:
        return dict(connection.execute("SELECT key_id, wrapped FROM content_keys").fetchall())


def column(url: str, name: str, table: str) -> list[bytes]:
    """Return what stands in a column of bytes."""
    return [bytes(body) for (body,) in found(url, f"SELECT {name} FROM {table}")]


class TestPostgresKeyStore(KeyStoreContract):
    """The contract, on one database."""

    @pytest.fixture(autouse=True)
    def _found(self, url: str) -> None:
        self._url = url

    def raw_bytes(self) -> bytes:
        """Return every byte of the vault's database."""
        return kept(self._url)

    @pytest.fixture
    def broken(self) -> PostgresKeyStore:
        """Return a vault at an address where nobody listens."""
        return PostgresKeyStore(NOBODY, lambda: MASTER)


# --- Damage --------------------------------------------------------------------


def _flip(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


@pytest.mark.parametrize(
    "change", [_flip, lambda _: b"", lambda raw: raw[:20], lambda raw: bytes(len(raw))]
)
def test_key_that_was_tampered_with_is_corrupt_at_its_place(
    keys: PostgresKeyStore, url: str, change: Callable[[bytes], bytes]
) -> None:
    """Never a wrong key, nor a key that seems destroyed: the place says which row."""
    (key,) = keys.issue(TENANT, 1)
    changed(url, "UPDATE content_keys SET wrapped = %s", change(raw_keys(url)[key.key_id]))

    with pytest.raises(CorruptionError) as caught:
        keys.open(TENANT, [key.key_id])

    assert caught.value.place.endswith(f" {key.key_id}")
    assert [f"key {key.key_id} of {TENANT}"] == list(keys.damaged())


TAMPERINGS = {
    "UPDATE content_keys SET key_id = 'k_' || reverse(substr(key_id, 3))": "key ",
    "UPDATE content_keys SET tenant = 'other'": "key ",
    "UPDATE content_keys SET epoch = 2": "key ",
    "UPDATE content_keys SET epoch = -1": "key ",
    "UPDATE secrets SET name = 'another' WHERE name = 'one'": "secret another of acme",
    "UPDATE secrets SET tenant = 'other' WHERE name = 'one'": "secret one of other",
    "UPDATE secrets SET epoch = 7 WHERE name = 'one'": "secret one of acme",
    "UPDATE directory SET tenant = 'other'": "name ",
    "UPDATE directory SET kind = 'principal'": "name ",
    "UPDATE directory SET lookup = '\\x00'": "name ",
    "UPDATE directory SET opaque = 's_another'": "name s_another of acme",
    "UPDATE directory SET epoch = 3": "name ",
    "UPDATE directory SET sealed = sealed || '\\x00'": "name ",
    "UPDATE epochs SET began_ms = 1": "epochs",
    "UPDATE epochs SET ended_ms = 1": "epochs",
    "UPDATE epochs SET epoch = 2": "epochs",
    "DELETE FROM epochs": "epochs",
    "UPDATE meta SET value = 'x' || value WHERE name = 'epochs'": "epochs",
    "DELETE FROM meta WHERE name = 'epochs'": "epochs",
    "DELETE FROM meta WHERE name = 'instance'": "meta instance",
    "UPDATE meta SET name = 'unknown' WHERE name = 'instance'": "meta unknown",
    "UPDATE meta SET value = 'file:x' WHERE name = 'unswept'": "meta unswept",
    "UPDATE destroyer SET next_offset = -5": "checkpoint 3",
    "UPDATE destroyer SET digest = '\\x00'": "checkpoint 3",
    "UPDATE destroyer SET partition = -3": "checkpoint -3",
}


@pytest.mark.parametrize("statement", TAMPERINGS)
def test_row_of_any_table_that_was_changed_is_found_at_its_place(
    keys: PostgresKeyStore, open_keys: Open, url: str, statement: str
) -> None:
    """Whatever column it is; a vault in which nothing was changed has no finding."""
    masters_seen = NEWER if "epoch = 2" in statement else MASTER
    keys.issue(TENANT, 1)
    keys.secret(TENANT, "one", create=True)
    keys.refer(TENANT, "subject", ["ann"], create=True)
    with keys.destroying() as vault:
        vault.advance(3, Checkpoint(5, b"5" * 32))
    with keys.destroying() as vault:
        vault.destroy(TENANT, ["k_never"])
    assert [] == list(keys.damaged())

    changed(url, statement)

    examiner = PostgresKeyStore(url, lambda: masters_seen, read_only=True)
    places = list(examiner.damaged())
    examiner.close()
    assert [place for place in places if place.startswith(TAMPERINGS[statement])]


def test_damage_on_any_page_of_any_table_is_found(keys: PostgresKeyStore, url: str) -> None:
    """Pages end and begin without passing over a row."""
    issued = sorted(key.key_id for key in keys.issue(TENANT, 1100))
    names = keys.refer(TENANT, "subject", [f"person {n}" for n in range(1100)], create=True)
    opaque = sorted(names.values())
    flip = "set_byte({0}, 20, get_byte({0}, 20) # 1)"
    wanted = set()
    for at in (0, 499, 500, 501, 999, 1000, 1099):
        changed(
            url,
            f"UPDATE content_keys SET wrapped = {flip.format('wrapped')} WHERE key_id = %s",
            issued[at],
        )
        changed(
            url,
            f"UPDATE directory SET sealed = {flip.format('sealed')} WHERE opaque = %s",
            opaque[at],
        )
        wanted |= {f"key {issued[at]} of {TENANT}", f"name {opaque[at]} of {TENANT}"}

    places = list(keys.damaged())

    assert (len(places), wanted) == (len(set(places)), set(places))


def test_vault_under_another_master_key_opens_nothing(keys: PostgresKeyStore, url: str) -> None:
    """A copy without its key-encryption key is noise."""
    (key,) = keys.issue(TENANT, 1)
    stranger = PostgresKeyStore(url, lambda: MasterKeys({1: "99" * 32}))

    with pytest.raises(CorruptionError):
        stranger.open(TENANT, [key.key_id])

    stranger.close()


def test_vault_without_its_instance_is_corrupt(open_keys: Open, url: str) -> None:
    """It cannot say whose it is."""
    changed(url, "DELETE FROM meta")

    with pytest.raises(CorruptionError):
        _ = open_keys().instance


def test_vault_founded_twice_is_an_error(keys: PostgresKeyStore) -> None:
    """A vault belongs to one log."""
    with pytest.raises(UnavailableError):
        keys.found("another")

    assert INSTANCE == keys.instance


def test_vault_opened_for_reading_writes_nothing(keys: PostgresKeyStore, url: str) -> None:
    """It reads like any other."""
    (key,) = keys.issue(TENANT, 1)
    reader = PostgresKeyStore(url, lambda: MASTER, read_only=True)

    assert {key.key_id: key.key} == reader.open(TENANT, [key.key_id])
    for attempt in (
        lambda: reader.issue(TENANT, 1),
        lambda: reader.secret(TENANT, "one", create=True),
        lambda: reader.discard(TENANT, [key.key_id]),
    ):
        with pytest.raises(UnavailableError):
            attempt()
    assert 1 == reader.count()
    reader.close()


def test_vault_without_its_tables_or_its_database_is_not_served() -> None:
    """Nothing is made in their place."""
    with fresh_database() as url:
        empty = PostgresKeyStore(url, lambda: MASTER)
        with pytest.raises(SettingsError):
            empty.issue(TENANT, 1)
        empty.close()
    absent = PostgresKeyStore(unused_address(), lambda: MASTER)
    with pytest.raises(SettingsError):
        absent.issue(TENANT, 1)
    absent.close()


def test_server_that_may_lose_what_it_confirmed_is_refused(
    keys: PostgresKeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting is named; it is looked at where a vault is founded and where it is opened."""
    keys.check_epochs()
    monkeypatch.setitem(vault_database._NEEDED, "fsync", "off")

    for attempt in (keys.check_epochs, lambda: keys.found("another")):
        with pytest.raises(SettingsError, match="fsync"):
            attempt()


# --- Durability and cost ---------------------------------------------------------


def test_keys_issued_cost_one_round_trip_and_one_commit(
    keys: PostgresKeyStore, tmp_path: Path
) -> None:
    """However many; what is sent and answered is written down by the driver's own library."""
    for _ in range(8):  # (until the statements are prepared)
        keys.issue(TENANT, 1)
    with (tmp_path / "trace").open("w") as file:
        with keys._database.pool.connection() as connection:
            connection.pgconn.trace(file.fileno())
            connection.pgconn.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
        keys.issue(TENANT, 64)
        with keys._database.pool.connection() as connection:
            connection.pgconn.untrace()

    lines = (tmp_path / "trace").read_text().splitlines()
    assert 1 == sum(line.startswith("F") and "Sync" in line for line in lines)
    assert [] == [line for line in lines if line.startswith("F") and "Query" in line]
    assert 1 == sum("CommandComplete" in line and "COMMIT" in line for line in lines)
    assert 72 == keys.count()


def test_sessions_of_a_vault_wait_for_the_disk_whatever_the_server_is_set_to(
    keys: PostgresKeyStore, url: str
) -> None:
    """A database where a commit returns early by default keeps keys like any other."""
    name = str(found(url, "SELECT current_database()")[0][0])
    with connect(url) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off'.encode())

    with keys._database.pool.connection() as connection:
        assert ("on",) == connection.execute("SHOW synchronous_commit").fetchone()


# --- Ends ----------------------------------------------------------------------


STEPS = ((0, 150), (150, 180), (180, 190), (190, 195), (195, 198))


@pytest.mark.parametrize("seed", range(3))
def test_key_destroyed_long_after_others_leaves_no_copy_once_it_is_swept(
    keys: PostgresKeyStore, url: str, seed: int
) -> None:
    """However rows were moved within their pages before."""
    chance, gone = random.Random(seed), []
    issued = [key.key_id for _ in range(60) for key in keys.issue(TENANT, 50)]
    rows = raw_keys(url)
    for start in range(0, 2400, 200):
        stretch = issued[start : start + 200]
        chance.shuffle(stretch)
        for first, last in STEPS:
            with keys.destroying() as vault:
                vault.destroy(TENANT, stretch[first:last])
        gone += stretch[:198]
    keys.sweep()

    files = kept(url)
    assert [] == [key_id for key_id in gone if rows[key_id] in files]
    assert len(issued) - len(gone) == len(keys.open(TENANT, issued))
    assert all(rows[key_id] in files for key_id in keys.open(TENANT, issued))


def test_name_forgotten_long_after_others_leaves_no_copy_once_it_is_swept(
    keys: PostgresKeyStore, url: str
) -> None:
    """Neither what it is found by nor what it is sealed as, nor the id that it had."""
    chance, gone = random.Random(0), []
    names = [f"person {n}" for n in range(1200)] + ["p" * 9000]
    known: dict[str, str] = {}
    for start in range(0, 1300, 50):
        known |= keys.refer(TENANT, "subject", names[start : start + 50], create=True)
    rows = found(url, "SELECT opaque, lookup, sealed FROM directory")
    with keys.destroying() as vault:
        vault.forget_names(TENANT, [known["p" * 9000]])
    gone.append(known["p" * 9000])
    for start in range(0, 1200, 200):
        stretch = names[start : start + 200]
        chance.shuffle(stretch)
        for first, last in STEPS:
            with keys.destroying() as vault:
                vault.forget_names(TENANT, [known[name] for name in stretch[first:last]])
        gone += [known[name] for name in stretch[:198]]
    keys.sweep()

    files, ended = kept(url), set(gone)
    assert [] == [o for o, lookup, _ in rows if o in ended and bytes(lookup) in files]
    assert [] == [o for o, _, sealed in rows if o in ended and bytes(sealed)[:30] in files]
    assert [] == [opaque for opaque in gone if opaque.encode() in files]
    assert len(known) - len(gone) == len(keys.names(TENANT, known.values()))


def test_key_destroyed_is_in_no_row_of_any_page_before_it_is_swept(
    keys: PostgresKeyStore, url: str
) -> None:
    """Taken out of its page as soon as the transaction is over; the mark says what is still due."""
    issued = [key.key_id for key in keys.issue(TENANT, 300)]
    with keys.destroying() as vault:
        vault.destroy(TENANT, issued[::3])

    with connect(url) as connection:
        connection.execute("CREATE EXTENSION pageinspect")
        rows = connection.execute(
            "SELECT count(*) FROM generate_series(0, pg_relation_size('content_keys') / 8192 - 1)"
            " AS page, heap_page_items(get_raw_page('content_keys', page::int)) AS item"
            " WHERE item.t_data IS NOT NULL"
        ).fetchone()
    assert (200,) == rows
    assert [("keys:",)] == found(url, "SELECT left(value, 5) FROM meta WHERE name = 'unswept'")


def test_statistics_of_the_planner_hold_no_value_that_may_be_destroyed(
    keys: PostgresKeyStore, url: str
) -> None:
    """ANALYZE samples rows into a table of its own, which no sweep of ours would reach."""
    (gone, *_) = keys.issue(TENANT, 50)
    names = keys.refer(TENANT, "subject", [f"person {n}" for n in range(50)], create=True)
    row = raw_keys(url)[gone.key_id]
    with connect(url) as connection:
        for table in ("content_keys", "secrets", "directory"):
            connection.execute(f"ANALYZE {table}".encode())
    with keys.destroying() as vault:
        vault.destroy(TENANT, [gone.key_id])
        vault.forget_names(TENANT, names.values())
    keys.sweep()

    files = kept(url)
    assert [] == [body for body in (row,) if body in files]
    assert [] == [opaque for opaque in names.values() if opaque.encode() in files]
    sampled = found(
        url,
        "SELECT DISTINCT attname FROM pg_stats WHERE schemaname = 'public'"
        " AND attname IN ('key_id', 'wrapped', 'lookup', 'opaque', 'sealed', 'name')"
        " AND tablename IN ('content_keys', 'secrets', 'directory')",
    )
    assert [] == sampled


@contextmanager
def a_reader(url: str) -> Iterator[None]:
    """Hold a snapshot of the vault from before, as a dump does that runs."""
    with connect(url) as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM directory").fetchall()
        yield
        reader.execute("ROLLBACK")


def test_vault_that_is_read_meanwhile_is_swept_later(
    keys: PostgresKeyStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Destroyed is destroyed; that a copy lies there still is said, not hidden."""
    monkeypatch.setattr(sweeping, "WAIT_S", 0.2)
    (key,) = keys.issue(TENANT, 1)
    row = raw_keys(url)[key.key_id]
    with a_reader(url):
        with keys.destroying() as vault:
            vault.destroy(TENANT, [key.key_id])
        assert {} == keys.open(TENANT, [key.key_id])
        with pytest.raises(UnavailableError, match="is being read"):
            keys.sweep()
        assert holds(url, row)

    keys.sweep()

    assert not holds(url, row)
    assert [] == found(url, "SELECT value FROM meta WHERE name = 'unswept'")


def test_vault_whose_tables_somebody_locks_is_swept_later(
    keys: PostgresKeyStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever behind who sweeps."""
    monkeypatch.setattr(sweeping, "WAIT_S", 0.2)
    (key,) = keys.issue(TENANT, 1)
    with keys.destroying() as vault:
        vault.destroy(TENANT, [key.key_id])
    with connect(url) as other:
        other.execute("BEGIN")
        other.execute("LOCK TABLE content_keys IN ROW SHARE MODE")
        with pytest.raises(UnavailableError, match="is being read") as caught:
            keys.sweep()
        assert caught.value.__cause__ is not None
        other.execute("ROLLBACK")

    keys.sweep()

    assert [] == found(url, "SELECT value FROM meta WHERE name = 'unswept'")


def test_sweep_of_many_at_once_is_done_once_and_waited_for(open_keys: Open, url: str) -> None:
    """Whoever comes second finds it done; writers go on."""
    openings = [open_keys() for _ in range(4)]
    issued = [key.key_id for key in openings[0].issue(TENANT, 200)]
    with openings[0].destroying() as vault:
        vault.destroy(TENANT, issued[:150])

    with ThreadPoolExecutor(8) as threads:
        sweeps = [threads.submit(keys.sweep) for keys in openings]
        made = [threads.submit(openings[n % 4].issue, TENANT, 2) for n in range(16)]
        for future in (*sweeps, *made):
            future.result(timeout=60)

    assert [] == found(url, "SELECT value FROM meta WHERE name = 'unswept'")
    assert 50 + 32 == openings[0].count()


def test_mark_of_what_was_forgotten_meanwhile_survives_another_sweep(
    open_keys: Open, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sweeps takes away the mark that it saw, not one that came while it swept."""
    keys, beside = open_keys(), open_keys()
    known = keys.refer(TENANT, "subject", ["ann", "bob"], create=True)
    with keys.destroying() as vault:
        vault.forget_names(TENANT, [known["ann"]])
    write_anew, meanwhile = sweeping._write_anew, [known["bob"]]

    def overtaken(connection: object, table: str, place: str) -> None:
        write_anew(connection, table, place)
        if table == "directory" and meanwhile:
            with beside.destroying() as vault:
                vault.forget_names(TENANT, [meanwhile.pop()])

    monkeypatch.setattr(sweeping, "_write_anew", overtaken)
    keys.sweep()

    assert 1 == len(found(url, "SELECT value FROM meta WHERE name = 'unswept'"))
    beside.sweep()
    assert [] == found(url, "SELECT value FROM meta WHERE name = 'unswept'")
    assert not holds(url, known["bob"].encode())


def test_sweep_by_an_account_that_does_not_own_the_tables_is_refused(
    keys: PostgresKeyStore, url: str
) -> None:
    """VACUUM would pass over them with a warning; the mark stays."""
    role = str(conninfo_to_dict(unused_address())["dbname"])
    (key,) = keys.issue(TENANT, 1)
    with connect(url) as owner:
        owner.execute(f'CREATE ROLE "{role}" LOGIN'.encode())
        owner.execute(f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{role}"'.encode())
    try:
        guest = PostgresKeyStore(make_conninfo(url, user=role), lambda: MASTER)
        with guest.destroying() as vault:
            vault.destroy(TENANT, [key.key_id])
        with pytest.raises((SettingsError, UnavailableError)):
            guest.sweep()
        guest.close()
        assert 1 == len(found(url, "SELECT value FROM meta WHERE name = 'unswept'"))
    finally:
        with connect(url) as owner:
            owner.execute(f'DROP OWNED BY "{role}"'.encode())
            owner.execute(f'DROP ROLE "{role}"'.encode())


def _destroy_and_die(url: str, key_id: str) -> None:
    keys = PostgresKeyStore(url, lambda: MASTER)
    store.clear = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    with keys.destroying() as vault:
        vault.destroy(TENANT, [key_id])
        vault.advance(0, Checkpoint(9, b"9" * 32))


def test_destroyer_killed_after_its_commit_is_finished_by_the_next_sweep(
    keys: PostgresKeyStore, url: str
) -> None:
    """What was committed stands, and its bytes go with whoever opens next."""
    (key,) = keys.issue(TENANT, 1)
    row = raw_keys(url)[key.key_id]
    process = multiprocessing.get_context("spawn").Process(
        target=_destroy_and_die, args=(url, key.key_id)
    )
    process.start()
    process.join(60)

    assert -9 == process.exitcode
    assert ({}, Checkpoint(9, b"9" * 32)) == (keys.open(TENANT, [key.key_id]), keys.checkpoint(0))
    assert holds(url, row)
    keys.sweep()
    assert not holds(url, row)


# --- Epochs --------------------------------------------------------------------


def test_keys_of_an_earlier_epoch_open_and_new_ones_use_the_newest(
    open_keys: Open, url: str
) -> None:
    """A rotation begins with what is made from now on, by whoever has the vault open."""
    beside = open_keys()
    (old,) = beside.issue(TENANT, 1)
    rotated = PostgresKeyStore(url, lambda: NEWER)
    rotated.rotation().begin(2, 7)
    (new,) = rotated.issue(TENANT, 1)

    assert {old.key_id: old.key, new.key_id: new.key} == rotated.open(
        TENANT, [old.key_id, new.key_id]
    )
    epochs = dict(found(url, "SELECT key_id, epoch FROM content_keys"))
    assert {old.key_id: 1, new.key_id: 2} == epochs
    with pytest.raises(CorruptionError, match="lacks epoch 2"):
        beside.issue(TENANT, 1)

    rotated.close()


def test_epoch_begins_only_when_those_who_write_under_the_former_one_are_done(
    open_keys: Open, url: str, masters: dict[int, str]
) -> None:
    """A key whose commit is on its way is never under an epoch that could have ended by then."""
    keys, beside = open_keys(), open_keys()
    masters[2] = "22" * 32
    begun = threading.Event()

    def begin() -> None:
        beside.rotation().begin(2, 1000)
        begun.set()

    with keys._database.wrapping() as connection:
        connection.execute(
            "INSERT INTO content_keys (key_id, tenant, epoch, wrapped)"
            " VALUES ('k_slow', %s, 1, %s)",
            (TENANT, keys._wrapping.wrap(TENANT, "k_slow", b"s" * 32, 1)),
        )
        thread = threading.Thread(target=begin)
        thread.start()
        assert not begun.wait(0.3)
    thread.join(30)

    assert begun.is_set()
    assert 1 == beside.rotation().left(2)
    assert 1 == beside.rotation().rewrap(10)
    assert {"k_slow": b"s" * 32} == keys.open(TENANT, ["k_slow"])


def test_key_issued_while_another_process_begins_an_epoch_is_under_the_new_one(
    open_keys: Open, url: str, masters: dict[int, str], monkeypatch: pytest.MonkeyPatch
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
    assert [(key.key_id, 2)] == found(url, "SELECT key_id, epoch FROM content_keys")

    masters[3] = "33" * 32
    first.append(True)
    secret = keys.secret(TENANT, "made", create=True)
    del masters[1]
    del masters[2]
    keys.forget_opened()
    assert [(3,)] == found(url, "SELECT epoch FROM secrets WHERE name = 'made'")
    assert secret == keys.secret(TENANT, "made")


def test_rotation_leaves_no_wrapping_of_before_and_an_old_copy_opens_nothing(
    open_keys: Open, url: str, masters: dict[int, str]
) -> None:
    """Not in any file; and what was forgotten is not in the copy, even for who guesses it."""
    keys = open_keys()
    issued = [key.key_id for _ in range(10) for key in keys.issue(TENANT, 60)]
    opaque = keys.refer(TENANT, "subject", ["ann", "bob"], create=True)
    with keys.destroying() as vault:
        vault.forget_names(TENANT, [opaque["ann"]])
    keys.refer(TENANT, "subject", ["cat"], create=True)
    keys._database.pool.close()
    wrapped, lookups, sealed = (
        column(url, names, table)
        for table, names in (
            ("content_keys", "wrapped"),
            ("directory", "lookup"),
            ("directory", "sealed"),
        )
    )
    wrapped += column(url, "wrapped", "secrets")
    with copy_of(url) as copy:
        masters[2] = "22" * 32
        rotation = keys.rotation()
        with rotation.alone():
            rotation.begin(2, 1000)
            while rotation.rewrap(50):
                pass
            del masters[1]
            rotation.end(2000)
        keys.sweep()

        files = kept(url)
        assert [] == [row for row in (*wrapped, *lookups, *sealed) if row[:20] in files]
        old = PostgresKeyStore(copy, lambda: MasterKeys(dict(masters)))
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
    for (name,) in found(url, f"SELECT name FROM secrets WHERE tenant = '{TENANT}'"):
        secret = keys.secret(TENANT, str(name))
        assert secret is not None
        assert hmac.digest(secret, b"subject\0bob", "sha256") not in lookups
        for row in sealed:
            with pytest.raises(InvalidTag):
                AESGCM(secret).decrypt(row[:12], row[12:], f"{TENANT}/{opaque['bob']}".encode())


def test_copy_from_the_midst_of_a_rotation_is_refused_when_something_in_it_is_lost(
    keys: PostgresKeyStore, url: str, masters: dict[int, str]
) -> None:
    """It names both epochs, and the key of one was destroyed since."""
    keys.issue(TENANT, 60)
    masters[2] = "22" * 32
    rotation = keys.rotation()
    rotation.begin(2, 1000)
    rotation.rewrap(20)
    keys.check_epochs()

    del masters[1]
    keys.forget_opened()

    with pytest.raises(CorruptionError, match="epoch 1 was destroyed"):
        keys.check_epochs()


def test_rotation_whose_turn_was_lost_takes_no_further_step(
    keys: PostgresKeyStore, open_keys: Open, url: str, masters: dict[int, str]
) -> None:
    """A server that restarted gives the turn to whoever asks, so who had it must stop."""
    masters[2] = "22" * 32
    keys.issue(TENANT, 3)
    rotation = keys.rotation()

    def go_on() -> None:
        with rotation.alone():
            rotation.begin(2, 1000)
            changed(
                url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid != pg_backend_pid()",
            )
            time.sleep(0.2)
            rotation.rewrap(10)

    with pytest.raises(UnavailableError):
        go_on()

    assert [(1, 3)] == found(url, "SELECT epoch, count(*) FROM content_keys GROUP BY epoch")
    another = open_keys().rotation()
    with another.alone():
        assert 3 == another.rewrap(10)


# --- Many processes ------------------------------------------------------------


def _take_part(url: str, number: int, answers: "Queue[tuple[object, ...]]") -> None:
    keys = PostgresKeyStore(url, lambda: MASTER)
    secret = keys.secret(TENANT, "raced", create=True)
    names = [f"person {n}" for n in range(30)]
    random.Random(number).shuffle(names)
    known = keys.refer(TENANT, "subject", names, create=True)
    issued = {key.key_id: key.key for _ in range(20) for key in keys.issue(TENANT, 2)}
    gone = sorted(issued)[:5]
    with keys.destroying() as vault:
        vault.destroy(TENANT, gone)
        vault.advance(0, Checkpoint(number, bytes([number]) * 32))
    answers.put((secret, sorted(known.items()), issued, gone))
    keys.close()


def test_processes_that_use_a_vault_at_once_lose_nothing_and_agree(
    keys: PostgresKeyStore, url: str
) -> None:
    """One secret, one id a name, every key that was not ended, and the farthest checkpoint."""
    spawn = multiprocessing.get_context("spawn")
    answers: Queue[tuple[object, ...]] = spawn.Queue()
    processes = [
        spawn.Process(target=_take_part, args=(url, number, answers)) for number in (1, 2, 3)
    ]
    for process in processes:
        process.start()

    made = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)

    assert 1 == len({secret for secret, *_ in made})
    assert 1 == len({str(known) for _, known, *_ in made})
    for _, _, issued, gone in made:
        stays = {key_id: key for key_id, key in issued.items() if key_id not in gone}
        assert stays == keys.open(TENANT, issued)
    assert Checkpoint(3, b"\x03" * 32) == keys.checkpoint(0)
    assert [] == list(keys.damaged())


def test_vault_of_a_server_that_restarted_goes_on_by_itself(
    keys: PostgresKeyStore, url: str
) -> None:
    """Sessions that are gone are replaced when they are used next."""
    (key,) = keys.issue(TENANT, 1)
    changed(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid != pg_backend_pid()",
    )
    time.sleep(0.2)

    assert {key.key_id: key.key} == keys.open(TENANT, [key.key_id])
    assert 1 == len(keys.issue(TENANT, 1))


def test_everything_opened_ends_with_its_minute(url: str) -> None:
    """Secrets, names and the keys that wrap them; what another host ended is not outlived."""
    now_s, reads = [0.0], []

    def master() -> MasterKeys:
        reads.append(now_s[0])
        return MASTER

    keys = PostgresKeyStore(url, master, now=lambda: now_s[0])
    secret = keys.secret(TENANT, "month:2026-11", create=True)
    known = keys.refer(TENANT, "subject", ["ann"], create=True)
    changed(url, "DELETE FROM secrets WHERE name = 'month:2026-11'")
    changed(url, "DELETE FROM directory")

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


def test_vault_where_nobody_listens_says_so_within_seconds() -> None:
    """Not after minutes, and not as if the vault were empty."""
    began = time.monotonic()
    keys = PostgresKeyStore(NOBODY, lambda: MASTER)

    with pytest.raises(UnavailableError) as caught:
        keys.issue(OTHER, 1)

    assert caught.value.__cause__ is not None
    assert time.monotonic() - began < 5
