"""The notary on a real folder: when it signs, what it says, and when it refuses to."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import memos_gov
from memos_gov import notary
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.domain import ids
from memos_gov.domain.events import CheckpointSigned
from memos_gov.errors import (
    CorruptionError,
    DeniedError,
    SettingsError,
    UnavailableError,
)
from memos_gov.materializers.tiles import TileFollower
from memos_gov.service import Service
from memos_gov.transparency.checkpoints import open_checkpoint
from memos_gov.transparency.notes import parse_vkey
from memos_gov.transparency.proofs import verify_consistency

TENANT, PURPOSE = "default", "complaint-handling"


class SteppingClock:
    """The machine's clock with an offset that a test moves."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Return the time, moved."""
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> SteppingClock:
    """Return a clock of this test's own."""
    return SteppingClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder whose first record waits since now, however long the tests have run."""
    memos_gov.init(tmp_path / "data").close()
    return tmp_path / "data"


@pytest.fixture
def gov(folder: Path, clock: SteppingClock) -> Iterator[Service]:
    """Return an open folder that signs after sixty seconds."""
    with memos_gov.open(folder, clock=clock, checkpoint_s=60.0) as service:
        yield service


def owner(gov: Service) -> Any:
    """Return the first principal."""
    return gov.acting_as("owner", purpose=PURPOSE)


def signed(gov: Service, tenant: str = TENANT) -> list[CheckpointSigned]:
    """Return the accepted checkpoints of a tenant, oldest first."""
    with gov.rooms.governor.tables.snapshot() as snapshot:
        found = snapshot.newest_events(tenant, 10_000)
    return [
        msgspec.json.decode(event.header, type=CheckpointSigned)
        for event in reversed(found)
        if event.type == "CheckpointSigned"
    ]


def newest_index(gov: Service, tenant: str = TENANT) -> int:
    """Return the newest index of a tenant."""
    with gov.rooms.governor.tables.snapshot() as snapshot:
        return snapshot.index(tenant)


# --- When ----------------------------------------------------------------------------


def test_record_that_waited_a_minute_is_signed_with_the_next_command(
    gov: Service, clock: SteppingClock
) -> None:
    """Not before; and the log of the instance with it."""
    owner(gov).remember("first")
    assert [] == signed(gov)
    clock.ahead = timedelta(seconds=61)
    owner(gov).remember("second")

    assert [3] == [event.size for event in signed(gov)]
    assert [1] == [event.size for event in signed(gov, ids.INSTANCE)]
    owner(gov).remember("third")
    assert 1 == len(signed(gov))


def test_thousand_records_are_signed_at_once(
    gov: Service, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before a minute; here a thousand is five."""
    monkeypatch.setattr(notary, "CHECKPOINT_RECORDS", 5)
    for number in range(10):
        clock.ahead += timedelta(seconds=1)
        owner(gov).remember(f"memory {number}")

    assert [5, 11] == [event.size for event in signed(gov)]


def test_flood_of_records_is_signed_no_more_than_once_a_second(
    gov: Service, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next head then covers all of them."""
    monkeypatch.setattr(notary, "CHECKPOINT_RECORDS", 5)
    stands = clock.now()
    monkeypatch.setattr(clock, "now", lambda: stands + clock.ahead)
    for number in range(20):
        owner(gov).remember(f"memory {number}")
    assert [5] == [event.size for event in signed(gov)]
    clock.ahead = timedelta(seconds=1)
    owner(gov).remember("after the pause")

    assert [5, 23] == [event.size for event in signed(gov)]


def test_nothing_is_signed_where_only_a_checkpoint_was_decided(
    gov: Service, clock: SteppingClock
) -> None:
    """An idle log does not grow."""
    note = gov.rooms.notary.checkpoint(TENANT).note
    end = newest_index(gov)
    clock.ahead = timedelta(hours=5)

    assert note == gov.rooms.notary.checkpoint(TENANT).note
    gov.rooms.notary.after([])
    assert end == newest_index(gov)


def test_reads_refusals_and_questions_are_signed_too(gov: Service, clock: SteppingClock) -> None:
    """Everything that was decided is in the tree."""
    cube = owner(gov).remember("first").cube_id
    clock.ahead = timedelta(seconds=61)
    owner(gov).get(cube)
    clock.ahead = timedelta(seconds=122)
    with pytest.raises(DeniedError):
        gov.acting_as("nobody", purpose=PURPOSE).remember("no")
    clock.ahead = timedelta(seconds=190)
    owner(gov).history(cube)

    assert [3, 6] == [event.size for event in signed(gov)]


def test_minute_goes_on_over_processes(folder: Path) -> None:
    """A folder used by one short command after another is signed all the same."""
    clock = SteppingClock()
    for seconds in (0, 30, 61):
        clock.ahead = timedelta(seconds=seconds)
        with memos_gov.open(folder, clock=clock, checkpoint_s=60.0) as gov:
            owner(gov).remember(f"at {seconds}")
            sizes = [event.size for event in signed(gov)]

    assert [4] == sizes


# --- What ----------------------------------------------------------------------------


def test_head_is_signed_by_the_tenants_key_and_consistent_with_the_last(gov: Service) -> None:
    """Whoever keeps old heads can check that nothing was rewritten."""
    vkey, heads = parse_vkey(owner(gov).vkey), []
    for number in range(4):
        owner(gov).remember(f"memory {number}")
        heads.append(open_checkpoint(owner(gov).checkpoint().note, vkey))

    for event, old, new in zip(signed(gov)[1:], heads, heads[1:], strict=False):
        proof = [bytes.fromhex(found) for found in event.consistency]
        verify_consistency(
            old=old.size, old_root=old.root, new=new.size, new_root=new.root, proof=proof
        )
    assert [3, 6, 9, 12] == [head.size for head in heads]


def test_head_tells_every_outcome_that_was_not_plain_acceptance(gov: Service) -> None:
    """Refused, rejected, repeated, untrusted, with offset and code; each once."""
    governor, log = gov.rooms.governor, gov.rooms.governor.log
    owner(gov).remember("first")
    body = log.read(0, log.end(0) - 1, 1)[0].body
    with suppress(DeniedError):
        gov.acting_as("nobody", purpose=PURPOSE).remember("no")
    now_ms = round(governor.clock.now().timestamp() * 1000)
    for tenant, raw in ((TENANT, body), (TENANT, b"nonsense"), ("other", b"nonsense")):
        log.append([memos_gov.ports.Proposal(tenant, now_ms, raw)])
    governor.certifier.catch_up()
    gov.rooms.notary.checkpoint(TENANT)
    owner(gov).remember("second")
    gov.rooms.notary.checkpoint(TENANT)
    gov.rooms.notary.checkpoint(ids.INSTANCE)

    first, second = signed(gov)
    expected = [(3, "refused", False), (4, "duplicate", False), (5, "invalid", True)]
    assert expected == [(told.offset, told.code, told.apart) for told in first.outcomes]
    assert (0, 6, 7) == (first.first_offset, first.last_offset, second.first_offset)
    assert () == second.outcomes
    (instance,) = signed(gov, ids.INSTANCE)
    assert [(5, True), (6, True)] == [(told.offset, told.apart) for told in instance.outcomes]


def test_head_tells_the_cubes_that_were_struck_out_of_a_read(gov: Service) -> None:
    """An accepted read is not plain when it returned less than it asked for."""
    governor = gov.rooms.governor
    cube = owner(gov).remember("the card was charged").cube_id
    submit = governor.submit

    def overtaken(prepared: Any) -> Any:
        governor.submit = submit  # type: ignore[method-assign]
        owner(gov).revise(cube, "another text")
        return submit(prepared)

    owner(gov).recall("charged card")
    governor.submit = overtaken  # type: ignore[method-assign]
    owner(gov).recall("charged card")
    gov.rooms.notary.checkpoint(TENANT)

    (event,) = signed(gov)
    assert [("accepted", {"struck": (cube,)})] == [(t.code, t.detail) for t in event.outcomes]


def test_outcomes_beyond_what_a_record_holds_are_told_by_the_next_head(
    gov: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog is worked off without a gap."""
    monkeypatch.setattr(notary, "OUTCOMES_BYTES_MAX", 150)
    stranger = gov.acting_as("nobody", purpose=PURPOSE)
    for _ in range(5):
        with suppress(DeniedError):
            stranger.remember("no")
    for number in range(3):
        gov.rooms.notary.checkpoint(TENANT)
        owner(gov).remember(f"memory {number}")

    told = [[t.offset for t in event.outcomes] for event in signed(gov)]
    assert [[2, 3], [4, 5], [6]] == told
    covered = [(event.first_offset, event.last_offset) for event in signed(gov)]
    assert [(0, 3), (4, 5), (6, 10)] == covered


# --- Published -----------------------------------------------------------------------


def test_head_is_published_beside_its_tiles(gov: Service, folder: Path) -> None:
    """The layout that any client of tlog-tiles reads."""
    note = gov.rooms.notary.checkpoint(TENANT).note

    assert note == (folder / "tiles" / TENANT / "checkpoint").read_text(encoding="utf-8")
    assert 32 == (folder / "tiles" / TENANT / "tile" / "0" / "000.p" / "1").stat().st_size


def test_head_that_a_kill_left_unpublished_is_published_by_the_next(
    gov: Service, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was recorded first, so nothing else is ever signed in its place."""
    with monkeypatch.context() as killed:
        killed.setattr(TileFollower, "publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            gov.rooms.notary.checkpoint(TENANT)
    assert not (folder / "tiles" / TENANT / "checkpoint").exists()
    end = newest_index(gov)

    note = gov.rooms.notary.checkpoint(TENANT).note

    assert signed(gov)[0].note == note
    assert note == (folder / "tiles" / TENANT / "checkpoint").read_text(encoding="utf-8")
    assert end == newest_index(gov)


@pytest.mark.parametrize("how", ["gone", "empty", "changed", "cut", "no position"])
def test_tiles_that_were_damaged_are_made_again_by_the_next_head(
    gov: Service, folder: Path, how: str
) -> None:
    """They hold nothing that the log does not."""
    owner(gov).remember("first")
    gov.rooms.notary.checkpoint(TENANT)
    owner(gov).remember("second")
    for path in [p for p in (folder / "tiles" / TENANT).rglob("*") if p.is_file()]:
        raw = path.read_bytes()
        match how:
            case "gone":
                path.unlink()
            case "empty":
                path.write_bytes(b"")
            case "changed" if path.name not in {"checkpoint", "position"}:
                path.write_bytes(raw[:5] + bytes([raw[5] ^ 1]) + raw[6:])
            case "cut":
                path.write_bytes(raw[:-1])
            case "no position" if path.name == "position":
                path.write_bytes(b"many")

    facts = gov.rooms.notary.checkpoint(TENANT)

    tree = gov.rooms.notary.tiles.tree(TENANT, facts.size)
    assert (4, facts.root) == (facts.size, tree.root().hex())


def test_backlog_of_tiles_is_worked_off_in_steps(
    gov: Service, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command waits for a step, not for all of it."""
    for number in range(12):
        owner(gov).remember(f"memory {number}")
    grow = TileFollower.grow
    monkeypatch.setattr(TileFollower, "grow", lambda *a, **_: grow(*a, at_most=5))
    clock.ahead = timedelta(seconds=61)
    steps = []
    for number in range(3):
        owner(gov).remember(f"later {number}")
        steps.append((gov.rooms.notary.tiles.position(TENANT), len(signed(gov))))

    assert [(5, 0), (10, 0), (15, 0)] == steps
    owner(gov).remember("last")
    assert [17] == [event.size for event in signed(gov)]


def test_command_succeeds_though_its_head_cannot_be_written(
    gov: Service, clock: SteppingClock, folder: Path
) -> None:
    """A full disk delays the proof, not the memory; whoever asks for the head is told."""
    (folder / "tiles").write_text("in the way")
    clock.ahead = timedelta(seconds=61)

    assert "accepted" == owner(gov).remember("kept").code
    with pytest.raises(UnavailableError):
        gov.rooms.notary.checkpoint(TENANT)
    (folder / "tiles").unlink()
    owner(gov).remember("another")
    assert 1 == len(signed(gov))


def test_head_of_a_process_that_was_quicker_is_returned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It covers what was decided when a head was asked for, however fast the log grows since."""
    with memos_gov.open(folder) as one, memos_gov.open(folder) as other:
        owner(one).remember("first")
        wanted = newest_index(one)
        proposer = one.rooms.notary._proposer
        submit = proposer.submit_unjudged

        def overtaken(*given: Any, **named: Any) -> Any:
            other.rooms.notary.checkpoint(TENANT)
            owner(other).remember("one more")
            return submit(*given, **named)

        monkeypatch.setattr(proposer, "submit_unjudged", overtaken)
        facts = one.rooms.notary.checkpoint(TENANT)
        heads = signed(one)

    assert [(facts.size, facts.note)] == [(event.size, event.note) for event in heads]
    assert facts.size > wanted


def test_two_processes_sign_one_history(folder: Path) -> None:
    """Heads are recorded in one order, whoever signs; none contradicts another."""
    errors: list[BaseException] = []

    def work(gov: Service) -> None:
        try:
            for number in range(6):
                owner(gov).remember(f"memory {number}")
                gov.rooms.notary.checkpoint(TENANT)
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    with memos_gov.open(folder) as one, memos_gov.open(folder) as other:
        threads = [threading.Thread(target=work, args=(gov,)) for gov in (one, one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sizes = [event.size for event in signed(one)]

    assert [] == errors
    assert sorted(set(sizes)) == sizes
    assert fsck(folder).clean
    assert rebuild(folder).compared


# --- Never ---------------------------------------------------------------------------


def test_caller_can_never_act_as_the_notary(gov: Service) -> None:
    """Names resolve to ids of principals, whatever they look like."""
    for name in (ids.NOTARY, *ids.WORKERS):
        actor = gov.acting_as(name, purpose=PURPOSE)
        assert actor.caller.principal.startswith("p_")
        with pytest.raises(DeniedError):
            actor.remember("no")
    owner(gov).add_principal(ids.NOTARY, roles=["analyst"], purposes=[PURPOSE])
    assert gov.acting_as(ids.NOTARY, purpose=PURPOSE).caller.principal.startswith("p_")


def test_tree_whose_leaf_entries_were_changed_is_never_signed(gov: Service, folder: Path) -> None:
    """A head is signed only where tiles and tree agree."""
    owner(gov).remember("first")
    with closing(sqlite3.connect(folder / "tables.db", isolation_level=None)) as db:
        db.execute("UPDATE outcomes SET entry = zeroblob(146) WHERE tenant = 'default' AND idx = 1")

    with pytest.raises(CorruptionError, match="leaf entries"):
        gov.rooms.notary.checkpoint(TENANT)

    assert [] == signed(gov)


def test_tree_that_does_not_begin_with_the_signed_head_is_never_signed(
    gov: Service, folder: Path
) -> None:
    """Somebody who rewrites all tables alike still meets the head before."""
    owner(gov).remember("first")
    gov.rooms.notary.checkpoint(TENANT)
    owner(gov).remember("second")
    with closing(sqlite3.connect(folder / "tables.db", isolation_level=None)) as db:
        stream = ids.checkpoint_stream(TENANT)
        query = "UPDATE facts SET doc = CAST(replace(doc, ?, ?) AS BLOB) WHERE stream = ?"
        root = signed(gov)[0].root
        db.execute(query, (root, "00" * 32, stream))
    shutil.rmtree(folder / "tiles")

    with pytest.raises(CorruptionError, match="does not begin with"):
        gov.rooms.notary.checkpoint(TENANT)

    assert 1 == len(signed(gov))


def test_folder_with_another_verifier_key_is_not_opened(folder: Path) -> None:
    """Heads under it would be signed in vain."""
    (folder / "keys" / "verifier").write_text("11" * 32 + "\n")

    with pytest.raises(SettingsError, match="keys/verifier"):
        memos_gov.open(folder)


# --- Restored ------------------------------------------------------------------------


def lived_on(folder: Path, **settings: Any) -> Path:
    """Return a copy from before a folder lived on and signed."""
    with memos_gov.open(folder, **settings) as gov:
        owner(gov).remember("first")
        gov.rooms.notary.checkpoint(TENANT)
    older = Path(shutil.copytree(folder, folder.with_name("older")))
    with memos_gov.open(folder, **settings) as gov:
        owner(gov).remember("second")
        gov.rooms.notary.checkpoint(TENANT)
    return older


def test_folder_put_back_whole_is_noticed_by_the_witness(folder: Path, tmp_path: Path) -> None:
    """Consistent in itself, but older than what was signed."""
    witness = tmp_path / "witness"
    witness.mkdir()
    older = lived_on(folder, witness=witness)
    memos_gov.open(folder, witness=witness).close()

    with pytest.raises(CorruptionError, match="does not record") as caught:
        memos_gov.open(older, witness=witness)

    assert caught.value.place.startswith("witness memos-gov/")
    assert "newer one back" in caught.value.remedy


def test_folder_put_back_and_lived_on_is_noticed_by_the_witness(
    folder: Path, tmp_path: Path
) -> None:
    """As long as the one that was signed, but another."""
    witness = tmp_path / "witness"
    witness.mkdir()
    older = lived_on(folder, witness=witness)
    with memos_gov.open(older) as gov:
        owner(gov).remember("something else")
        gov.rooms.notary.checkpoint(TENANT)

    with pytest.raises(CorruptionError, match="does not record"):
        memos_gov.open(older, witness=witness)


def test_older_log_beside_newer_tiles_is_noticed_without_a_witness(folder: Path) -> None:
    """The published head is a witness too, until a rebuild makes the tiles anew."""
    older = lived_on(folder)
    shutil.rmtree(older / "tiles")
    shutil.copytree(folder / "tiles", older / "tiles")

    with pytest.raises(CorruptionError, match="does not record") as caught:
        memos_gov.open(older)
    assert f"tiles/{TENANT}/checkpoint" == caught.value.place

    rebuild(older)
    memos_gov.open(older).close()


def test_head_of_the_witness_that_somebody_else_signed_is_not_believed(
    folder: Path, tmp_path: Path
) -> None:
    """Neither is it passed over."""
    witness = tmp_path / "witness"
    witness.mkdir()
    lived_on(folder, witness=witness)
    (path,) = [p for p in witness.rglob("checkpoint") if p.parent.name == TENANT]
    note = path.read_text(encoding="utf-8")
    path.write_text(note.replace("\n4\n", "\n2\n"), encoding="utf-8")
    assert note != path.read_text(encoding="utf-8")

    with pytest.raises(CorruptionError, match="does not verify"):
        memos_gov.open(folder, witness=witness)


def test_witness_that_is_not_there_is_a_setting_to_fix(folder: Path, tmp_path: Path) -> None:
    """A disk that is not mounted must not pass for one that saw nothing."""
    with pytest.raises(SettingsError, match="setting witness"):
        memos_gov.open(folder, witness=tmp_path / "none")
