"""
What a verb shows: one JSON document, or lines, fields and tables for a reader.

A verb describes its answer to a `Screen`; which one it gets is decided here.
On a terminal that is `terminal.RichScreen`, with colour unless NO_COLOR is
set; elsewhere it is `PlainScreen`, which never truncates nor wraps and prints
a row of a table on one line, so that `grep` and `awk` work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Any, Protocol

import click
import msgspec

from memos_gov.cli.text import cell, is_said, printable


class Screen(Protocol):
    """Somewhere to show an answer to a reader."""

    def line(self, text: str, style: str = "") -> None:
        """Show one line; `style` is one of `terminal.STYLES` and may be ignored."""

    def paragraph(self, text: str, *, indent: int = 0) -> None:
        """Show content, its own line breaks kept; a terminal wraps its long lines."""

    def fields(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Show names and values; a value of None or without length is left out."""

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        spare: Sequence[str] = (),
    ) -> None:
        """Show rows under their columns; `spare` go first, in order, on a narrow terminal."""


class PlainScreen:
    """A screen without colours, for pipes, files and logs."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream

    def line(self, text: str, style: str = "") -> None:
        """Print the line as it is."""
        click.echo(printable(text), file=self._stream)

    def paragraph(self, text: str, *, indent: int = 0) -> None:
        """Print the text as it is, indented."""
        for line in printable(text).splitlines():
            self.line(f"{' ' * indent}{line}".rstrip())

    def fields(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Print a name and a value a line, the values in one column."""
        shown = [(name, cell(value)) for name, value in pairs if is_said(value)]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            self.line(f"{name:<{width}}  {value}")

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        spare: Sequence[str] = (),
    ) -> None:
        """Print a row a line, two spaces between columns, all of them."""
        lines = [tuple(columns), *(tuple(cell(value) for value in row) for row in rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
        for line in lines:
            padded = (f"{text:<{width}}" for text, width in zip(line, widths, strict=True))
            self.line("  ".join(padded).rstrip())


def screen(stream: IO[str] | None = None) -> Screen:
    """Return the screen that fits where `stream` leads; standard output when None."""
    if is_terminal(stream or sys.stdout):
        from memos_gov.cli.terminal import RichScreen

        return RichScreen(stream)
    return PlainScreen(stream)


def is_terminal(stream: IO[str]) -> bool:
    """Whether somebody looks at the stream, or FORCE_COLOR says so."""
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def to_json(document: object) -> str:
    """Return a document as indented JSON; structs by their fields, times in RFC 3339."""
    encoded = msgspec.json.encode(document, enc_hook=str)
    return msgspec.json.format(encoded, indent=2).decode()


def fields_of(document: Any) -> dict[str, Any]:
    """Return the fields of a struct, data class or mapping, by name."""
    converted = msgspec.to_builtins(document, builtin_types=(int,), enc_hook=str)
    assert isinstance(converted, dict)
    return converted
