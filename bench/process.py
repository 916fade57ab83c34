"""
What a shell waits for: import, one `get`, and the demo, each as a process of its own.

Every run starts a fresh interpreter with warm file caches. The import is
clocked inside it, since the interpreter's own start is not ours; `get` and the
demo are clocked from outside, from start to exit. `get` opens the folder, asks
policy, appends and certifies a read event, and prints the cube.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from bench import folders
from bench.measure import Bench, Figure, at_most, spread

ROOT = Path(__file__).resolve().parents[1]
IMPORT = "import time; t = time.perf_counter(); import memos_gov; print(time.perf_counter() - t)"
COMMAND = "import sys; from memos_gov.cli import main; sys.exit(main())"


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield the seconds of import, get and demo."""
    times = bench.size(7, 1)
    imports = [float(run(["-c", IMPORT])) for _ in range(times + 1)][1:]
    yield at_most("import memos_gov", median(imports), "s", 0.25)
    data = bench.folder / "data"
    with folders.founded(data) as gov:
        cube = gov.acting_as("owner").remember("The card was charged twice.").cube_id
    assert cube is not None
    got = spread(lambda: cli("--data", str(data), "get", cube), times, warm_up=1)
    yield at_most("memos-gov get, as a process", got.median, "s", 1.2)
    demo = spread(lambda: cli("demo"), bench.size(3, 1), warm_up=0)
    yield at_most("memos-gov demo, as a process", demo.median, "s", 10)


def cli(*arguments: str) -> str:
    """Run the command line as its script does; return what it prints."""
    return run(["-c", COMMAND, *arguments])


def run(arguments: Sequence[str]) -> str:
    """Run this interpreter at the root of the checkout, which it imports from."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout
