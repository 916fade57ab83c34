"""`rebuild` on engines beside a service on a host whose lock of the folder is not seen."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import memos_gov
from memos_gov.backends.postgres.connection import another_database, connect
from memos_gov.backends.postgres.operations import PostgresPointers
from memos_gov.bootstrap import connected_upkeep, fsck, rebuild
from memos_gov.bootstrap.embedded import TABLES_POINTER
from memos_gov.errors import CorruptionError, UnavailableError
from memos_gov.service import Service
from tests import engines
from tests.connected_folders import own_engines, removed_afterwards

pytestmark = pytest.mark.connected


class Elsewhere:
    """A folder on engines, open under another mount."""

    def __init__(self, folder: Path, prefix: str, service: Service) -> None:
        self.folder = folder
        self.service = service
        self._operations = another_database(engines.POSTGRES, f"{prefix}_operations")
        self._tables = another_database(engines.POSTGRES, f"{prefix}_tables")

    def hide(self) -> None:
        """Take away every lease, as if the service had none."""
        with connect(self._operations) as connection:
            connection.execute("DELETE FROM leases")

    def in_use(self) -> str:
        """Return which schema is in use."""
        pointers = PostgresPointers(self._operations)
        try:
            return pointers.get(TABLES_POINTER, "tables")
        finally:
            pointers.close()

    def tables(self, statement: str) -> None:
        """Run a statement in the tables in use."""
        with connect(self._tables, schema=self.in_use()) as connection:
            connection.execute(statement.encode())


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    """Return one whose copy of the folder stands for a mount that passes no locks."""
    named = own_engines()
    with removed_afterwards(tmp_path / "data") as folder:
        with memos_gov.init(folder, engines=named) as gov:
            gov.acting_as("owner").remember("The parcel is in the cellar")
        shutil.copytree(folder, tmp_path / "mount")
        with memos_gov.open(tmp_path / "mount") as service:
            yield Elsewhere(folder, named["postgres"]["prefix"], service)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Return what lets something happen between a rebuild's replay and its comparison."""

    def after_replay(act: Callable[[], object]) -> None:
        replay = connected_upkeep.replay

        def replayed(*args: Any) -> object:
            done = replay(*args)
            act()
            return done

        monkeypatch.setattr(connected_upkeep, "replay", replayed)

    return after_replay


def test_rebuild_beside_a_live_lease_is_refused_and_names_the_holder(elsewhere: Elsewhere) -> None:
    """Nothing is switched, the other works on, and it is done once that has closed."""
    holder = elsewhere.service.rooms.governor.leasing.holder

    with pytest.raises(UnavailableError, match=f"in use: {holder}"):
        rebuild(elsewhere.folder)

    assert "tables" == elsewhere.in_use()
    elsewhere.service.acting_as("owner").remember("it works on")
    elsewhere.service.close()
    assert rebuild(elsewhere.folder).compared


def test_rebuild_beside_an_unseen_writer_says_in_use_and_not_corrupt(
    elsewhere: Elsewhere, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    """What it decided after the replay is no loss of the log; nothing is switched, all is kept."""
    owner, done = elsewhere.service.acting_as("owner"), list[str]()
    meanwhile(lambda: done.append(str(owner.remember("written beside a rebuild").cube_id)))
    elsewhere.hide()

    with pytest.raises(UnavailableError, match="the log grew meanwhile"):
        rebuild(elsewhere.folder)

    assert "tables" == elsewhere.in_use()
    assert "written beside a rebuild" == owner.get(*done).content
    elsewhere.service.close()
    assert fsck(elsewhere.folder).clean


def test_rebuild_beside_many_unseen_writes_loses_none(elsewhere: Elsewhere) -> None:
    """Whatever moment it comes at, it is refused or whole, and never speaks of corruption."""
    owner, stop, made = elsewhere.service.acting_as("owner"), threading.Event(), list[str]()

    def write() -> None:
        while not stop.is_set():
            made.append(str(owner.remember(f"number {len(made)}").cube_id))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            elsewhere.hide()
            with pytest.raises(UnavailableError, match="in use"):
                rebuild(elsewhere.folder)
    finally:
        stop.set()
        writer.join()
    assert made
    assert [owner.get(cube).cube_id for cube in made] == made


def test_rebuild_beside_a_lease_that_came_meanwhile_is_not_switched(
    elsewhere: Elsewhere, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    """Somebody who opened it and wrote nothing would lose the tables under its hands."""
    meanwhile(elsewhere.service.rooms.governor.leasing.begin_anew)
    elsewhere.hide()

    with pytest.raises(UnavailableError, match="may have it open"):
        rebuild(elsewhere.folder)

    assert "tables" == elsewhere.in_use()


def test_rebuild_of_a_log_that_gives_another_tree_is_still_corruption(
    elsewhere: Elsewhere,
) -> None:
    """A log at rest that lacks what was decided is damaged, and is called so."""
    elsewhere.service.close()
    elsewhere.tables("UPDATE outcomes SET leaf = decode(repeat('00', 32), 'hex') WHERE idx = 1")
    elsewhere.tables("UPDATE trees SET size = size + 1")

    with pytest.raises(CorruptionError, match="no longer gives the tree"):
        rebuild(elsewhere.folder)
