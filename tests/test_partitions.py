"""A log of many partitions: each has an order, a beginning and a tree of its own."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import memos_gov
from memos_gov import founding
from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.log import SqliteEventLog
from memos_gov.backends.sqlite.tables import SqliteTables
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.domain import ids
from memos_gov.domain.facts import LogFacts
from memos_gov.domain.history import LogPosition, LogRecord, Outcome
from memos_gov.errors import CorruptionError, SettingsError
from memos_gov.follow import Certifier
from memos_gov.fsck import PARTS
from memos_gov.ports import Proposal
from memos_gov.rebuild import roots
from memos_gov.service import Service
from tests import partitioned
from tests.contracts.event_log import EventLogContract, FixedClock
from tests.lives import PURPOSE, a_varied_life, an_end
from tests.partitioned import PARTITIONS, PartitionedEventLog, files_of
from tests.test_rebuild import rows_of

THIRD = "acme"
HOMES = {"other": 0, "default": 1, THIRD: 2}
# The embedded vault knows of one partition alone, and says so of what stands for others.
ALL_BUT_THE_VAULT = tuple(part for part in PARTS if part != "vault")


class TestPartitionedEventLog(EventLogContract):
    """The log of these tests is one, whatever else they say."""

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self._path = tmp_path / "log.db"

    @pytest.fixture
    def open_log(self, clock: FixedClock) -> Iterator[Callable[[], PartitionedEventLog]]:
        """Return a function that opens the log; every opening is closed at the end."""
        opened: list[PartitionedEventLog] = []

        def put() -> PartitionedEventLog:
            opened.append(PartitionedEventLog(self._path, clock))
            return opened[-1]

        yield put
        for log in opened:
            log.close()

    @pytest.fixture
    def broken(self, open_log: Callable[[], PartitionedEventLog]) -> PartitionedEventLog:
        """Return a log whose files were cut off under it."""
        open_log().append([self.proposal()])
        log = open_log()
        for file in files_of(self._path):
            for path in (file.with_name(f"{file.name}-wal"), file):
                os.truncate(path, 0)
        return log

    def raw_records(self) -> list[tuple[str, bytes]]:
        """Return what the files hold."""
        found = []
        for file in files_of(self._path):
            log = SqliteEventLog(file, FixedClock(), read_only=True)
            found += [(each.tenant, each.body) for each in log.read(0, 0, 10_000)]
            log.close()
        return found


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a closed folder of three partitions, with a varied life in each and an end in one."""
    folder = tmp_path_factory.mktemp("partitions") / "data"
    with pytest.MonkeyPatch.context() as patch:
        partitioned.put_in(patch)
        with memos_gov.init(folder) as gov:
            a_varied_life(gov)
            gov.add_tenant(THIRD, principal="kim")
            kim = gov.acting_as("kim", tenant=THIRD, purpose=PURPOSE)
            kim.remember("The parcel was lost.", subjects=["customer-1"])
            kim.recall("parcel")
            an_end(gov)
            _strange(gov)
            for tenant in (*HOMES, *map(ids.control_of, range(PARTITIONS))):
                gov.rooms.notary.checkpoint(tenant)
            gov.rooms.follower.catch_up()
            gov.rooms.index_follower.catch_up()
        yield folder


@pytest.fixture
def folder(lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy that a test may change."""
    partitioned.put_in(monkeypatch)
    return Path(shutil.copytree(lived, tmp_path / "data"))


@pytest.fixture
def gov(folder: Path) -> Iterator[Service]:
    """Return an open service over `folder`."""
    with memos_gov.open(folder) as service:
        yield service


def log_of(gov: Service) -> PartitionedEventLog:
    """Return the log of a service."""
    log = gov.rooms.governor.log
    assert isinstance(log, PartitionedEventLog)
    return log


def _strange(gov: Service) -> None:
    """Put into each partition what cannot be trusted there, and certify it."""
    log = log_of(gov)
    for partition in range(PARTITIONS):
        log.put(partition, "default", b"nonsense")
        for home in range(PARTITIONS):  # (a record of its own partition is a repeat)
            record = log.read(home, log.end(home) // 2, 1)[0]
            log.put(partition, record.tenant, record.body)
    gov.rooms.governor.certifier.catch_up()


def outcome(gov: Service, partition: int, offset: int) -> Outcome:
    """Return what became of a record."""
    with gov.rooms.governor.tables.snapshot() as snapshot:
        found = snapshot.outcome(LogPosition(partition, offset))
    assert found is not None
    return found


def put(gov: Service, partition: int, record: LogRecord) -> Outcome:
    """Copy a record into a partition, certify it, and return what became of it."""
    log = log_of(gov)
    log.put(partition, record.tenant, record.body)
    gov.rooms.governor.certifier.catch_up()
    return outcome(gov, partition, log.end(partition) - 1)


def test_tenants_stand_in_the_partitions_of_their_names(gov: Service) -> None:
    """Each record of a tenant, and none of another partition's, is decided under its name."""
    for tenant, home in HOMES.items():
        assert home == log_of(gov).partition_of(tenant)
        with gov.rooms.governor.tables.snapshot() as snapshot:
            last = snapshot.index(tenant)
            found = {snapshot.decided(tenant, n)[0].partition for n in range(last + 1)}  # type: ignore[index]
        assert {home} == found


def test_partition_begins_with_a_control_record_of_its_own(gov: Service) -> None:
    """What may stand in it is decided by its own order alone."""
    for partition in range(PARTITIONS):
        found = outcome(gov, partition, 0)

        assert (ids.control_of(partition), 0, "accepted") == (found.tenant, found.index, found.code)


def test_fsck_of_many_partitions_is_clean(folder: Path) -> None:
    """Of what was strange it says that it was never applied."""
    report = fsck(folder, parts=ALL_BUT_THE_VAULT)

    assert {"invalid"} == report.found.keys(), report.findings
    assert all("never applied" in finding.message for finding in report.findings)
    named = {finding.place.split(" offset")[0] for finding in report.findings}
    assert {"log", "log partition 1", "log partition 2"} == named
    assert {*HOMES, "_instance", "_instance-1", "_instance-2"} == report.roots.keys()


def test_rebuild_of_many_partitions_equals_the_live_tables(folder: Path) -> None:
    """Every row of every table and every root comes out of the log again, and is served."""
    live, told = rows_of(folder / "tables.db"), fsck(folder, parts=("log",)).roots

    report = rebuild(folder)

    assert live == rows_of(folder / report.tables)
    assert (True, told) == (report.compared, report.roots)
    with memos_gov.open(folder) as gov:
        kim = gov.acting_as("kim", tenant=THIRD, purpose=PURPOSE)
        assert 1 == len(kim.recall("parcel").hits)
        owner = gov.acting_as("owner", purpose=PURPOSE)
        assert owner.recall("charged card").hits
        assert not [hit for hit in owner.recall("line").hits if "dead" in hit.content]


@pytest.mark.parametrize("order", list(itertools.permutations(range(PARTITIONS))))
def test_roots_do_not_depend_on_which_partition_was_certified_first(
    folder: Path, tmp_path: Path, order: tuple[int, ...]
) -> None:
    """What is not trusted, too, has its index by the order of its own partition."""
    with memos_gov.open(folder) as gov:
        log, keys = log_of(gov), gov.rooms.governor.keys
        expected = roots(gov.rooms.governor.tables)
        migrate.upgrade(tmp_path / "fresh.db", "tables")
        fresh = SqliteTables(tmp_path / "fresh.db")
        certifier = Certifier(log, fresh, keys)
        for share in (3, 2, 1):
            for partition in order:
                certifier.catch_up(LogPosition(partition, log.end(partition) // share - 1))

        assert expected == roots(fresh)
        fresh.close()


@pytest.mark.parametrize("home", range(PARTITIONS))
def test_record_that_is_copied_into_another_partition_is_invalid(gov: Service, home: int) -> None:
    """Its seal is genuine and its tenant known; there it would be judged out of its order."""
    log = log_of(gov)
    for record in log.read(home, 0, 10_000):
        if outcome(gov, home, record.offset).code != "accepted":
            continue
        found = put(gov, (home + 1) % PARTITIONS, record)

        assert ("invalid", ids.control_of((home + 1) % PARTITIONS)) == (found.code, found.tenant)


def test_heads_that_are_copied_into_another_partition_tell_replay_nothing(folder: Path) -> None:
    """Whoever writes to the log cannot give outcomes to records of another partition."""
    with memos_gov.open(folder) as gov:
        log = log_of(gov)
        for record in log.read(1, 0, 10_000):
            log.put(2, record.tenant, record.body)
        gov.rooms.governor.certifier.catch_up()
        gov.rooms.follower.catch_up()
        before = roots(gov.rooms.governor.tables)

    report = rebuild(folder)

    assert {tenant: root for tenant, (_, root) in before.items()} == report.roots


def test_proposals_to_many_partitions_come_back_in_their_order(gov: Service) -> None:
    """One call waits for every partition that it wrote to."""
    governor = gov.rooms.governor
    tenants = [*HOMES, *reversed(HOMES)]
    proposals = [
        Proposal(t, log_of(gov).now_ms, f"junk {n}".encode()) for n, t in enumerate(tenants)
    ]

    outcomes = governor.proposer.submit(proposals)

    assert ["invalid"] * len(tenants) == [found.code for found in outcomes]
    assert [ids.control_of(HOMES[tenant]) for tenant in tenants] == [o.tenant for o in outcomes]


def test_status_of_many_partitions_counts_all_their_records(gov: Service) -> None:
    """No follower is behind in any of them, and partitions are no tenants."""
    gov.rooms.follower.catch_up()
    gov.rooms.index_follower.catch_up()
    found = gov.status()

    assert sum(map(log_of(gov).end, range(PARTITIONS))) == found.log_end
    assert {0} == set(found.behind.values())
    assert sorted(HOMES) == [tenant.tenant for tenant in found.tenants]


def test_log_with_another_count_of_partitions_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tenants would change their partition; the log says with how many it was founded."""
    monkeypatch.setattr(PartitionedEventLog, "partitions", 2)

    with pytest.raises(SettingsError, match="has 2 partitions, and was founded with 3"):
        memos_gov.open(folder)


def test_log_whose_partition_begins_with_something_else_is_refused(folder: Path) -> None:
    """A partition of another log, or one that was emptied, is served to nobody."""
    other = files_of(folder / "log.db")[2]
    for path in other.parent.glob(f"{other.name}*"):
        path.unlink()

    with pytest.raises(CorruptionError) as caught:
        memos_gov.open(folder)

    assert "log partition 2 offset 0" == caught.value.place


def test_new_event_types_are_permitted_in_each_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a control record of its own on, whichever partition a tenant stands in."""
    partitioned.put_in(monkeypatch)
    types = founding.event_types()
    monkeypatch.setattr(founding, "event_types", lambda: types[1:])
    memos_gov.init(tmp_path / "data").close()
    monkeypatch.setattr(founding, "event_types", lambda: types)

    with memos_gov.open(tmp_path / "data") as gov:
        for control in map(ids.control_of, range(PARTITIONS)):
            stream = ids.log_stream(control)
            with gov.rooms.governor.tables.snapshot() as snapshot:
                version, facts = snapshot.facts([stream])[stream]
            assert isinstance(facts, LogFacts)
            assert (2, types) == (version, facts.event_types)
