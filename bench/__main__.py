"""
`python -m bench [NAME...]`: measure, print the figures, keep them, and judge the floors.

Exit code 1 if a floor is missed. A quick run proves that everything still
runs: its sizes are too small to mean anything, so it judges nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from bench import (
    activation,
    connected,
    embedded,
    erasing,
    ingest,
    locomo,
    past,
    policy,
    postgres,
    process,
    proofs,
    recall,
    report,
    retention,
    weaviate,
)
from bench.measure import Bench, Figure

SUBJECTS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "policy": policy.measure,
    "embedded": embedded.measure,
    "recall": recall.measure,
    "locomo": locomo.measure,
    "past": past.measure,
    "proofs": proofs.measure,
    "retention": retention.measure,
    "erasing": erasing.measure,
    "ingest": ingest.measure,
    "process": process.measure,
    "postgres": postgres.measure,
    "connected": connected.measure,
    "weaviate": weaviate.measure,
    "locomo-connected": locomo.measure_connected,
    "activation": activation.measure,
}
NEED_ENGINES = ("postgres", "connected", "weaviate", "locomo-connected")
NEED_MODELS = ("activation",)
RESULTS = Path(__file__).resolve().parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the subjects named, or all that need nothing more, and return the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.list:
        print("\n".join(SUBJECTS))
        return 0
    asked.results.mkdir(parents=True, exist_ok=True)
    console = report.printer(to_stderr=asked.json or asked.markdown)
    console.print(report.machine(asked.results), soft_wrap=True)
    measured = {
        name: _measure(name, asked.results, console, quick=asked.quick)
        for name in asked.names or [n for n in SUBJECTS if n not in (*NEED_ENGINES, *NEED_MODELS)]
    }
    if asked.json:
        print(json.dumps({n: report.as_json(f) for n, f in measured.items()}, indent=2))
    if asked.markdown:
        print("\n\n".join(report.as_markdown(n, f) for n, f in measured.items()))
    return 0 if asked.quick else verdict(measured, console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure memos_gov.")
    parser.add_argument("names", nargs="*", choices=[*SUBJECTS, []], metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print the subjects and stop")
    parser.add_argument("--quick", action="store_true", help="small sizes; judge no floor")
    parser.add_argument("--json", action="store_true", help="print JSON; the tables go to stderr")
    parser.add_argument("--markdown", action="store_true", help="the same as tables for a page")
    parser.add_argument(
        "--results",
        type=Path,
        default=RESULTS,
        help="where the JSON is kept, and on whose disk is measured",
    )
    return parser


def _measure(name: str, results: Path, console: Console, *, quick: bool) -> list[Figure]:
    """Measure one subject in a folder of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=results) as folder:
        figures = list(SUBJECTS[name](Bench(Path(folder), quick)))
    report.keep(name, figures, results)
    report.table(name, figures, console)
    return figures


def verdict(measured: dict[str, list[Figure]], console: Console) -> int:
    """Name every missed floor; return 1 if there is one."""
    missed = [f"{name}: {f.name}" for name, found in measured.items() for f in found if not f.holds]
    for line in missed:
        console.print(f"floor missed: {line}", style="bold red")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
