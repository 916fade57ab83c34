"""Where the demo plays: each step a command that a reader could type, and what it answers."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from memos_gov.cli.calling import program
from memos_gov.cli.output import PlainScreen, Screen
from memos_gov.cli.program import command_line, report
from memos_gov.cli.session import Session
from memos_gov.errors import GovernanceError


class Beginning(PlainScreen):
    """The first lines of what a verb shows."""

    def __init__(self, screen: Screen, count: int) -> None:
        super().__init__()
        self._screen = screen
        self._left = count

    def line(self, text: str, style: str = "") -> None:
        """Show the line as long as there are any left."""
        for part in text.split("\n")[: self._left]:
            self._left -= 1
            self._screen.line(part, style)


class Stage:
    """Where the demo plays: says what comes, types a command, shows what it answers."""

    def __init__(self, screen: Screen, data: Path) -> None:
        self.screen = screen
        self.data = data
        self.commands = 0

    def chapter(self, title: str, *said: str) -> None:
        """Begin a new part of the story."""
        self.screen.line("")
        self.screen.line(title, "heading")
        self._tell(said)

    def say(self, *said: str) -> None:
        """Tell the reader something, a line at a time."""
        self.screen.line("")
        self._tell(said)

    def _tell(self, said: Iterable[str]) -> None:
        for text in said:
            self.screen.line(f"# {text}", "said")

    def type(self, *words: str, head: int = 0) -> Any:
        """
        Run a command, show its answer or `head` lines of it, and return it.

        Raises:
            GovernanceError: What the command line would report; shown already.
        """
        self.screen.line("")
        pipe = f" | head -{head}" if head else ""
        self.screen.line(f"$ {program()} {shlex.join(words)}{pipe}", "command")
        shown = Beginning(self.screen, head) if head else self.screen
        session = Session(data=self.data, screen=shown)
        self.commands += 1
        try:
            command_line.run(list(words), session)
        except GovernanceError as error:
            report(error, screen=self.screen)
            raise
        return session.answer

    def refused(self, *words: str) -> GovernanceError:
        """Run a command that has to fail, and return why it did."""
        try:
            self.type(*words)
        except GovernanceError as error:
            return error
        msg = f"the demo expected a refusal of: memos-gov {shlex.join(words)}"
        raise AssertionError(msg)
