"""An `init` that is killed right after a step: `python -m tests.connected.killed_init`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import memos_gov
from tests.connected.steps import after


def main(folder: str, engines: str, step: str) -> None:
    """Make a data folder on engines, and be killed in the middle of it."""
    with after(step, lambda: os.kill(os.getpid(), signal.SIGKILL)):
        memos_gov.init(Path(folder), engines=json.loads(engines))


if __name__ == "__main__":
    main(*sys.argv[1:])
