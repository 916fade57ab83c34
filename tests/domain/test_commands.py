"""Commands: what a caller may say, the field at fault named and its value never shown."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.domain import commands as c
from memos_gov.domain.verdicts import INTEGER_MAX
from memos_gov.errors import InvalidCommandError

REMEMBER: dict[str, object] = {
    "content": "hello",
    "label": "internal",
    "purposes": ["complaint-handling"],
    "basis": "contract",
    "retention_class": "general",
}
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECRET = "S3CRET"


def fault(kind: type[c.Command], **fields: object) -> InvalidCommandError:
    """Return the error that such a command is."""
    with pytest.raises(InvalidCommandError) as caught:
        c.make(kind, **fields)
    return caught.value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", ""),
        ("content", " \n\t "),
        ("content", f"{SECRET}\0"),
        ("content", f"{SECRET}\ud800"),
        ("content", SECRET * 60_000),
        ("content", None),
        ("content", b"bytes\xff"),
        ("label", "Internal!"),
        ("label", ""),
        ("label", "a" * 64),
        ("purposes", []),
        ("basis", None),
        ("origin", "rumour"),
        ("position", -1),
        ("position", 1.5),
        ("position", INTEGER_MAX + 1),
        ("author", "  "),
        ("author", "a\nb"),
        ("author", "a" * 201),
        ("valid_from", datetime(2026, 1, 1)),  # noqa: DTZ001 (naive on purpose)
        ("valid_from", "yesterday"),
        ("subjects", ["x"] * 51),
        ("unknown", SECRET),
    ],
)
def test_field_that_cannot_be_is_named(field: str, value: object) -> None:
    """The first field at fault, and nothing of what it held."""
    error = fault(c.RememberCube, **(REMEMBER | {field: value}))

    assert field == error.field
    assert str(error).startswith(f"{field}: ")
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    ("field", "value"), [("subjects", ["ok", "a\0b"]), ("subjects", [""]), ("purposes", ["A B"])]
)
def test_item_of_a_list_that_cannot_be_is_named_with_its_place(field: str, value: object) -> None:
    """`subjects.1` says which."""
    error = fault(c.RememberCube, **(REMEMBER | {field: value}))

    assert error.field.startswith(f"{field}.")


@pytest.mark.parametrize(
    "metadata", [{"Bad Key": "x"}, {"a": "x\0"}, {"a": "x" * 16_001}, {"a": 1}, {"": "x"}]
)
def test_metadata_that_cannot_be_is_named(metadata: dict[str, object]) -> None:
    """Keys are words, values are text, together within a limit."""
    assert fault(c.RememberCube, **REMEMBER, metadata=metadata).field.startswith("metadata")


def test_limit_of_content_is_named_by_its_constant_and_exact() -> None:
    """Bytes count, not characters."""
    largest = "é" * (c.CONTENT_BYTES_MAX // 2)

    assert largest == c.make(c.RememberCube, **(REMEMBER | {"content": largest})).content
    error = fault(c.RememberCube, **(REMEMBER | {"content": largest + "x"}))
    assert "CONTENT_BYTES_MAX" in str(error)


@pytest.mark.parametrize("kind", [c.RememberCube, c.ShareCube, c.GiveConsent])
def test_times_out_of_order_are_invalid(kind: type[c.Command]) -> None:
    """What ends before it begins never holds."""
    fields: dict[type[c.Command], dict[str, object]] = {
        c.RememberCube: REMEMBER,
        c.ShareCube: {"cube": "c_one", "principal": "ann"},
        c.GiveConsent: {"subject": "x", "purpose": "research"},
    }

    error = fault(kind, **fields[kind], valid_from=NOON, valid_to=NOON)

    assert "valid_to" == error.field


@pytest.mark.parametrize(
    "targets",
    [
        {},
        {"subject": "x", "cube": "c_one"},
        {"subject": "x", "label": "internal"},
        {"cube": "c_one", "recorded_from": NOON},
    ],
)
def test_hold_names_exactly_one_target(targets: dict[str, object]) -> None:
    """A subject, a cube or a scope."""
    assert "subject" == fault(c.PlaceHold, matter="M-1", **targets).field


def test_release_names_one_target_at_most() -> None:
    """All of a matter, or one part of it."""
    assert "subject" == fault(c.ReleaseHold, matter="M-1", subject="x", cube="c_one").field


@pytest.mark.parametrize("digest", ["", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\n"])
def test_policy_is_named_by_a_digest(digest: str) -> None:
    """64 hexadecimal digits, small."""
    assert "policy" == fault(c.ActivatePolicy, policy=digest).field


@pytest.mark.parametrize("text", ["no id", "C_ONE", "c_", "../etc", "c_one/governance", ""])
def test_cube_id_of_another_form_is_one_that_nothing_has(text: str) -> None:
    """An id that cannot be looks like one that is not there."""
    assert "c_unknown" == c.make(c.ReadCube, cube=text).cube


@given(st.sampled_from(c.COMMAND_TYPES), st.dictionaries(st.text(max_size=8), st.text(max_size=8)))
def test_fields_of_any_names_and_words_never_raise_anything_else(
    kind: type[c.Command], fields: dict[str, str]
) -> None:
    """A valid command or one error."""
    with suppress(InvalidCommandError):
        assert isinstance(c.make(kind, **fields), kind)


def test_every_command_has_a_word_of_its_own_for_policy() -> None:
    """An act that policy cannot name cannot be judged; alike are erasing, and reading, whatever."""
    alike = {c.EraseSubject, c.ReadCubes}
    actions = [kind.ACTION for kind in c.COMMAND_TYPES if kind not in alike]

    assert all(actions)
    assert len(set(actions)) == len(actions)
    assert c.EraseCube.ACTION == c.EraseSubject.ACTION


def test_moment_is_whole_seconds_and_absence_is_the_default() -> None:
    """Facts hold seconds."""
    assert int(NOON.timestamp()) == c.seconds(NOON.replace(microsecond=999_999), 7)
    assert 7 == c.seconds(None, 7)
