"""Making a data folder: what is wrong is said before anything is made, and once."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import memos_gov
from memos_gov import settings
from memos_gov.bootstrap.making import STALE_S
from memos_gov.errors import InvalidCommandError, SettingsError, UnavailableError

SURROGATE = "\udcff"
REFUSED = {
    "principal": ("", " ", "x\ny", 'x"\nlabel = "public', "x" * 201, SURROGATE),
    "tenant": ("", "Acme", "_instance", "a b", SURROGATE),
    "purpose": ("", "nope", "General", 'x"\ny = "', SURROGATE),
    "label": ("", "nope", SURROGATE),
    "basis": ("", "nope", SURROGATE),
    "retention_class": ("", "nope", SURROGATE),
    "region": ("", "nope", "*", SURROGATE),
}
EACH = [(field, value) for field, values in REFUSED.items() for value in values]


@pytest.mark.parametrize(("field", "value"), EACH, ids=ascii)
def test_init_with_a_setting_that_cannot_be_one_makes_nothing(
    tmp_path: Path, field: str, value: str
) -> None:
    """The error names the setting, and not even the folder above is made."""
    given: dict[str, Any] = {field: value}

    with pytest.raises(InvalidCommandError) as caught:
        memos_gov.init(tmp_path / "above" / "data", **given)

    assert field == caught.value.field
    assert [] == list(tmp_path.iterdir())


def test_init_takes_a_bad_setting_from_the_environment_no_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it comes from, a word is a word of the vocabulary or none."""
    monkeypatch.setenv("MEMOS_GOV_LABEL", "nope")

    with pytest.raises(InvalidCommandError, match=r"^label: unknown word; known are"):
        memos_gov.init(tmp_path / "data")


@pytest.mark.parametrize("principal", ['o"brien', "back\\slash", "Zo\u00eb \U0001f600", "#'=[x]"])
def test_principal_with_signs_of_the_settings_file_is_read_back(
    tmp_path: Path, principal: str
) -> None:
    """What TOML has a meaning for is escaped, so the name stays the name."""
    memos_gov.init(tmp_path / "data", principal=principal).close()

    with memos_gov.open(tmp_path / "data") as gov:
        assert principal == gov.rooms.settings.principal
        assert principal == gov.acting_as(principal).whoami().principal


@given(st.text())
def test_any_text_as_a_toml_string_is_read_back(text: str) -> None:
    """Control characters, quotes and line breaks too."""
    assert {"x": text} == tomllib.loads(f"x = {settings.basic_string(text)}")


@pytest.mark.parametrize("seconds", [0, -1, 61, float("inf"), float("nan"), "soon"], ids=str)
def test_deadline_that_is_none_is_refused_by_name(folder: Path, seconds: Any) -> None:
    """Policy gets a time that is more than none and ends."""
    with pytest.raises(SettingsError, match=r"^setting policy_deadline_s: "):
        memos_gov.open(folder, policy_deadline_s=seconds)


def test_longest_deadline_is_taken(folder: Path) -> None:
    """A minute is the limit, and inside it."""
    memos_gov.open(folder, policy_deadline_s=60).close()


def _file(place: Path) -> Path:
    place.joinpath("file").write_text("kept")
    return place / "file"


PLACES: dict[str, tuple[Callable[[Path], Path], type[Exception], str]] = {
    "a file": (_file, SettingsError, "file is a file"),
    "below a file": (lambda place: _file(place) / "data", SettingsError, "file is a file"),
    "far below a file": (lambda place: _file(place) / "a/b", SettingsError, "file is a file"),
    "a name too long": (lambda place: place / ("x" * 300), SettingsError, "name too long"),
    "a NUL character": (lambda place: place / "a\0b", SettingsError, "data: the path holds a NUL"),
    "no Unicode": (lambda place: place / SURROGATE, SettingsError, "data: the path is not valid"),
    "a full folder": (lambda place: _file(place).parent, SettingsError, "is not empty"),
}


@pytest.mark.parametrize("case", PLACES, ids=lambda name: name.replace(" ", "_"))
def test_init_where_no_folder_can_be_says_why_and_leaves_all(tmp_path: Path, case: str) -> None:
    """One error in the words of the place; nothing is made or changed."""
    (place, error, words), there = PLACES[case], tmp_path / "there"
    there.mkdir()
    data = place(there)
    before = tree(tmp_path)

    with pytest.raises(error, match=f"(?i){words}"):
        memos_gov.init(data)

    assert before == tree(tmp_path)


def tree(place: Path) -> list[tuple[str, str]]:
    """Return every path below a folder, with the text of the files."""
    return sorted((str(p), p.read_text() if p.is_file() else "") for p in place.rglob("*"))


@pytest.mark.parametrize("case", ["a name too long", "a NUL character", "no Unicode"])
def test_open_of_what_no_folder_can_be_called_says_why(tmp_path: Path, case: str) -> None:
    """Opening has the same words as making."""
    place, error, words = PLACES[case]

    with pytest.raises(error, match=f"(?i){words}"):
        memos_gov.open(place(tmp_path))


def test_open_of_a_file_says_that_it_is_no_data_folder(tmp_path: Path) -> None:
    """No word about TOML that nobody wrote."""
    with pytest.raises(SettingsError, match="is no data folder"):
        memos_gov.open(_file(tmp_path))


def test_settings_file_that_is_no_toml_is_named(folder: Path) -> None:
    """A file that is there and damaged is still said to be so."""
    (folder / settings.FILE_NAME).write_text("tenant = ")

    with pytest.raises(SettingsError, match=r"memos-gov\.toml cannot be read as TOML"):
        memos_gov.open(folder)


def test_init_below_what_cannot_be_written_is_unavailable() -> None:
    """The reason is that of the system."""
    with pytest.raises(UnavailableError, match="cannot be made"):
        memos_gov.init("/proc/memos-gov/data")


def test_init_in_the_current_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell would stand in a folder that is gone."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match="is the current folder"):
        memos_gov.init(".")

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("made", [True, False], ids=["empty", "dangling"])
def test_init_on_a_link_makes_the_folder_it_names(tmp_path: Path, made: bool) -> None:
    """The link stays a link, and the folder opens by either name."""
    (tmp_path / "elsewhere").mkdir()
    named, link = tmp_path / "elsewhere" / "data", tmp_path / "link"
    if made:
        named.mkdir()
    link.symlink_to(named)

    memos_gov.init(link).close()

    assert link.is_symlink()
    assert [named] == list(named.parent.iterdir())
    for name in (link, named):
        memos_gov.open(name).close()


def test_what_a_killed_init_left_is_cleared_after_an_hour(tmp_path: Path) -> None:
    """Only folders of the same name that hold a data folder's files, and are old."""
    left = {name: tmp_path / name for name in (".data.abcdef_1", ".data.abcdef_2")}
    kept = {
        ".data.abcdef_3": 60,  # made a minute ago: it may be at work
        ".date.abcdef_4": 2 * STALE_S,
        ".data.backup": 2 * STALE_S,
        ".data.abcdef_5x": 2 * STALE_S,
        ".data.abcdef_6": 2 * STALE_S,
    }
    for name in (*left, *kept):
        (tmp_path / name / "keys").mkdir(parents=True)
        (tmp_path / name / "log.db-wal").write_text("")
    (tmp_path / ".data.abcdef_6" / "letters").mkdir()
    for name in (*left, *kept):
        age(tmp_path / name, kept.get(name, STALE_S + 60))

    memos_gov.init(tmp_path / "data").close()

    assert {"data", *kept} == {path.name for path in tmp_path.iterdir()}


def age(path: Path, seconds: int) -> None:
    """Let a folder look as if it was last changed so long ago."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


class Behind:
    """A clock that goes behind the machine's."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self) -> datetime:
        """Return a time that has been."""
        return datetime.now(UTC) - timedelta(seconds=self.seconds)


def test_clock_behind_the_log_is_told_by_how_much(folder: Path) -> None:
    """And that it is a matter of waiting, or of setting the clock."""
    with memos_gov.open(folder) as gov:
        gov.acting_as("owner").remember("something")

    with pytest.raises(SettingsError, match=r"the clock is 1[23]\d\d seconds behind") as caught:
        memos_gov.open(folder, clock=Behind(1300))

    assert "opens again when" in caught.value.remedy
    memos_gov.open(folder, clock=Behind(0)).close()
