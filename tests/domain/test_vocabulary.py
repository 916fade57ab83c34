"""Words and times: only what the active policy knows, only what has come."""

from datetime import UTC, datetime, timedelta

import pytest

from memos_gov.domain import commands as c
from memos_gov.domain.bundle import Vocabulary
from memos_gov.domain.vocabulary import AHEAD_MAX_S, check_times, check_words
from memos_gov.errors import InvalidCommandError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WORDS = Vocabulary(
    labels={"public": 0, "internal": 1},
    purposes={"research": ()},
    bases=("contract",),
    regions=("eu", "global"),
    retention_classes=("general",),
    semantic_types=("fact",),
    priorities=("normal",),
    roles={"analyst": ""},
    reasons={},
)
REMEMBER: dict[str, object] = {
    "content": "hello",
    "label": "internal",
    "purposes": ["research"],
    "basis": "contract",
    "retention_class": "general",
}
PRINCIPAL: dict[str, object] = {
    "principal": "ann",
    "roles": ["analyst"],
    "purposes": ["research"],
    "regions": ["*", "eu"],
}


def test_command_of_known_words_passes() -> None:
    """Star is a region of a principal."""
    check_words(c.make(c.RememberCube, **REMEMBER), WORDS)
    check_words(c.make(c.AddPrincipal, **PRINCIPAL), WORDS)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        *(
            (c.RememberCube, field, "other")
            for field in (
                "label",
                "basis",
                "region",
                "retention_class",
                "semantic_type",
                "priority",
            )
        ),
        (c.RememberCube, "purposes", ["research", "other"]),
        (c.RememberCube, "region", "star"),
        (c.AddPrincipal, "roles", ["other"]),
        (c.AddPrincipal, "clearance", "other"),
        (c.AddPrincipal, "regions", ["other"]),
    ],
)
def test_word_outside_the_vocabulary_is_named_with_what_is_known(
    kind: type[c.Command], field: str, value: object
) -> None:
    """The message lists the words, and not the wrong one."""
    base = REMEMBER if kind is c.RememberCube else PRINCIPAL

    with pytest.raises(InvalidCommandError, match=f"{field}: unknown word; known are") as caught:
        check_words(c.make(kind, **(base | {field: value})), WORDS)

    assert field == caught.value.field


def test_consent_for_an_unknown_purpose_is_named() -> None:
    """Consents that come with a cube are checked too."""
    consents = [{"purpose": "other", "given": True}]

    with pytest.raises(InvalidCommandError) as caught:
        check_words(c.make(c.RememberCube, **REMEMBER, consents=consents), WORDS)

    assert "consents.purpose" == caught.value.field


@pytest.mark.parametrize(("ahead_s", "passes"), [(-3600, True), (AHEAD_MAX_S, True), (6, False)])
def test_content_may_not_begin_in_the_future(ahead_s: int, passes: bool) -> None:
    """But for the little that clocks differ."""
    start = NOW + timedelta(seconds=ahead_s)
    command = c.make(c.RememberCube, **REMEMBER, valid_from=start)

    if passes:
        check_times(command, NOW)
        return
    with pytest.raises(InvalidCommandError) as caught:
        check_times(command, NOW)
    assert "valid_from" == caught.value.field


WORDS_OF_A_CUBE: list[tuple[type[c.Command], dict[str, object]]] = [
    (c.RelabelCube, {"cube": "c_one", "label": "public"}),
    (c.RebaseCube, {"cube": "c_one", "basis": "contract"}),
]


@pytest.mark.parametrize(("kind", "fields"), WORDS_OF_A_CUBE)
@pytest.mark.parametrize(
    ("times", "fault"),
    [
        ({"valid_from": -3600}, None),
        ({"valid_from": -3600, "valid_to": -60}, None),
        ({"valid_from": AHEAD_MAX_S + 1}, "valid_from"),
        ({"valid_from": -3600, "valid_to": 60}, "valid_to"),
        ({"valid_to": -60}, "valid_to"),
        ({"valid_to": 1}, "valid_to"),
    ],
)
def test_label_and_basis_are_never_of_the_future(
    kind: type[c.Command], fields: dict[str, object], times: dict[str, int], fault: str | None
) -> None:
    """Only an event changes what is in force, and an end needs its beginning."""
    when = {name: NOW + timedelta(seconds=s) for name, s in times.items()}
    command = c.make(kind, **fields, **when)

    if fault is None:
        check_times(command, NOW)
        return
    with pytest.raises(InvalidCommandError) as caught:
        check_times(command, NOW)
    assert fault == caught.value.field


OVER = NOW - timedelta(days=1)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (c.make(c.RememberCube, **REMEMBER, valid_to=OVER), "valid_to"),
        (c.make(c.ReviseCube, cube="c_one", content="x", valid_to=OVER), "valid_to"),
        (c.make(c.ShareCube, cube="c_one", principal="ann", valid_to=OVER), "valid_to"),
        (c.make(c.GiveConsent, subject="x", purpose="research", valid_to=OVER), "valid_to"),
        (c.make(c.WithdrawConsent, subject="x", purpose="research", valid_to=OVER), "valid_to"),
        (
            c.make(
                c.RememberCube,
                **REMEMBER,
                consents=[{"purpose": "research", "given": True, "valid_to": OVER}],
            ),
            "consents.valid_to",
        ),
    ],
)
def test_end_that_is_over_needs_its_beginning(command: c.Command, field: str) -> None:
    """Else it would end before it begins, which is now."""
    with pytest.raises(InvalidCommandError) as caught:
        check_times(command, NOW)

    assert field == caught.value.field


def test_share_and_consent_may_begin_in_the_future() -> None:
    """They are promises, not content."""
    later = NOW + timedelta(days=1)

    check_times(c.make(c.ShareCube, cube="c_one", principal="ann", valid_from=later), NOW)
    check_times(c.make(c.GiveConsent, subject="x", purpose="research", valid_from=later), NOW)
