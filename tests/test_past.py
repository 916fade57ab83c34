"""Two clocks: what was recorded when, and about when; read back, and judged by today."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as forall
from hypothesis import strategies as st

from memos_gov.backends.files import shipped_bundle
from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.tables import SqliteTables
from memos_gov.domain import events as e
from memos_gov.domain.as_of import AsOf, Then, as_of
from memos_gov.domain.facts import Facts
from memos_gov.domain.questions import Cube
from memos_gov.errors import InvalidCommandError
from memos_gov.past import Past, then_of
from memos_gov.ports import Snapshot
from tests.contracts.tables import put
from tests.domain.given import ANN, CUBE, NOW, SUBJECT, remembered
from tests.records import TENANT, History, allowing, targets_of

DAY = 86_400
WORDS = shipped_bundle().vocabulary
GIVEN = e.ConsentGiven(subject=SUBJECT, purpose="research", valid_from=NOW, valid_to=None)


def day(number: float) -> int:
    """Return the second of a day."""
    return NOW + int(number * DAY)


def revised(revision: int, begins: float, ends: float | None = None, **changes: Any) -> e.Event:
    """Return a content revision about some days."""
    fields: dict[str, Any] = {
        "cube": CUBE,
        "revision": revision,
        "mode": "overwrite",
        "findings": (),
        "index": "full",
        "size_bytes": 5,
        "valid_from": day(begins),
        "valid_to": None if ends is None else day(ends),
    }
    return e.CubeRevised(**fields | changes)


def lived(*events: tuple[float, e.Event]) -> History:
    """Return a history of events, each recorded on its own day, one an index from 1 on."""
    history = History()
    for number, event in events:
        second = day(number)
        verdict = allowing(targets_of([event]) | {""}, valid_until=second + 60)
        assert history.propose(event, time_s=second, verdict=verdict).code == "accepted"
    return history


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of fresh tables."""
    path = tmp_path_factory.mktemp("tables") / "tables.db"
    migrate.upgrade(path, "tables")
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, migrated: bytes) -> Path:
    """Return where fresh tables lie."""
    place = tmp_path / "tables.db"
    place.write_bytes(migrated)
    return place


@contextmanager
def opened(path: Path, history: History) -> Iterator[Snapshot]:
    """Certify a history into tables and open a snapshot of them."""
    tables = SqliteTables(path)
    put(tables, history)
    with tables.snapshot() as snapshot:
        yield snapshot
    tables.close()


STORY = lived(
    (0, remembered(valid_from=day(0), label="internal", basis="contract")),  # index 1
    (2, revised(2, 2)),  # 2
    (4, revised(3, 1, 3)),  # 3: about the past
    (5, e.CubeRelabelled(cube=CUBE, label="confidential", valid_from=day(4))),  # 4
    (6, e.CubeRebased(cube=CUBE, basis="consent", valid_from=day(2), valid_to=day(4))),  # 5
    (7, e.ConsentGiven(subject=SUBJECT, purpose="research", valid_from=day(3), valid_to=day(8))),
    (8, e.ConsentWithdrawn(subject=SUBJECT, purpose="research", valid_from=day(6), valid_to=None)),
    (9, e.PrincipalAdded(principal=ANN, roles=(), clearance="public", purposes=(), regions=())),
    (9, e.CubeShared(cube=CUBE, principal=ANN, scope="read", valid_from=day(5), valid_to=None)),
    (10, e.CubeUnshared(cube=CUBE, principal=ANN)),  # 10
)


@pytest.fixture
def story(path: Path) -> Iterator[Snapshot]:
    """Return a snapshot of the story."""
    with opened(path, STORY) as snapshot:
        yield snapshot


def at(snapshot: Snapshot, index: int, valid: float | None) -> Cube | None:
    """Return the cube as known at an index, about a day."""
    second = None if valid is None else day(valid)
    moment = snapshot.time_ms_of(TENANT, index) // 1000 if second is None else second
    then = Then(index=index, moment=moment, valid=second)
    return Past(snapshot, TENANT, then, WORDS).cubes([CUBE]).get(CUBE)


CONTENT = {  # recorded -> revision by day -1, 0, 1.5, 2.5, 3.5, 9
    0: [None, None, None, None, None, None],
    1: [None, 1, 1, 1, 1, 1],
    2: [None, 1, 1, 2, 2, 2],
    3: [None, 1, 3, 3, 2, 2],
    10: [None, 1, 3, 3, 2, 2],
}
LABELS = {  # i for internal, c for confidential
    1: [None, "i", "i", "i", "i", "i"],
    3: [None, "i", "i", "i", "i", "i"],
    4: [None, "i", "i", "i", "i", "c"],
    10: [None, "i", "i", "i", "i", "c"],
}
BASES = {  # t for contract, c for consent
    1: [None, "t", "t", "t", "t", "t"],
    5: [None, "t", "t", "c", "c", "t"],
}
CONSENTS = {  # by day 0, 4, 7, 9: given, withdrawn or nothing
    5: ["-", "-", "-", "-"],
    6: ["-", "yes", "yes", "-"],
    7: ["-", "yes", "no", "no"],
}
GRANTS = {  # by day 4, 6, 9.5, 11
    8: [0, 0, 0, 0],
    9: [0, 1, 1, 1],
    10: [0, 1, 1, 0],
}


@pytest.mark.parametrize(("recorded", "expected"), CONTENT.items())
def test_content_of_a_day_is_the_newest_revision_known_about_it(
    story: Snapshot, recorded: int, expected: list[int | None]
) -> None:
    """Recorded by valid time; before the cube, and before its record, there is none."""
    found = [at(story, recorded, valid) for valid in (-1, 0, 1.5, 2.5, 3.5, 9)]

    assert expected == [None if cube is None else cube.content.revision for cube in found]


@pytest.mark.parametrize(("recorded", "expected"), LABELS.items())
def test_label_of_a_day_is_the_newest_one_known_about_it(
    story: Snapshot, recorded: int, expected: list[str | None]
) -> None:
    """Whatever is in force today."""
    found = [at(story, recorded, valid) for valid in (-1, 0, 1.5, 2.5, 3.5, 9)]

    assert expected == [None if cube is None else cube.governance.label[0] for cube in found]


@pytest.mark.parametrize(("recorded", "expected"), BASES.items())
def test_basis_of_a_day_is_the_newest_one_known_about_it(
    story: Snapshot, recorded: int, expected: list[str | None]
) -> None:
    """A correction of the past shows where it was already known."""
    found = [at(story, recorded, valid) for valid in (-1, 0, 1.5, 2.5, 3.5, 9)]

    letters = {"contract": "t", "consent": "c"}
    assert expected == [None if cube is None else letters[cube.governance.basis] for cube in found]


@pytest.mark.parametrize(("recorded", "expected"), CONSENTS.items())
def test_consent_of_a_day_is_the_newest_word_known_about_it(
    story: Snapshot, recorded: int, expected: list[str]
) -> None:
    """A withdrawal counts for the days it is about, once it is known."""
    found = []
    for valid in (0, 4, 7, 9):
        cube = at(story, recorded, valid)
        assert cube is not None
        words = cube.subjects[0].consent_at(day(valid))
        found.append({True: "yes", False: "no", None: "-"}[words.get("research")])

    assert expected == found


@pytest.mark.parametrize(("recorded", "expected"), GRANTS.items())
def test_share_of_a_day_is_the_newest_one_known_about_it(
    story: Snapshot, recorded: int, expected: list[int]
) -> None:
    """An ended share held until it ended, and a later one of its record is about before, too."""
    found = [at(story, recorded, valid) for valid in (4, 6, 9.5, 11)]

    assert expected == [len(cube.governance.grants) for cube in found if cube is not None]


def test_cube_without_a_valid_time_is_what_was_shown_then(story: Snapshot) -> None:
    """The newest revision recorded, whatever it is about, under the label then in force."""
    found = [at(story, recorded, None) for recorded in (0, 1, 2, 3, 4)]

    shown = [cube and (cube.content.revision, cube.governance.label) for cube in found]
    assert [
        None, (1, "internal"), (2, "internal"), (3, "internal"), (3, "confidential")
    ] == shown  # fmt: skip


# --- As of an index, the facts are those of the records up to it ------------------------


@st.composite
def some_events(draw: st.DrawFn) -> list[tuple[float, e.Event]]:
    """Return events of a cube and its person in an order that can be."""
    cube: list[e.Event] = [
        e.CubeRelabelled(cube=CUBE, label="confidential", valid_from=day(-3), valid_to=day(-2)),
        e.CubeRelabelled(cube=CUBE, label="public"),
        e.CubeRebased(cube=CUBE, basis="consent", valid_from=day(-1), valid_to=None),
        e.CubeFrozen(cube=CUBE),
        e.CubeThawed(cube=CUBE),
        e.CubeArchived(cube=CUBE),
        e.CubeActivated(cube=CUBE),
        revised(2, -1),
        GIVEN,
        e.ConsentWithdrawn(subject=SUBJECT, purpose="research", valid_from=day(0), valid_to=None),
        remembered(cube="c_two"),
    ]
    chosen = draw(st.lists(st.sampled_from(cube), max_size=8))
    return [(0, remembered()), *((n / DAY, event) for n, event in enumerate(chosen))]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@forall(events=some_events(), size=st.integers(1, 5))
def test_facts_as_of_an_index_are_the_first_records_folded(
    tmp_path_factory: pytest.TempPathFactory,
    migrated: bytes,
    events: list[tuple[float, e.Event]],
    size: int,
) -> None:
    """For every index of any history, however it was batched."""
    history = lived(*events)
    folded: list[dict[str, Facts]] = []
    again = History(founded=False)
    for record in history.records:
        again.append(record.body, record.tenant)
        folded.append({s: f for s, f in again.known.facts.items() if s.startswith(TENANT)})
    place = tmp_path_factory.mktemp("any") / "tables.db"
    place.write_bytes(migrated)
    tables = SqliteTables(place)
    whole, history.records = history.records, []
    for start in range(0, len(whole), size):
        history.records = whole[: start + size]
        put(tables, history, start)

    with tables.snapshot() as snapshot:
        found = [snapshot.facts_as_of(folded[-1], index) for index in range(len(whole) - 1)]
    tables.close()

    assert folded[1:] == [{s: f for s, (_, f) in facts.items()} for facts in found]


# --- Which moment is meant ----------------------------------------------------------------

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "said",
    [
        datetime(2026, 3, 1),  # noqa: DTZ001 (naive on purpose)
        -1,
        2**60,
        True,
        1.5,
        "2026-03-01",
        b"1",
    ],
)
def test_moment_that_cannot_be_is_refused_by_name(said: Any) -> None:
    """One error, whoever builds it."""
    for make in (lambda: as_of(said), lambda: AsOf(recorded=said)):
        with pytest.raises(InvalidCommandError, match=r"^as_of: ") as caught:
            make()
        assert "as_of" == caught.value.field


@pytest.mark.parametrize("said", [datetime(2026, 3, 1), 7, "now", True])  # noqa: DTZ001
def test_valid_time_that_cannot_be_is_refused_by_name(said: Any) -> None:
    """An index is no valid time."""
    with pytest.raises(InvalidCommandError, match=r"^as_of: "):
        AsOf(valid=said)


def test_moment_of_nothing_is_now() -> None:
    """And a time alone is one of record."""
    assert (None, None) == (as_of(None), as_of(AsOf()))
    assert AsOf(recorded=NOON) == as_of(NOON)
    assert AsOf(recorded=3) == as_of(3)


def test_moment_lies_where_its_record_stands_in_any_time_zone(story: Snapshot) -> None:
    """One instant, one index."""
    now = day(20)
    zones = [UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-11, minutes=-30))]
    moments = [datetime.fromtimestamp(day(4), zone) for zone in zones]

    found = {then_of(story, TENANT, AsOf(recorded=moment), now).index for moment in moments}

    assert {3} == found
    assert {day(4)} == {
        then_of(story, TENANT, AsOf(valid=moment), now).moment for moment in moments
    }


def test_moment_by_index_is_read_at_the_time_of_that_record(story: Snapshot) -> None:
    """And by time at that time; before the first record nothing is known."""
    now = day(20)
    by_index = then_of(story, TENANT, AsOf(recorded=4), now)
    both = AsOf(recorded=4, valid=datetime.fromtimestamp(day(1), UTC))
    early = AsOf(recorded=datetime.fromtimestamp(day(-1), UTC))

    assert Then(index=4, moment=day(5)) == by_index
    assert Then(index=4, moment=day(1), valid=day(1)) == then_of(story, TENANT, both, now)
    assert -1 == then_of(story, TENANT, early, now).index


@pytest.mark.parametrize(
    "said",
    [
        AsOf(recorded=11),
        AsOf(recorded=datetime.fromtimestamp(day(20) + 6, UTC)),
        AsOf(valid=datetime.fromtimestamp(day(20) + 6, UTC)),
        AsOf(recorded=1, valid=datetime.fromtimestamp(day(21), UTC)),
    ],
)
def test_moment_that_has_not_come_is_refused_by_name(story: Snapshot, said: AsOf) -> None:
    """Nobody knows it yet, and an index beyond the end is nobody's."""
    with pytest.raises(InvalidCommandError, match=r"^as_of: ") as caught:
        then_of(story, TENANT, said, day(20))

    assert "as_of" == caught.value.field


# --- How policy is asked -------------------------------------------------------------------


def judged(path: Path, history: History, index: int) -> Cube:
    """Return how policy is asked when the cube as of an index would be shown."""
    with opened(path, history) as snapshot:
        newest = Then(index=snapshot.index(TENANT), moment=day(50))
        today = Past(snapshot, TENANT, newest, WORDS).cubes([CUBE])[CUBE]
        past = Past(snapshot, TENANT, Then(index=index, moment=day(50)), WORDS)
        return past.as_judged(today, past.cubes([CUBE])[CUBE])


LOWERED = lived(
    (0, remembered(label="internal", findings=("card",), valid_to=day(1))),
    (1, e.CubeRelabelled(cube=CUBE, label="restricted")),
    (2, e.CubeRelabelled(cube=CUBE, label="confidential")),
    (3, revised(2, 3)),
    (4, e.CubeRelabelled(cube=CUBE, label="public")),
)


@pytest.mark.parametrize(
    ("index", "label"), [(1, "confidential"), (3, "confidential"), (5, "public")]
)
def test_former_revision_is_judged_under_the_label_it_was_last_kept_under(
    path: Path, index: int, label: str
) -> None:
    """What was lowered after a new revision was lowered for that one."""
    assert label == judged(path, LOWERED, index).governance.label


def test_cube_raised_since_is_judged_under_the_label_of_today(path: Path) -> None:
    """The past is no way around a relabelling."""
    history = lived((0, remembered()), (1, e.CubeRelabelled(cube=CUBE, label="restricted")))

    assert "restricted" == judged(path, history, 1).governance.label


def test_former_revision_is_judged_by_the_personal_numbers_in_it(path: Path) -> None:
    """Else a mask would be that of another content; what was valid then need not be valid now."""
    content = judged(path, LOWERED, 1).content

    assert (("card",), None) == (content.findings, content.valid_to)
