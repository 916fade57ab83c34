"""How the program was started, so that every command it shows can be typed as it stands."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

NAME = "memos-gov"
_COMMAND = re.compile(rf"(?<![\w/.-]){NAME}(?= )")


def program() -> str:
    """Return what starts this program: its name where PATH leads to it, else its place."""
    started = Path(sys.argv[0])
    if started.name != NAME:
        return NAME
    import shutil

    found = shutil.which(NAME)
    if not started.exists() or (found is not None and started.samefile(found)):
        return NAME
    place, relative = str(started.absolute()), os.path.relpath(started)
    return shlex.quote(relative if len(relative) < len(place) else place)


def as_typed(text: str) -> str:
    """Return a text of ours in which every command begins as this program was started."""
    return _COMMAND.sub(lambda _: program(), text) if NAME in text else text
