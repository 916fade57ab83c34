"""
The command line: `python -m scripts.services up | down | status | reset [ENGINE ...]`.

Exit status: 0 done, 1 an engine failed, 2 asked wrongly or declined, 3 (of
`status`) not every engine that was asked about is ready, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from scripts.services.engine import Engine, Status
from scripts.services.failure import ServiceError
from scripts.services.kafka import Kafka
from scripts.services.opa import Opa
from scripts.services.places import Places
from scripts.services.postgres import Postgres
from scripts.services.weaviate import Weaviate

ENGINES: dict[str, type[Engine]] = {
    engine.name: engine for engine in (Kafka, Postgres, Opa, Weaviate)
}


def say(engine: str, words: str) -> None:
    """Print a line about one engine; lines of engines that work side by side do not mix."""
    sys.stderr.write(f"{engine:<9} {words}\n")
    sys.stderr.flush()


def each(engines: Sequence[Engine], act: Callable[[Engine], None]) -> int:
    """Do something to all engines side by side; return 1 where one failed, after its reason."""

    def attempt(engine: Engine) -> bool:
        try:
            act(engine)
        except (ServiceError, OSError) as error:
            say(engine.name, f"error: {error}")
            return False
        return True

    with ThreadPoolExecutor(max_workers=len(engines)) as pool:
        return 0 if all(list(pool.map(attempt, engines))) else 1


def up(engines: Sequence[Engine], asked: argparse.Namespace) -> int:
    """Start the engines and wait until they answer."""
    began = time.monotonic()
    to_start = [engine for engine in engines if engine.status().state == "stopped"]
    if lacks := sorted({name for engine in to_start for name in engine.lacks()}):
        print(f"error: this machine lacks: {', '.join(lacks)}", file=sys.stderr)
        print("remedy: install them, or run the containers of compose.yaml", file=sys.stderr)
        return 1
    failed = each(engines, lambda engine: engine.up(use_existing=asked.use_existing))
    if not failed:
        print(f"up after {time.monotonic() - began:.1f} s", file=sys.stderr)
    return failed


def down(engines: Sequence[Engine], asked: argparse.Namespace) -> int:
    """Stop the engines; their data stay."""
    return each(engines, lambda engine: engine.down())


def reset(engines: Sequence[Engine], asked: argparse.Namespace) -> int:
    """Stop the engines and remove their data, once that is confirmed."""
    names = ", ".join(engine.name for engine in engines)
    if not asked.yes and not confirmed(f"Remove all data of {names}? [y/N] "):
        print("nothing was removed; --yes removes without a question", file=sys.stderr)
        return 2
    return each(engines, lambda engine: engine.reset())


def confirmed(question: str) -> bool:
    """Ask a person; where there is none, the answer is no."""
    return sys.stdin.isatty() and input(question).strip().lower() in {"y", "yes"}


def status(engines: Sequence[Engine], asked: argparse.Namespace) -> int:
    """Print how the engines stand."""
    found = [engine.status() for engine in engines]
    if asked.json:
        print(json.dumps([one.fields() for one in found], indent=2))
    else:
        print("\n".join(line_about(one) for one in found))
    return 0 if all(one.state == "ready" for one in found) else 3


def line_about(one: Status) -> str:
    """Return what a person reads about one engine."""
    process = f"pid {one.pid} since {one.since}" if one.pid else ""
    return f"{one.engine:<9} {one.version:<13} {one.state:<9} {one.address} {process}".rstrip()


COMMANDS = {"up": up, "down": down, "status": status, "reset": reset}


def parser() -> argparse.ArgumentParser:
    """Return the reader of the command line."""
    made = argparse.ArgumentParser(prog="python -m scripts.services", description=__doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("command", choices=COMMANDS)
    made.add_argument("engines", nargs="*", metavar="ENGINE", help=f"of {', '.join(ENGINES)}")
    made.add_argument("--json", action="store_true", help="status: print one JSON document")
    made.add_argument("--yes", action="store_true", help="reset: ask nothing")
    existing = "up: take what answers already as it is, whoever started it"
    made.add_argument("--use-existing", action="store_true", help=existing)
    return made


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    asked = parser().parse_args(arguments)
    if unknown := sorted(set(asked.engines) - set(ENGINES)):
        parser().error(f"no engine: {', '.join(unknown)}; there are {', '.join(ENGINES)}")
    try:
        places = Places.of_environment()
        chosen = [name for name in ENGINES if name in asked.engines or not asked.engines]
        engines = [ENGINES[name](places, partial(say, name)) for name in chosen]
        return COMMANDS[asked.command](engines, asked)
    except ServiceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
