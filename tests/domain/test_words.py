"""Labels, bases and shares over their valid time: what is in force, and what was said of when."""

from datetime import UTC, datetime

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide import decide
from memos_gov.domain.evolve import Occurrence, evolve
from memos_gov.domain.facts import ContentFacts, Facts, GovernanceFacts
from tests.domain.given import (
    ALLOWED,
    ANN,
    CUBE,
    NOW,
    OWNER,
    TENANT,
    admit,
    given,
    remembered,
    situation,
)

GOVERNANCE = ids.governance_stream(TENANT, CUBE)
CONTENT = ids.content_stream(TENANT, CUBE)
DAY = 86_400


def moment(seconds: int) -> datetime:
    """Return a time."""
    return datetime.fromtimestamp(seconds, UTC)


def lived(*events: tuple[int, e.Event]) -> list[dict[str, Facts]]:
    """Return what was known after each event, each at its own second."""
    known: dict[str, Facts] = {}
    versions = []
    for index, (second, event) in enumerate(events):
        at = Occurrence(tenant=TENANT, index=index, now=second, actor=OWNER, key_id="k_one")
        known = {**known, **evolve(event, at, known)}
        versions.append(known)
    return versions


def governance(known: dict[str, Facts]) -> GovernanceFacts:
    """Return the governance of the cube."""
    facts = known[GOVERNANCE]
    assert isinstance(facts, GovernanceFacts)
    return facts


def relabelled(label: str, begins: int | None = None, ends: int | None = None) -> e.Event:
    """Return the event of a label."""
    return e.CubeRelabelled(cube=CUBE, label=label, valid_from=begins, valid_to=ends)


def rebased(basis: str, begins: int, ends: int | None = None) -> e.Event:
    """Return the event of a basis."""
    return e.CubeRebased(cube=CUBE, basis=basis, valid_from=begins, valid_to=ends)


# --- What was said of when, as known when ---------------------------------------------

LABELS = lived(
    (NOW, remembered(label="internal", valid_from=NOW)),
    (NOW + 10 * DAY, relabelled("confidential", NOW + 5 * DAY)),
    (NOW + 20 * DAY, relabelled("restricted", NOW + 2 * DAY, NOW + 4 * DAY)),
    (NOW + 30 * DAY, relabelled("public")),
)
BASES = lived(
    (NOW, remembered(basis="contract", valid_from=NOW)),
    (NOW + 10 * DAY, rebased("consent", NOW + 5 * DAY)),
    (NOW + 20 * DAY, rebased("public-task", NOW + 2 * DAY, NOW + 4 * DAY)),
    (NOW + 30 * DAY, rebased("contract", NOW + 30 * DAY)),
)
WORDS_BY_DAY = [
    # day:  1   3   6   15  25  35
    (0, "0 0 0 0 0 0"),
    (1, "0 0 1 1 1 1"),
    (2, "0 2 1 1 1 1"),
    (3, "0 2 1 1 1 3"),
]


@pytest.mark.parametrize(("recorded", "expected"), WORDS_BY_DAY)
def test_word_of_a_day_is_the_newest_one_known_about_it(recorded: int, expected: str) -> None:
    """Recorded by valid time: a later record about a day wins, and no other day changes."""
    days = [NOW + day * DAY for day in (1, 3, 6, 15, 25, 35)]
    labels = ["internal", "confidential", "restricted", "public"]
    bases = ["contract", "consent", "public-task", "contract"]
    places = [int(n) for n in expected.split()]

    assert [labels[n] for n in places] == [
        governance(LABELS[recorded]).label_at(day) for day in days
    ]
    assert [bases[n] for n in places] == [governance(BASES[recorded]).basis_at(day) for day in days]


def test_word_in_force_changes_with_an_open_end_only() -> None:
    """A closed one corrects the past; what holds now is left alone."""
    labels = [governance(known).label for known in LABELS]
    bases = [governance(known).basis for known in BASES]

    assert ["internal", "confidential", "confidential", "public"] == labels
    assert ["contract", "consent", "consent", "contract"] == bases


def test_first_word_holds_before_anything_was_said() -> None:
    """Content may be about a time before its record; its label is never unknown."""
    assert "internal" == governance(LABELS[3]).label_at(NOW - 1000 * DAY)
    assert "internal" == governance(LABELS[0]).label_at(NOW - 1000 * DAY)


@forall(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(1, 9) | st.none()),
        max_size=6,
    ),
    st.integers(-2, 12),
)
def test_label_at_any_moment_is_that_of_the_last_record_that_covers_it(
    said: list[tuple[str, int, int | None]], asked: int
) -> None:
    """The facts agree with a plain walk over the records."""
    spans = [(word, begin, None if long is None else begin + long) for word, begin, long in said]
    history: list[tuple[int, e.Event]] = [(NOW, remembered(label="first"))]
    history += [(NOW, relabelled(word, begin, end)) for word, begin, end in spans]
    covering = [w for w, begin, end in spans if begin <= asked and (end is None or asked < end)]

    assert (covering or ["first"])[-1] == governance(lived(*history)[-1]).label_at(asked)


SHARES = lived(
    (NOW, remembered()),
    (NOW + DAY, e.CubeShared(cube=CUBE, principal=ANN, scope="read", valid_from=NOW + DAY,
                             valid_to=None)),
    (NOW + 3 * DAY, e.CubeShared(cube=CUBE, principal=ANN, scope="write",
                                 valid_from=NOW + 5 * DAY, valid_to=NOW + 9 * DAY)),
    (NOW + 7 * DAY, e.CubeUnshared(cube=CUBE, principal=ANN)),
)  # fmt: skip
SCOPES_BY_DAY = [
    # day: 0.5 2 4 6 8 10
    (0, "- - - - - -"),
    (1, "- r r r r r"),
    (2, "- r - w w -"),
    (3, "- r - w - -"),
]


@pytest.mark.parametrize(("recorded", "expected"), SCOPES_BY_DAY)
def test_share_of_a_day_is_the_newest_one_known_about_it(recorded: int, expected: str) -> None:
    """A share that was replaced or ended still held before, and never holds again."""
    days = [NOW + int(day * DAY) for day in (0.5, 2, 4, 6, 8, 10)]
    facts = governance(SHARES[recorded])

    found = [facts.grants_at(day) for day in days]

    scopes = [shares[0].scope[0] if shares else "-" for shares in found]
    assert expected.split() == scopes
    assert all(len(shares) <= 1 for shares in found)


def test_share_that_ended_is_no_share_any_more() -> None:
    """What policy is asked about holds only what was not ended."""
    assert [0, 1, 1, 0] == [len(governance(known).grants) for known in SHARES]


def test_erasure_ends_every_share() -> None:
    """And leaves on record that there was one."""
    known = lived(
        (NOW, remembered()),
        (NOW, e.CubeShared(cube=CUBE, principal=ANN, scope="read", valid_from=NOW, valid_to=None)),
        (NOW + 9, e.CubeErased(cube=CUBE, erasure="x")),
    )[-1]

    assert () == governance(known).grants
    assert [ANN] == [share.principal for share in governance(known).grants_at(NOW + 8)]
    assert () == governance(known).grants_at(NOW + 9)


def test_label_with_another_depth_reindexes_the_content_as_it_was() -> None:
    """The revision stays; how deep it is indexed follows its label."""
    before, after = lived(
        (NOW, remembered()),
        (NOW, e.CubeRelabelled(cube=CUBE, label="restricted", index="none", valid_from=NOW)),
    )
    old, new = before[CONTENT], after[CONTENT]

    assert isinstance(old, ContentFacts)
    assert isinstance(new, ContentFacts)
    assert ("full", "none") == (old.index, new.index)
    assert (old.revision, old.event_index, old.key_id) == (
        new.revision, new.event_index, new.key_id,
    )  # fmt: skip


# --- Decisions --------------------------------------------------------------------------


def test_label_without_times_holds_from_now_on() -> None:
    """Open, and from this record."""
    given(remembered()).when(c.make(c.RelabelCube, cube=CUBE, label="restricted")).then(
        e.CubeRelabelled(cube=CUBE, label="restricted", valid_from=NOW)
    )


def test_basis_with_a_beginning_holds_from_there_on() -> None:
    """The past and what follows."""
    command = c.make(c.RebaseCube, cube=CUBE, basis="consent", valid_from=moment(NOW - DAY))

    given(remembered()).when(command).then(rebased("consent", NOW - DAY))


def test_label_with_an_end_changes_no_index() -> None:
    """What is in force stays, so its depth does too."""
    command = c.make(
        c.RelabelCube, cube=CUBE, label="public", valid_from=moment(NOW - 9), valid_to=moment(NOW)
    )
    known = given(remembered()).when(command).known
    at = situation(command, known)

    (draft,) = decide(command, type(at)(**{**_fields(at), "index": "full"}), ALLOWED)

    assert (
        e.CubeRelabelled(cube=CUBE, label="public", index=None, valid_from=NOW - 9, valid_to=NOW)
        == draft.event
    )


def _fields(at: object) -> dict[str, object]:
    return {name: getattr(at, name) for name in at.__struct_fields__}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (c.make(c.RelabelCube, cube=CUBE, label="internal"), "label_unchanged"),
        (c.make(c.RebaseCube, cube=CUBE, basis="contract"), "basis_unchanged"),
    ],
)
def test_word_that_is_in_force_already_is_refused(command: c.Command, reason: str) -> None:
    """Nothing is left to do; with a beginning it says something new about the past."""
    given(remembered()).when(command).refused(reason)
    earlier = command.model_copy(update={"valid_from": moment(NOW - 5)})
    assert 1 == len(given(remembered()).when(earlier).drafts)
    assert not given(remembered()).when(earlier).drafts[0].event.REFUSAL


def test_time_a_little_ahead_is_now() -> None:
    """Clocks differ a little; what is in force never begins later than its record."""
    command = c.make(c.RelabelCube, cube=CUBE, label="public", valid_from=moment(NOW + 3))

    given(remembered()).when(command).then(
        e.CubeRelabelled(cube=CUBE, label="public", valid_from=NOW)
    )


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, True),
        ({"mode": "append"}, False),
        ({"valid_from": moment(NOW - 9)}, False),
        ({"valid_from": moment(NOW - 5)}, True),
        ({"valid_to": moment(NOW + 5)}, False),
    ],
)
def test_revision_whose_end_lies_before_its_beginning_is_refused(
    changes: dict[str, object], refused: bool
) -> None:
    """The end that was kept is over, and the new content would begin now."""
    command = c.make(c.ReviseCube, cube=CUBE, content="hello", **changes)
    history = given(remembered(valid_from=NOW - 20, valid_to=NOW - 5))

    decision = history.when(command, admitted=admit())

    if refused:
        decision.refused("validity_over")
    else:
        assert [e.CubeRevised] == [type(draft.event) for draft in decision.drafts]
