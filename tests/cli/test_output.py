"""What a reader sees: plain in a pipe, coloured on a terminal, and never a moved cursor."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest

from memos_gov.cli.output import PlainScreen, screen, to_json
from memos_gov.cli.terminal import RichScreen
from memos_gov.cli.text import cell, printable
from memos_gov.domain.verdicts import Verdict

TABLE = """\
cube  label
c_1   internal
c_22  public, yes
"""


def test_table_in_a_pipe_has_a_row_a_line() -> None:
    """`grep` and `awk` see whole rows, whatever they hold."""
    shown = io.StringIO()

    PlainScreen(shown).table(("cube", "label"), [("c_1", "internal"), ("c_22", ["public", True])])

    assert TABLE == shown.getvalue()


def test_fields_without_a_value_are_left_out() -> None:
    """Zero is a value; nothing and empty are not."""
    shown = io.StringIO()

    PlainScreen(shown).fields([("a", None), ("longer", 0), ("c", ()), ("d", "x")])

    assert "longer  0\nd       x\n" == shown.getvalue()


def test_paragraph_in_a_pipe_keeps_its_lines_and_gets_no_more() -> None:
    """`grep` finds a sentence, however long its line is."""
    shown = io.StringIO()

    PlainScreen(shown).paragraph("one\n" + "word " * 30, indent=2)

    assert ["  one", "  " + "word " * 29 + "word"] == shown.getvalue().splitlines()


def test_control_characters_of_content_are_written_out() -> None:
    """Content cannot recolour a terminal, hide a line or turn the writing round."""
    assert "a\\x1b[31mb\\x07\\x202ec\nd\te" == printable("a\x1b[31mb\x07\u202ec\nd\te")


def test_cell_of_any_value_is_one_line() -> None:
    """A table keeps its shape."""
    assert "a b" == cell("a\n  b")
    assert "x=1, y=no" == cell({"x": 1, "y": False})
    assert "" == cell(None)


def test_json_of_structs_and_times_is_a_document() -> None:
    """Structs by their fields, times in RFC 3339."""
    verdict = Verdict("allow", (), (), ("role/steward",), 7)

    document = json.loads(to_json({"verdict": verdict, "at": datetime(2026, 1, 5, tzinfo=UTC)}))

    assert "2026-01-05T00:00:00Z" == document["at"]
    assert ["role/steward"] == document["verdict"]["rules"]


def test_screen_of_a_pipe_is_plain_and_of_a_terminal_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colour goes to those who look."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    plain = screen(io.StringIO())
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert isinstance(plain, PlainScreen)
    assert isinstance(screen(io.StringIO()), RichScreen)


def test_rich_screen_under_no_color_has_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR is obeyed; the words are the same."""
    printed = {}
    for name, value in (("NO_COLOR", ""), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
        shown = io.StringIO()
        terminal = RichScreen(shown)
        terminal.line("made", "good")
        terminal.fields([("name", "value")])
        terminal.table(("cube",), [("c_1",)])
        printed[value] = shown.getvalue()

    assert printed["1"].startswith("made\n")
    assert "\x1b" not in printed["1"]
    assert "\x1b[32m" in printed[""]


def test_rich_screen_shows_ids_whole_and_markup_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id can be typed back from a narrow terminal, and content is no markup."""
    monkeypatch.setenv("COLUMNS", "60")
    shown = io.StringIO()
    cube = "c_06h0j6og9dpjl69jri6rkhbeg0"
    terminal = RichScreen(shown)

    terminal.table(("cube", "content"), [(cube, "[red]very long content[/red] " * 5)])
    terminal.fields([("cube", cube)])
    terminal.paragraph("[bold]loud")

    assert 2 == shown.getvalue().count(cube)
    assert "[bold]loud" in shown.getvalue()
    assert "[red]" in shown.getvalue()


def test_digest_on_a_narrow_terminal_stands_whole_on_its_own_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A root is copied with a double click, not out of two lines."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    shown, root = io.StringIO(), "ab" * 32

    RichScreen(shown).fields([("tenants", 1), ("root of the tenant", root), ("policy", "x")])

    lines = [line.rstrip() for line in shown.getvalue().splitlines()]
    assert ["tenants             1", "root of the tenant", root, "policy              x"] == lines


@pytest.mark.parametrize(
    ("width", "names"),
    [
        ("60", ["cube", "label"]),
        ("80", ["cube", "label", "owner"]),
        ("200", ["cube", "label", "purposes", "owner"]),
    ],
)
def test_table_on_a_narrow_terminal_drops_spare_columns_and_keeps_a_row_a_line(
    monkeypatch: pytest.MonkeyPatch, width: str, names: list[str]
) -> None:
    """What identifies a row is never cut nor wrapped."""
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("NO_COLOR", "1")
    shown, cube = io.StringIO(), "c_06h0j6og9dpjl69jri6rkhbeg0"
    row = (cube, "confidential", "complaint-handling, quality-assurance", "owner " * 5)

    RichScreen(shown).table(
        ("cube", "label", "purposes", "owner"), [row, row], spare=("purposes", "owner")
    )

    lines = shown.getvalue().splitlines()
    assert names == lines[0].split()
    assert 4 == len(lines)
    assert [True, True] == [line.startswith(cube) for line in lines[2:]]
