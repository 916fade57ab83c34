"""
Draw a real run of `memos-gov demo` as an SVG picture.

    python scripts/picture.py docs/demo.svg
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 110
SHOWN_ACTS = 2
FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def run_demo() -> str:
    """Run the demo as a reader would and return what it printed, colours included."""
    program = Path(sys.executable).with_name("memos-gov")
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"  # else it would show where it lies
    environment = {**os.environ, "PATH": path, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
    environment.pop("NO_COLOR", None)
    done = subprocess.run([program, "demo"], env=environment, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def first_acts(printed: str, count: int) -> str:
    """Return the opening of the demo up to the heading after act `count`."""
    heading = re.search(rf"^\S*{count + 1}\. (?!c_)", printed, re.MULTILINE)
    return printed[: heading.start()].rstrip() + "\n\n..." if heading else printed


def draw(printed: str) -> str:
    """Return the SVG of a terminal that shows `printed`."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(printed))
    svg = console.export_svg(title="memos-gov demo")
    return FONT_FACES.sub("", svg)  # no font is fetched from anywhere: the reader's own will do


def main() -> None:
    """Write the picture to the path given."""
    picture = Path(sys.argv[1])
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(draw(first_acts(run_demo(), SHOWN_ACTS)))
    print(f"wrote {picture}")


if __name__ == "__main__":
    main()
