"""The screen of a terminal: tables and colour by rich, which is imported here only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from memos_gov.cli.text import cell, is_said, printable

WORD_CHARS_MAX = 66
TEXT_CHARS_MIN = 24
BETWEEN_CHARS = 3
STYLES = {
    "": "",
    "aside": "dim",
    "command": "bold cyan",
    "error": "bold red",
    "good": "green",
    "heading": "bold",
    "remedy": "yellow",
    "said": "italic",
}


class RichScreen:
    """A screen with colours; NO_COLOR and the width of the terminal are respected."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._console = Console(
            file=stream, force_terminal=True, highlight=False, markup=False, emoji=False
        )

    def line(self, text: str, style: str = "") -> None:
        """Print a line in a style, wrapped where it is too long; ids stay whole."""
        self._console.print(Text(printable(text), STYLES[style], overflow="fold"), soft_wrap=True)

    def paragraph(self, text: str, *, indent: int = 0) -> None:
        """Print the text wrapped at the width of the terminal."""
        self._console.print(Padding(Text(printable(text)), (0, 0, 0, indent)))

    def fields(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Print names and values in two columns."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in pairs:
            if is_said(value):
                grid.add_row(Text(name), Text(cell(value)))
        self._console.print(grid)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table, or a block a row where the terminal is too narrow for whole ids."""
        shown = [[cell(value) for value in row] for row in rows]
        whole = [all(_is_word(row[place]) for row in shown) for place in range(len(columns))]
        if self._console.width < _width(columns, shown, whole):
            for place, row in enumerate(shown):
                if place:
                    self.line("")
                self.fields(zip(columns, row, strict=True))
            return
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for name, keep in zip(columns, whole, strict=True):
            table.add_column(name, no_wrap=keep, overflow="fold")
        for row in shown:
            table.add_row(*(Text(value) for value in row))
        self._console.print(table)


def _width(columns: Sequence[str], rows: Sequence[Sequence[str]], whole: Sequence[bool]) -> int:
    """Return the columns of a terminal that a table needs: words whole, texts wrapped."""
    total = 0
    for place, name in enumerate(columns):
        longest = max(len(name), *(len(row[place]) for row in rows), 0)
        total += (longest if whole[place] else min(longest, TEXT_CHARS_MIN)) + BETWEEN_CHARS
    return total


def _is_word(text: str) -> bool:
    return len(text) <= WORD_CHARS_MAX and " " not in text
