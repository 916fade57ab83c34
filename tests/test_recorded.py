"""Replay obeys what the log records: no later rule rewrites history, and no root differs unseen."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import memos_gov
from memos_gov import certify as certifying
from memos_gov.bootstrap import current_tables, rebuild
from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.history import PLAIN, LogPosition, LogRecord, Recorded, Told
from memos_gov.errors import CorruptionError
from memos_gov.notary import newest_head
from memos_gov.ports import Proposal
from memos_gov.recorded import recorded_outcomes
from memos_gov.service import Service
from memos_gov.transparency.checkpoints import TreeHead, sign_head
from tests.domain.given import remembered
from tests.lives import PURPOSE, a_varied_life
from tests.notaries import a_checkpoint, a_history, propose
from tests.records import KEY, KEY_ID, TENANT, History
from tests.test_rebuild import rows_of

Rejected = certifying.Rejected


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a varied life, some records that were rejected, and signed heads."""
    folder = tmp_path_factory.mktemp("recorded") / "data"
    with memos_gov.init(folder) as gov:
        a_varied_life(gov)
        _reject(gov)
        for tenant in ("default", "other", ids.INSTANCE):
            gov.rooms.notary.checkpoint(tenant)
        gov.rooms.follower.catch_up()
    return folder


def _reject(gov: Service) -> None:
    """Append records of every outcome: duplicate, forged, invalid, stale, late, id_reused."""
    governor = gov.rooms.governor
    log, owner = governor.log, gov.acting_as("owner", purpose=PURPOSE)
    owner.remember("the last one")
    body = log.read(0, log.end(0) - 1, 1)[0].body
    record = codec.decode(body)
    other_id = replace(record, id="00000000-0000-7000-8000-000000000001")
    versions = dict.fromkeys(record.data.relied_on, 99)
    moved = replace(other_id, data=replace(record.data, relied_on=versions))
    reused = replace(record, data=replace(record.data, command="month:2026-11/x"))
    early = replace(record.data.verdict, valid_until=1)  # type: ignore[type-var]
    late = replace(other_id, data=replace(record.data, verdict=early))
    signed = [
        governor.proposer.sign(each.data, each.id, "RememberCube", each.time)
        for each in (moved, reused, late)
    ]
    now_ms = codec.milliseconds(record.time)
    bodies = [body, body.replace(b'"mac":"', b'"mac":"0', 1), b"nonsense", *signed]
    bodies.append(codec.sign(record, b"x" * 32))
    log.append([Proposal("default", now_ms, each) for each in bodies])
    log.append([Proposal("nowhere", now_ms, b"nonsense")])
    governor.certifier.catch_up()


@pytest.fixture
def folder(lived: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may change."""
    return Path(shutil.copytree(lived, tmp_path / "data"))


@pytest.fixture
def rules_changed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a later program refuse every verdict that was ever given."""

    def refuses(*_: Any) -> None:
        raise Rejected("invalid", why=["another rule"])

    with monkeypatch.context() as later:
        later.setattr(certifying, "_check_verdict", refuses)
        yield


def codes_of(folder: Path) -> set[str]:
    """Return every outcome code in the tables in use."""
    with closing(sqlite3.connect(current_tables(folder))) as db:
        return {code for (code,) in db.execute("SELECT DISTINCT code FROM outcomes")}


def test_life_of_these_tests_has_outcomes_of_every_kind(lived: Path) -> None:
    """Else obeying them would prove little."""
    expected = {"accepted", "refused", "duplicate", "forged", "invalid", "stale", "late"}

    assert expected | {"id_reused"} <= codes_of(lived)


@pytest.mark.usefixtures("rules_changed")
def test_rule_changed_in_a_later_program_does_not_rewrite_history(folder: Path) -> None:
    """Every row comes out as it was: what was recorded is obeyed."""
    live = rows_of(folder / "tables.db")

    report = rebuild(folder)

    assert report.compared
    assert live == rows_of(folder / "tables.1.db")


@pytest.mark.usefixtures("rules_changed")
def test_rule_changed_in_a_later_program_judges_the_tail(tmp_path: Path) -> None:
    """Without a signed head the same rule gives another tree, which never goes live."""
    with memos_gov.init(tmp_path / "data") as gov, pytest.raises(Exception, match="invalid"):
        gov.acting_as("owner", purpose=PURPOSE).remember("refused by the later rule")
    live = rows_of(tmp_path / "data" / "tables.db")
    assert ["invalid"] == [row[5] for row in live["outcomes"] if row[3] == 1]


def test_tail_after_the_newest_head_is_judged_by_the_rules_of_today(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a tree that differs from the one in use is refused."""
    with memos_gov.open(folder) as gov:
        gov.acting_as("owner", purpose=PURPOSE).remember("after the head")

    def refuses(*_: Any) -> None:
        raise Rejected("invalid", why=["another rule"])

    monkeypatch.setattr(certifying, "_check_verdict", refuses)

    with pytest.raises(CorruptionError, match="no longer gives the tree"):
        rebuild(folder)
    assert "tables.db" == current_tables(folder).name


def test_covered_record_is_not_judged_at_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even whether its MAC is good: the signed root says that it is the same record."""
    live, judged = rows_of(folder / "tables.db"), []
    judge = certifying._judge

    def judging(item: Any, record: Any, *more: Any) -> Any:
        judged.append(record.type)
        return judge(item, record, *more)

    monkeypatch.setattr(certifying, "_judge", judging)
    rebuild(folder)

    assert {"gov.memos.CheckpointSigned"} == set(judged)
    assert live == rows_of(folder / "tables.1.db")


@pytest.mark.parametrize("offset", [4, 20])
def test_record_that_was_changed_under_a_signed_root_stops_the_rebuild(
    folder: Path, offset: int
) -> None:
    """With the tables gone, the root in the log is what remains to compare with."""
    with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as db:
        db.execute("DROP TRIGGER records_stay")
        query = "UPDATE records SET body = CAST(replace(body, ?, ?) AS BLOB) WHERE log_offset = ?"
        done = db.execute(query, (b'"purpose":"', b'"purpose":"x', offset))
        assert 1 == done.rowcount
    (folder / "tables.db").unlink()

    with pytest.raises(CorruptionError, match="root signed for default"):
        rebuild(folder)

    assert [] == list(folder.glob("tables*.db"))


def test_record_that_was_taken_out_under_a_signed_root_stops_the_rebuild(folder: Path) -> None:
    """A tree that never reaches the signed size is not the one that was signed."""
    with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as db:
        db.execute("DROP TRIGGER records_keep")
        db.execute("DELETE FROM records WHERE log_offset BETWEEN 2 AND 40")
    (folder / "tables.db").unlink()

    with pytest.raises(CorruptionError, match="signed"):
        rebuild(folder)


def test_signed_root_that_the_records_do_not_give_stops_the_rebuild(tmp_path: Path) -> None:
    """A head over another tree, signed with the tenant's own key, never becomes the truth."""
    folder = tmp_path / "data"
    with memos_gov.init(folder) as gov:
        gov.acting_as("owner", purpose=PURPOSE).remember("first")
        signer = gov.rooms.notary.signer("default")
        head = TreeHead(origin=signer.vkey.name, size=1, root=b"x" * 32)
        event = e.CheckpointSigned(
            size=1,
            root=head.root.hex(),
            note=sign_head(head, signer),
            rules=1,
            first_offset=0,
            last_offset=2,
            outcomes=(),
            consistency=(),
        )
        outcome = gov.rooms.governor.proposer.submit_unjudged(
            "default", ids.NOTARY, event, action="checkpoint"
        )
        assert "accepted" == outcome.code

    with pytest.raises(CorruptionError, match="root signed for default at 1 records"):
        rebuild(folder)
    assert "tables.db" == current_tables(folder).name


def test_tiles_thrown_away_are_made_again_by_a_rebuild(folder: Path) -> None:
    """With the newest signed head beside them."""
    before = {p: p.read_bytes() for p in (folder / "tiles").rglob("*") if p.is_file()}
    shutil.rmtree(folder / "tiles")

    rebuild(folder)

    assert before == {p: p.read_bytes() for p in (folder / "tiles").rglob("*") if p.is_file()}


# --- What is obeyed --------------------------------------------------------------------


class Listed:
    """The records of a history as a log that can be read."""

    partitions = 1

    def __init__(self, history: History) -> None:
        self._records = history.records

    def read(self, partition: int, start: int, limit: int) -> list[LogRecord]:
        """Return a page of records."""
        return self._records[start : start + limit]


def told_by(history: History) -> Recorded:
    """Return what the checkpoints of a history say."""
    keys = {KEY_ID: KEY}
    return recorded_outcomes(Listed(history), 0, keys.get)  # type: ignore[arg-type]


@pytest.fixture
def history() -> History:
    """Return a history of four cubes."""
    history = a_history()
    for number in range(4):
        history.propose(remembered(cube=f"c_{number}"))
    return history


def test_head_tells_of_the_records_it_covers_and_of_no_other(history: History) -> None:
    """Plain acceptance, what it lists, and nothing of other tenants."""
    stale = e.RecordedOutcome(offset=3, code="stale", detail={"streams": ("a",)}, apart=False)
    propose(history, a_checkpoint(history, outcomes=(stale,)))
    history.propose(remembered(cube="c_more"))

    recorded = told_by(history)

    told = [recorded.of(record) for record in history.records]
    assert [None, PLAIN, PLAIN, Told("stale", {"streams": ["a"]}, False)] == told[:4]
    assert [PLAIN, PLAIN, None, None] == told[4:]
    assert {TENANT} == set(recorded.heads)


def test_heads_of_a_chain_tell_together(history: History) -> None:
    """Each goes on where the last one ended."""
    propose(history, a_checkpoint(history))
    history.propose(remembered(cube="c_more"))
    propose(history, a_checkpoint(history))

    recorded = told_by(history)

    assert [(0, 5), (6, 7)] == recorded.spans[TENANT]
    assert [5, 7] == sorted(recorded.heads[TENANT])


@pytest.mark.parametrize(
    "how",
    [
        {"key": b"x" * 32},
        {"actor": "p_owner"},
        {"mac_key": "m_none"},
    ],
)
def test_head_of_anybody_but_the_notary_is_not_obeyed(
    history: History, how: dict[str, Any]
) -> None:
    """Whoever can write to the log cannot tell what became of it."""
    propose(history, a_checkpoint(history), **how)

    assert Recorded() == told_by(history)


def test_head_that_the_tenants_key_did_not_sign_is_not_obeyed(history: History) -> None:
    """Nor one that the certifier would have rejected for what it says."""
    for changes in ({"note": "x\n"}, {"size": 2}, {"first_offset": 3}, {"last_offset": 99}):
        propose(history, replace(a_checkpoint(history), **changes))

    assert Recorded() == told_by(history)


def test_newest_head_of_a_folder_is_the_one_recorded(folder: Path) -> None:
    """The facts that the certifier and the notary go by."""
    with memos_gov.open(folder) as gov, gov.rooms.governor.tables.snapshot() as snapshot:
        facts = newest_head(snapshot, "default")
        assert facts is not None
        found = snapshot.decided("default", facts.index)
    assert found is not None
    assert isinstance(found[0], LogPosition)
    assert facts.index == facts.size
