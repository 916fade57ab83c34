"""The map file: closed, and named by file and field where it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memos_gov.domain.commands import Consent
from memos_gov.errors import InvalidCommandError
from memos_gov.ingest import Mapping, load_map
from memos_gov.ingest.making import Defaults, command_id, make_command, row_key
from memos_gov.ingest.rows import Row

DEFAULTS = Defaults(
    label="internal", purposes=("general",), basis="contract", retention_class="x", region="eu"
)
START = 'map = "m"\n[content]\ntemplate = "{text}"\n'


def mapping(tmp_path: Path, more: str = "", start: str = START) -> Mapping:
    """Return the map of a TOML text."""
    path = tmp_path / "m.toml"
    path.write_text(start + more, encoding="utf-8")
    return load_map(path)


def made(tmp_path: Path, more: str, start: str = START, **values: Any) -> Any:
    """Return the command of one row under a map."""
    row = Row(1, {"text": "hello", **values})
    return make_command(row, mapping(tmp_path, more, start), DEFAULTS)


BAD_MAPS = {
    "no TOML": ("=", "map"),
    "nested without end": ("map = " + "[" * 100_000, "map"),
    "a table nested without end": ("[" * 100_000, "map"),
    "a number without end": ("map = " + "1" * 5_000, "map"),
    "nothing": ("", "map"),
    "no content": ('map = "m"', "content"),
    "an unknown field": (START + "[cube]\nlable = { value = 'internal' }", "cube.lable"),
    "an unknown table": (START + "[cubes]", "cubes"),
    "an unknown option": (START + "[cube]\nlabel = { values = 'x' }", "cube.label.values"),
    "a rule without column": (
        START + "[cube.label]\nvalue = 'a'\nwhen = [{ equals = 'x', then = 'b' }]",
        "cube.label.when.0.column",
    ),
    "a rule without a test": (
        START + "[cube.label]\nvalue = 'a'\nwhen = [{ column = 'x', then = 'b' }]",
        "cube.label.when.0",
    ),
    "value and column": (START + "[cube]\nlabel = { value = 'a', column = 'b' }", "cube.label"),
    "a map without column": (START + "[cube.label]\nvalue='a'\nmap = {a='b'}", "cube.label"),
    "several labels": (START + "[cube]\nlabel = { value = ['a', 'b'] }", "cube.label"),
    "a bad time zone": ('time_zone = "Mars/Base"\n' + START, "time_zone"),
    "a time zone outside": ('time_zone = "../../etc/passwd"\n' + START, "time_zone"),
    "an empty row key": ("row_key = []\n" + START, "row_key"),
    "a template without column": ('map="m"\n[content]\ntemplate="text"', "content.template"),
    "a lonely brace": ('map="m"\n[content]\ntemplate="{text} {"', "content.template"),
    "a bad metadata name": (START + "[metadata]\n'a b' = { value = 'x' }", "metadata.a b"),
    "a consent without word": (START + "[[consents]]\npurpose = 'x'", "consents.0.given"),
}


@pytest.mark.parametrize("case", BAD_MAPS)
def test_map_that_is_wrong_names_file_and_field(tmp_path: Path, case: str) -> None:
    """Each wrong map is one error with the name of the file and of the field."""
    text, field = BAD_MAPS[case]
    with pytest.raises(InvalidCommandError) as caught:
        mapping(tmp_path, start=text)
    assert field == caught.value.field
    assert str(caught.value).startswith(f"m.toml: {field}: ")


def test_map_that_is_missing_names_the_file(tmp_path: Path) -> None:
    """A missing map is an error of the request, not a crash."""
    with pytest.raises(InvalidCommandError, match=r"none\.toml: map: No such file"):
        load_map(tmp_path / "none.toml")


def test_template_line_whose_columns_are_empty_is_dropped(tmp_path: Path) -> None:
    """A line goes only when all its columns are empty; braces can be literal."""
    start = 'map = "m"\n[content]\ntemplate = "{a}: {b}\\n{c}\\n{{x}}\\n{text}"\n'
    assert "A: \n{x}\nhello" == made(tmp_path, "", start, a="A", b="", c="").content


def test_template_whose_columns_are_all_empty_is_empty_content(tmp_path: Path) -> None:
    """Literal text alone makes no memory."""
    start = 'map = "m"\n[content]\ntemplate = "Note: {text}"\n'
    with pytest.raises(InvalidCommandError, match="content: is empty"):
        made(tmp_path, "", start, text="")


LABEL = """
[cube.label]
column = "kind"
map = { high = "restricted", low = "public" }
when = [
    { column = "text", equals = "secret", then = "restricted" },
    { column = "text", contains = "ell", then = "confidential" },
    { column = "text", in = ["a", "b"], then = "public" },
]
"""


@pytest.mark.parametrize(
    ("text", "kind", "label"),
    [
        ("secret", "low", "restricted"),
        ("hello", "low", "confidential"),
        ("b", "high", "public"),
        ("x", "high", "restricted"),
        ("x", "", "internal"),
    ],
)
def test_label_follows_the_first_rule_that_holds(
    tmp_path: Path, text: str, kind: str, label: str
) -> None:
    """Rules come before the column; an empty column leaves the default."""
    assert label == made(tmp_path, LABEL, text=text, kind=kind).label


def test_value_without_a_word_in_the_map_is_an_error_that_hides_it(tmp_path: Path) -> None:
    """A value that the map does not know fails its row, and is not repeated."""
    with pytest.raises(
        InvalidCommandError, match=r"label: the map has no word .* 'kind'"
    ) as caught:
        made(tmp_path, LABEL, text="x", kind="unheard-of")
    assert "unheard-of" not in str(caught.value)


def test_value_without_a_word_takes_otherwise_where_given(tmp_path: Path) -> None:
    """`otherwise` stands for every other value, the empty one too."""
    text = "[cube]\nlabel = { column = 'k', map = { a = 'public' }, otherwise = 'restricted' }"
    assert ["public", "restricted", "restricted"] == [
        made(tmp_path, text, k=k).label for k in ("a", "b", "")
    ]


@pytest.mark.parametrize("people", ["ann; bob;ann", ("ann", "bob")])
def test_subjects_come_from_a_split_column_or_an_array(tmp_path: Path, people: Any) -> None:
    """Several names in one column are several subjects, each once."""
    text = "[cube]\nsubjects = { column = 'people', split = ';' }"
    assert ("ann", "bob") == made(tmp_path, text, people=people).subjects


TIMES = {
    "2024-07-01": "2024-07-01T04:00:00Z",
    "2024-01-01": "2024-01-01T05:00:00Z",
    "2024-07-01T12:30": "2024-07-01T16:30:00Z",
    "2024-07-01T12:30:00+02:00": "2024-07-01T10:30:00Z",
    "2024-07-01T12:30:00Z": "2024-07-01T12:30:00Z",
}


@pytest.mark.parametrize("text", TIMES)
def test_time_without_zone_is_read_in_the_zone_of_the_map(tmp_path: Path, text: str) -> None:
    """Dates begin at midnight of the zone, summer time included; a named zone wins."""
    start = 'time_zone = "America/New_York"\n' + START
    command = made(tmp_path, "[cube]\nvalid_from = { column = 'd' }", start, d=text)
    assert TIMES[text] == command.model_dump(mode="json")["valid_from"]


def test_time_in_another_form_is_read_by_the_format_of_the_map(tmp_path: Path) -> None:
    """`date_format` replaces ISO 8601."""
    start = 'date_format = "%d.%m.%Y"\n' + START
    command = made(tmp_path, "[cube]\nvalid_from = { column = 'd' }", start, d="05.11.2023")
    assert "2023-11-05T00:00:00Z" == command.model_dump(mode="json")["valid_from"]


@pytest.mark.parametrize("text", ["yesterday", "2024-13-01", "0001-01-01", "٢٠٢٤-01-01"])
def test_time_that_is_none_is_an_error_that_hides_it(tmp_path: Path, text: str) -> None:
    """A bad date names field and column, never what stood there."""
    start = 'time_zone = "Asia/Tokyo"\n' + START
    with pytest.raises(InvalidCommandError, match=r"valid_from: column 'd' holds no") as caught:
        made(tmp_path, "[cube]\nvalid_from = { column = 'd' }", start, d=text)
    assert text not in str(caught.value)


def test_consents_come_with_rows_whose_condition_holds(tmp_path: Path) -> None:
    """Each rule speaks for itself."""
    text = """
    [[consents]]
    purpose = "research"
    given = true
    when = { column = "c", equals = "yes" }
    [[consents]]
    purpose = "general"
    given = false
    """
    both = (Consent(purpose="research", given=True), Consent(purpose="general", given=False))
    assert both == made(tmp_path, text, c="yes").consents
    assert both[1:] == made(tmp_path, text, c="no").consents


def test_command_id_is_a_version_8_uuid_of_map_and_key(tmp_path: Path) -> None:
    """The id depends on secret, map, key and attempt, and on nothing else of the row."""
    keyed = mapping(tmp_path, start='row_key = ["id"]\n' + START)
    keys = [row_key(Row(n, {"id": "7", "text": str(n)}), keyed) for n in (1, 2)]
    assert keys[0] == keys[1]
    ids = {command_id(s, p, keys[0], n) for s in (b"a", b"b") for p in "xy" for n in (0, 1)}
    assert 8 == len(ids)
    assert {"8"} == {name[14] for name in ids}
    assert {name[19] for name in ids} <= set("89ab")


def test_row_without_key_columns_is_known_by_all_of_it(tmp_path: Path) -> None:
    """Without `row_key` another text is another row."""
    whole = mapping(tmp_path)
    assert row_key(Row(1, {"text": "a"}), whole) != row_key(Row(1, {"text": "b"}), whole)


def test_row_whose_key_is_empty_is_an_error(tmp_path: Path) -> None:
    """Rows without a key would all be the same row."""
    keyed = mapping(tmp_path, start='row_key = ["id"]\n' + START)
    with pytest.raises(InvalidCommandError, match="row_key: is empty"):
        row_key(Row(1, {"id": "", "text": "a"}), keyed)
