"""
The command line: `memos-gov`, the verbs of the Python face and of the operator.

Each verb turns words into one call of the Python face and shows the answer;
nothing is decided here. Importing this loads nothing: the program and, of it,
only the file of the verb that was typed come when they are needed.
"""

from __future__ import annotations

import io
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        from memos_gov.cli.program import command_line

        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        command_line.main(prog_name="memos-gov")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
