"""The screen of a terminal: tables and colour by rich, which is imported here only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
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
GAP_CHARS = 2
STYLES = {
    "": "",
    "added": "green",
    "aside": "dim",
    "command": "bold cyan",
    "error": "bold red",
    "good": "green",
    "heading": "bold",
    "remedy": "yellow",
    "removed": "red",
    "said": "italic",
}


class RichScreen:
    """A screen with colours; NO_COLOR and the width of the terminal are respected."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._console = Console(
            file=stream,
            force_terminal=True,
            color_system=None if os.environ.get("NO_COLOR") else "auto",
            highlight=False,
            markup=False,
            emoji=False,
        )

    def line(self, text: str, style: str = "") -> None:
        """Print a line in a style, wrapped where it is too long; ids stay whole."""
        self._console.print(Text(printable(text), STYLES[style], overflow="fold"), soft_wrap=True)

    def paragraph(self, text: str, *, indent: int = 0) -> None:
        """Print the text wrapped at the width of the terminal."""
        self._console.print(Padding(Text(printable(text)), (0, 0, 0, indent)))

    def fields(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Print names and values in two columns; a word too long for its own has a line."""
        shown = [(name, cell(value)) for name, value in pairs if is_said(value)]
        width = max((len(name) for name, _ in shown), default=0)
        room = self._console.width - width - GAP_CHARS
        for long, group in groupby(shown, lambda x: _is_word(x[1]) and len(x[1]) > room):
            if not long:
                self._console.print(_grid(group, width))
                continue
            for name, value in group:
                self.line(name, "aside")
                self.line(value)

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        spare: Sequence[str] = (),
    ) -> None:
        """Print a table, or a block a row where the terminal is too narrow for whole ids."""
        shown = [[cell(value) for value in row] for row in rows]
        names = list(columns)
        for name in spare:
            if _width(names, shown, len) > self._console.width:
                place = names.index(name)
                names.pop(place)
                shown = [[*row[:place], *row[place + 1 :]] for row in shown]
        if _width(names, shown, _shortest) > self._console.width:
            self._blocks(names, shown)
        else:
            self._console.print(_table(names, shown))

    def _blocks(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        for place, row in enumerate(rows):
            if place:
                self.line("")
            self.fields(zip(columns, row, strict=True))


def _grid(pairs: Iterable[tuple[str, str]], width: int) -> Table:
    """Return names, in `width`, and values beside them."""
    grid = Table.grid(padding=(0, GAP_CHARS))
    grid.add_column(style="dim", no_wrap=True, min_width=width)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(Text(name), Text(value))
    return grid


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table in which only columns of several words wrap."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for place, name in enumerate(columns):
        whole = all(_is_word(row[place]) for row in rows)
        table.add_column(name, no_wrap=whole, overflow="fold")
    for row in rows:
        table.add_row(*(Text(value) for value in row))
    return table


def _width(
    columns: Sequence[str], rows: Sequence[Sequence[str]], measure: Callable[[str], int]
) -> int:
    """Return the columns of a terminal that a table needs, its cells measured like this."""
    widest = (
        max(len(name), *(measure(row[place]) for row in rows), 0)
        for place, name in enumerate(columns)
    )
    return sum(widest) + BETWEEN_CHARS * (len(columns) - 1)


def _shortest(text: str) -> int:
    """Return the room that a cell needs at least: a word all of it, a text enough to read."""
    return len(text) if _is_word(text) else min(len(text), TEXT_CHARS_MIN)


def _is_word(text: str) -> bool:
    return len(text) <= WORD_CHARS_MAX and " " not in text
