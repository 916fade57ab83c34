"""Schedules of retention: what contradicts itself is refused by class, before it decides."""

from typing import Any

import msgspec
import pytest

from memos_gov.backends.files import shipped_bundle
from memos_gov.domain.schedules import check_schedules
from memos_gov.errors import InvalidCommandError

PLAIN = {
    "statutory_s": 10,
    "min_s": 20,
    "max_s": 30,
    "trigger": "creation",
    "then": "expire",
    "review": False,
}


def data(*classes: str, **schedule: Any) -> dict[str, Any]:
    """Return a bundle's data in which the vocabulary knows these classes."""
    return {
        "retention": {"grace_s": 5, "schedule": schedule},
        "vocabulary": {"retention_classes": list(classes)},
    }


def fault(found: object) -> str:
    """Return how a schedule is refused."""
    with pytest.raises(InvalidCommandError) as caught:
        check_schedules(found)
    assert "policy" == caught.value.field
    return str(caught.value)


def test_schedule_whose_periods_are_in_order_is_accepted() -> None:
    """Equal periods contradict nothing."""
    check_schedules(data("a", a=PLAIN))
    check_schedules(data("a", a={**PLAIN, "statutory_s": 30, "min_s": 30}))


def test_shipped_schedules_contradict_nothing() -> None:
    """What comes with the package may decide."""
    shipped_bundle().check()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"min_s": 31}, "the minimum (31 s) is over the maximum (30 s)"),
        ({"statutory_s": 31}, "the statutory minimum (31 s) is over the maximum (30 s)"),
        ({"trigger": "birthday"}, "Invalid enum value 'birthday' - at `$.trigger`"),
        ({"then": "sell"}, "Invalid enum value 'sell' - at `$.then`"),
        ({"max_s": -1}, "Expected `int` >= 0 - at `$.max_s`"),
        ({"max_s": 1.5}, "Expected `int`, got `float` - at `$.max_s`"),
        ({"colour": "red"}, "Object contains unknown field `colour`"),
        ({"review": None}, "Expected `bool`, got `null` - at `$.review`"),
    ],
)
def test_schedule_that_contradicts_itself_is_refused_by_class(
    changes: dict[str, Any], words: str
) -> None:
    """The class and the fault are named."""
    refused = fault(data("a", "b", a=PLAIN, b={**PLAIN, **changes}))

    assert f"policy: retention class b: {words}" == refused


def test_schedule_without_a_field_is_refused_by_class() -> None:
    """Nothing is assumed of a period that is not there."""
    part = {name: value for name, value in PLAIN.items() if name != "max_s"}

    assert "retention class a: Object missing required field `max_s`" in fault(data("a", a=part))


def test_class_without_a_schedule_is_refused() -> None:
    """A class that nothing is scheduled for would be kept for ever, unsaid."""
    words = "policy: retention class b: there is no schedule for it"

    assert words == fault(data("a", "b", a=PLAIN))


def test_schedule_of_a_class_that_nobody_can_name_is_refused() -> None:
    """A misspelt class would schedule nothing."""
    words = "policy: retention class b: the vocabulary has no such class"

    assert words == fault(data("a", a=PLAIN, b=PLAIN))


@pytest.mark.parametrize("empty", [None, {}, {"retention": {}}, [], "x"])
def test_data_without_schedules_are_refused(empty: object) -> None:
    """A bundle of another kind decides nothing here."""
    assert fault(empty).startswith("policy: ")


def test_bundle_whose_schedules_contradict_themselves_says_so() -> None:
    """The check of a whole bundle is that of its data."""
    bundle = shipped_bundle()
    whole = msgspec.json.decode(bundle.data)
    whole["memos_gov"]["retention"]["schedule"]["loan"]["min_s"] = 10**12
    spoilt = type(bundle)({**bundle.files, "data.json": msgspec.json.encode(whole)})

    with pytest.raises(InvalidCommandError, match="retention class loan: the minimum"):
        spoilt.check()
