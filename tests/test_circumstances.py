"""Who acts, and how they came: each word that a record keeps in the clear has a closed form."""

from __future__ import annotations

import types
from datetime import UTC, datetime
from typing import Any

import pytest

from memos_gov.errors import ConflictError, InvalidCommandError, NotFoundError
from memos_gov.service import Service

SURROGATE = "\udcff"
LATER = datetime(2999, 1, 1, tzinfo=UTC)
BAD = {
    "principal": ("", "  ", "a\nb", "a\0b", SURROGATE, "x" * 201, 7, b"owner"),
    "tenant": ("", "Default", "-default", "_instance", "x" * 64, "a/b", SURROGATE, 7),
    "purpose": ("", "General", "to find out", SURROGATE, "x" * 64, 7),
    "session": ("", "two words", "-x", "a/b", "x" * 65, "\u00e9", SURROGATE, 7),
    "channel": ("", "two words", ".x", SURROGATE, "phone\n", 7),
    "region": ("", "the whole world", ":x", SURROGATE, 7),
    "approval": ("", "r", "R_1", "r_" + "x" * 41, "r_a b", SURROGATE, 7),
}
EACH = [(field, value) for field, values in BAD.items() for value in values]


@pytest.mark.parametrize(("field", "value"), EACH, ids=ascii)
def test_circumstance_of_the_wrong_form_is_refused_by_name(
    gov: Service, field: str, value: Any
) -> None:
    """One error names the field, and never what it held."""
    said = {"principal": "owner", field: value}

    with pytest.raises(InvalidCommandError) as caught:
        gov.acting_as(**said)

    assert field == caught.value.field
    assert str(caught.value).startswith(f"{field}: ")


def test_circumstances_of_the_right_form_reach_the_record(gov: Service) -> None:
    """The longest forms pass, and the record keeps them as they were said."""
    tag = "Z" + "_.:-9" * 12 + "abc"
    actor = gov.acting_as("owner", session=tag, channel="phone:2", region="eu", approval="r_1")

    actor.remember("The card was charged twice.")

    record = actor.log_show(1).record
    assert 64 == len(tag)
    expected = ("session", tag), ("channel", "phone:2"), ("region", "eu")
    assert [] == [pair for pair in expected if f'"{pair[0]}":"{pair[1]}"' not in record]
    assert '"on_behalf_of":null' in record


def test_actor_on_behalf_of_somebody_cannot_be_claimed(gov: Service) -> None:
    """What nobody judges, nobody may say."""
    claimed: Any = {"on_behalf_of": "somebody"}

    with pytest.raises(TypeError, match="on_behalf_of"):
        gov.acting_as("owner", **claimed)


def test_tenant_of_the_right_form_that_is_none_is_not_found(gov: Service) -> None:
    """A form is no promise that the tenant is there."""
    with pytest.raises(NotFoundError, match="no such tenant"):
        gov.acting_as("owner", tenant="nobody-here")


@pytest.mark.parametrize(("field", "value"), [x for x in EACH if x[0] in {"principal", "tenant"}])
def test_tenant_with_a_bad_name_is_not_founded(gov: Service, field: str, value: Any) -> None:
    """Nothing is written, so the same tenant can be founded well afterwards."""
    said = {"tenant": "acme", "principal": "owner", field: value}
    before = gov.status().log_end

    with pytest.raises(InvalidCommandError) as caught:
        gov.add_tenant(**said)

    assert field == caught.value.field
    assert before == gov.status().log_end
    assert 0 == gov.add_tenant("acme", principal="owner")


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("policy", {"policy": "no-digest", "recovery_key": bytes(32)}),
        ("policy", {"policy": SURROGATE, "recovery_key": bytes(32)}),
        ("recovery_key", {"policy": "0" * 64, "recovery_key": b""}),
    ],
)
def test_way_back_of_the_wrong_form_is_refused_by_name(
    gov: Service, field: str, said: dict[str, Any]
) -> None:
    """No record is left of what was no digest, or no key."""
    before = gov.status().log_end

    with pytest.raises(InvalidCommandError) as caught:
        gov.roll_back_policy(**said)

    assert field == caught.value.field
    assert before == gov.status().log_end


@pytest.mark.parametrize("tenant", ["nobody-here", "_instance", SURROGATE, ""])
def test_way_back_of_no_tenant_is_not_found(gov: Service, tenant: str) -> None:
    """No record of a tenant that is none comes into the log."""
    before = gov.status().log_end

    with pytest.raises(NotFoundError):
        gov.roll_back_policy("0" * 64, recovery_key=bytes(32), tenant=tenant)

    assert before == gov.status().log_end


def test_way_back_with_another_key_is_a_conflict(gov: Service) -> None:
    """A key of the right form is still judged by its signature."""
    policy = gov.acting_as("owner").policy

    with pytest.raises(ConflictError):
        gov.roll_back_policy(policy, recovery_key=bytes(range(32)))


@pytest.mark.parametrize("notes", ["abc", "", 7, [("a", "b")], {"a": 1}, {1: "a"}], ids=ascii)
def test_metadata_that_is_no_mapping_of_text_is_refused_by_name(gov: Service, notes: Any) -> None:
    """For a new memory and for a new revision alike."""
    owner = gov.acting_as("owner")
    cube = owner.remember("one").cube_id or ""

    with pytest.raises(InvalidCommandError, match=r"^metadata"):
        owner.remember("two", metadata=notes)
    with pytest.raises(InvalidCommandError, match=r"^metadata"):
        owner.revise(cube, "two", metadata=notes)


def test_metadata_of_any_mapping_is_kept(gov: Service) -> None:
    """It need not be a dict."""
    owner = gov.acting_as("owner")
    notes = types.MappingProxyType({"channel": "phone"})

    first = owner.remember("one", metadata=notes).cube_id or ""
    second = owner.remember("two").cube_id or ""
    owner.revise(second, "three", metadata=notes)

    assert [dict(notes)] * 2 == [owner.get(cube).metadata for cube in (first, second)]


def test_revision_says_until_when_it_is_true(gov: Service) -> None:
    """The end stands in the history of the cube."""
    owner = gov.acting_as("owner")
    cube = owner.remember("one").cube_id or ""

    owner.revise(cube, "two", valid_to=LATER)

    assert int(LATER.timestamp()) == owner.history(cube).changes[-1].changes["valid_to"]
