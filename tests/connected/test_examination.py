"""`fsck` on engines: it reads what is in use, writes nothing of it, and leaves work to others."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import memos_gov
from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.connection import another_database, connect
from memos_gov.backends.postgres.layout import breaches, breaches_of
from memos_gov.backends.postgres.scratch import SCRATCH
from memos_gov.backends.postgres.wall import READER
from memos_gov.bootstrap import fsck, open_service, rebuild
from memos_gov.errors import UnavailableError
from memos_gov.fsck import PARTS
from memos_gov.fsck.report import FsckReport
from memos_gov.service import Service
from tests import engines
from tests.connected_folders import own_engines, removed_afterwards
from tests.fsck.tampering import found

pytestmark = pytest.mark.connected

OF_ONE_MOMENT = sorted({*PARTS} - {"vault", "index"})
DATABASES = ("tables", "operations", "vault")
_TABLES = (
    "SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class"
    " JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r'"
    " AND nspname !~ '^pg_|^information_schema$' ORDER BY 1"
)


class Lived:
    """A folder on engines with a short life, and the way behind its back."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder = folder
        self._prefix = prefix

    def address(self, database: str) -> str:
        """Return where one of its databases lies."""
        return another_database(engines.POSTGRES, f"{self._prefix}_{database}")

    def sql(self, database: str, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in the schema of the tables, or where the others lie."""
        schema = "tables" if database == "tables" else "public"
        with connect(self.address(database), schema=schema) as connection:
            for statement in statements:
                done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def rows(self) -> dict[str, list[str]]:
        """Return every row of every table of every database, with who wrote it last."""
        return {
            f"{database} {table}": sorted(
                str(row) for row in self.sql(database, f"SELECT xmin, xmax, * FROM {table}")
            )
            for database in DATABASES
            for (table,) in self.sql(database, _TABLES)
        }

    def fsck(self) -> FsckReport:
        """Examine it."""
        return fsck(self.folder)


@pytest.fixture
def lived(tmp_path: Path) -> Iterator[Lived]:
    """Return a closed folder on engines of its own."""
    named = own_engines()
    with removed_afterwards(tmp_path / "data") as folder:
        with memos_gov.init(folder, engines=named) as gov:
            owner = gov.acting_as("owner")
            owner.remember("The parcel is in the cellar", subjects=["customer:1"])
            owner.recall("parcel")
            gov.rooms.follower.catch_up()
        yield Lived(folder, named["postgres"]["prefix"])


def test_fsck_beside_an_undecided_record_decides_nothing_and_writes_nothing(lived: Lived) -> None:
    """No row of any database is another one afterwards, and the certifier has its work still."""
    with open_service(lived.folder, certifies=False, decision_deadline_s=0.5) as writer:
        with pytest.raises(UnavailableError):
            writer.acting_as("owner").remember("nobody has decided this")
        before = lived.rows()

        report = lived.fsck()

        assert report.clean
        assert 1 == report.counts["undecided"]
        assert before == lived.rows()
    with memos_gov.open(lived.folder) as gov:
        gov.acting_as("owner").recall("decided")
    assert "undecided" not in lived.fsck().counts


def test_fsck_beside_a_service_at_work_finds_nothing_that_is_not_so(lived: Lived) -> None:
    """Clean, or asking for another time; what came and ended meanwhile is no finding."""
    stop, failed = threading.Event(), list[BaseException]()

    def work(gov: Service) -> None:
        number = itertools.count()
        try:
            while not stop.is_set():
                owner = gov.acting_as("owner")
                cube = owner.remember(f"parcel {next(number)}").cube_id
                owner.recall("parcel")
                owner.forget(cube=cube, reason="asked")
        except BaseException as error:  # noqa: BLE001 - looked at below, in the main thread
            failed.append(error)

    with memos_gov.open(lived.folder) as gov:
        writer = threading.Thread(target=work, args=(gov,))
        writer.start()
        try:
            for _ in range(3):
                assert fsck(lived.folder, parts=OF_ONE_MOMENT).clean
                with suppress(UnavailableError):
                    assert lived.fsck().clean
        finally:
            stop.set()
            writer.join()
    assert [] == failed
    assert lived.fsck().clean


def test_fsck_of_views_that_wait_brings_only_its_copy_forward(lived: Lived) -> None:
    """They follow when somebody asks them, so a view behind the certifier is no finding."""
    lived.sql("tables", "DELETE FROM usage", "DELETE FROM checkpoints WHERE follower = 'usage'")
    before = lived.rows()

    assert [] == list(lived.fsck().findings)
    assert before == lived.rows()


def test_fsck_of_a_row_that_was_changed_names_it(lived: Lived) -> None:
    """In the schema in use, by table and key, as in a file; and it stays as it was found."""
    lived.sql("tables", "UPDATE cubes SET label = 'public'")
    before = lived.rows()

    kinds = {kind for place, kind in found(lived.fsck()) if place.startswith("cubes (")}

    assert {"row_changed"} == kinds
    assert before == lived.rows()


def test_fsck_of_a_checkpoint_put_back_finds_it_in_the_tables(lived: Lived) -> None:
    """Rows above it are looked at all the same, and nothing is said against the log."""
    lived.sql("tables", "UPDATE checkpoints SET next_offset = 3 WHERE follower = 'certifier'")

    report = lived.fsck()

    assert ("tables checkpoints", "damaged") in found(report)
    assert all(finding.rebuildable for finding in report.findings)


def test_what_a_killed_fsck_left_goes_with_the_next(lived: Lived) -> None:
    """And what one that still runs has made stays."""
    url = lived.address("tables")
    left, used = f"{SCRATCH}left", f"{SCRATCH}used"
    for name in (left, used):
        migrate.upgrade(url, "tables", schema=name)
    with connect(url) as holder:
        holder.execute("SELECT pg_try_advisory_lock(1935897185, hashtext(%s))", (used,))

        assert lived.fsck().clean

        assert [used] == migrate.schemas(url, SCRATCH)


TRIGGER = (
    (
        "CREATE OR REPLACE FUNCTION copied() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'"
    ),
    "CREATE TRIGGER copied BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION copied()",
)
STRANGE = {
    "trigger": ("tables", [x.format(table="events") for x in TRIGGER], "trigger events.copied"),
    "function": ("tables", [TRIGGER[0]], "function copied()"),
    "disabled wall": (
        "tables",
        ["ALTER TABLE facts DISABLE ROW LEVEL SECURITY"],
        "row-level security facts",
    ),
    "wider policy": (
        "tables",
        ["ALTER POLICY of_tenant ON facts USING (true)"],
        "policy facts.of_tenant",
    ),
    "second policy": (
        "tables",
        ["CREATE POLICY all_of_it ON facts USING (true)"],
        "policy facts.all_of_it",
    ),
    "extra table": ("tables", ["CREATE TABLE shadow AS SELECT * FROM events"], "table shadow"),
    "table of public": ("tables", ["CREATE TABLE public.shadow (x int)"], "public.table shadow"),
    "rule": (
        "tables",
        ["CREATE RULE lost AS ON DELETE TO events DO INSTEAD NOTHING"],
        "rule events.lost",
    ),
    "index": ("tables", ["DROP INDEX cubes_by_owner"], "index cubes_by_owner"),
    "constraint": (
        "tables",
        ["ALTER TABLE usage DROP CONSTRAINT usage_pkey"],
        "constraint usage.usage_pkey",
    ),
    "default": (
        "tables",
        ["ALTER TABLE cubes ALTER COLUMN label SET DEFAULT 'public'"],
        "column cubes.label",
    ),
    "right": ("tables", ["GRANT INSERT ON events TO PUBLIC"], "right events of everybody"),
    "trigger on keys": (
        "vault",
        [x.format(table="content_keys") for x in TRIGGER],
        "trigger content_keys.copied",
    ),
    "copy of keys": ("vault", ["CREATE TABLE shadow AS TABLE content_keys"], "table shadow"),
    "another schema": ("vault", ["CREATE SCHEMA aside"], "schema aside"),
    "unlogged keys": ("vault", ["ALTER TABLE content_keys SET UNLOGGED"], "table content_keys"),
    "sampled keys": (
        "vault",
        ["ALTER TABLE content_keys ALTER COLUMN wrapped SET STATISTICS 100"],
        "column content_keys.wrapped",
    ),
    "view of leases": ("operations", ["CREATE VIEW seen AS TABLE leases"], "relation seen"),
}


def test_fsck_names_everything_that_the_migrations_do_not_make(lived: Lived) -> None:
    """Triggers, tables, functions, rules, rights, and row-level security that is off or wider."""
    for database, statements, _ in STRANGE.values():
        lived.sql(database, *statements)

    report = lived.fsck()

    places = {place for place, kind in found(report) if kind == "schema"}
    assert {f"{database} {name}" for database, _, name in STRANGE.values()} <= places
    assert all(finding.remedy and finding.message for finding in report.findings)


@pytest.mark.parametrize("strange", ["trigger", "disabled wall", "extra table", "trigger on keys"])
def test_fsck_of_a_schema_that_was_changed_names_the_one_thing(lived: Lived, strange: str) -> None:
    """And nothing besides, but the function that a trigger needs."""
    database, statements, name = STRANGE[strange]
    lived.sql(database, *statements)

    places = {place for place, _ in found(lived.fsck())} - {f"{database} function copied()"}

    assert {f"{database} {name}"} == places


def test_rebuild_lays_out_anew_what_was_changed_in_the_tables(lived: Lived) -> None:
    """Whatever hung on the former schema goes with it."""
    lived.sql("tables", *STRANGE["trigger"][1], *STRANGE["disabled wall"][1])
    assert not lived.fsck().clean

    assert rebuild(lived.folder).compared

    assert lived.fsck().clean


def test_rows_in_columns_of_another_kind_are_not_read(lived: Lived) -> None:
    """A view in the place of a table could run anything; it is named, and all is made again."""
    lived.sql(
        "tables",
        "ALTER TABLE usage RENAME TO used",
        "CREATE VIEW usage AS SELECT *, 1 / 0 AS more FROM used",
    )

    report = lived.fsck()

    assert {("tables table used", "schema"), ("tables relation usage", "schema")} <= found(report)
    assert "damaged" not in report.found


def test_role_of_the_wall_that_passes_it_is_named(lived: Lived) -> None:
    """It belongs to the whole server, so it is changed in a transaction that never ends well."""
    url = lived.address("tables")
    assert [] == list(breaches(url))
    with connect(url) as connection, connection.transaction(force_rollback=True):
        connection.execute(f"ALTER ROLE {READER} BYPASSRLS".encode())

        assert [f"{READER} passes row-level security"] == list(breaches_of(connection))
