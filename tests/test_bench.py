"""The benchmarks run, their JSON has its shape, and a missed floor is not overlooked."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as bench
from bench import locomo, report
from bench.measure import Figure, Spread, against, at_least, at_most, beside, interleaved, told

ROOT = Path(__file__).resolve().parents[1]
SUBJECTS = bench.SUBJECTS
NEED_AN_ENGINE = bench.NEED_ENGINES
FIELDS = {"name", "value", "unit", "peer", "ratio", "floor"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m bench` at the root of the checkout."""
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def a_figure(**more: Any) -> Figure:
    """Return a figure of which a test names only what it is about."""
    return Figure(**{"name": "speed", "value": 2.0, "unit": "/s", **more})


def marks_of(subject: str) -> tuple[pytest.MarkDecorator, ...]:
    """Return what a subject needs to be there."""
    if subject in NEED_AN_ENGINE:
        return (pytest.mark.connected,)
    return (pytest.mark.models,) if subject in bench.NEED_MODELS else ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "subject",
    [pytest.param(subject, marks=marks_of(subject)) for subject in SUBJECTS],
)
def test_quick_run_of_a_subject_keeps_figures_of_the_shape(subject: str, tmp_path: Path) -> None:
    """A quick run goes through every measure and writes one well-formed list."""
    if subject.startswith("locomo") and not locomo.DATA.exists():
        pytest.skip(f"the shared data is not on this machine: {locomo.DATA}")
    done = run("--quick", "--results", str(tmp_path), subject)

    assert 0 == done.returncode, done.stderr
    figures = json.loads((tmp_path / f"{subject}.json").read_text())
    assert figures
    assert [] == [f for f in figures if set(f) != FIELDS]
    assert [] == [f for f in figures if not f["value"] > 0]
    assert [] == [f for f in figures if f["floor"] is not None and not f["ratio"] > 0]
    assert any(f["floor"] is not None for f in figures)


def test_quick_run_of_a_subject_leaves_its_json_and_nothing_else(tmp_path: Path) -> None:
    """The folders that were measured in are gone."""
    run("--quick", "--results", str(tmp_path), "policy")

    assert ["policy.json"] == [path.name for path in tmp_path.iterdir()]


def test_json_of_a_run_is_all_that_stdout_holds(tmp_path: Path) -> None:
    """A machine reads the figures of each subject; tables go to stderr."""
    done = run("--quick", "--json", "--results", str(tmp_path), "policy")

    assert json.loads((tmp_path / "policy.json").read_text()) == json.loads(done.stdout)["policy"]
    assert "verdict on 1 cube" in done.stderr


def test_markdown_of_figures_marks_what_was_missed() -> None:
    """A page shows every figure as a row, and a missed floor as such."""
    figures = [told("p95", 3, "ms"), at_most("p50", 20, "ms", 10)]

    rows = report.as_markdown("recall", figures).splitlines()[-2:]

    assert ["| p95 | 3 ms |  |  |  |", "| p50 | 20 ms | 0.50 | 1 MISSED | limit 10 ms |"] == rows


def test_list_of_subjects_is_printed_and_measures_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`--list` names what can be measured."""
    assert 0 == bench.main(["--list"])

    assert [
        "policy",
        "embedded",
        "recall",
        "locomo",
        "past",
        "proofs",
        "retention",
        "erasing",
        "ingest",
        "process",
        "postgres",
        "connected",
        "weaviate",
        "locomo-connected",
        "activation",
    ] == capsys.readouterr().out.split()


def test_unknown_subject_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name ends the run before it begins."""
    with pytest.raises(SystemExit) as ended:
        bench.main(["polcy"])

    assert 2 == ended.value.code
    assert "polcy" in capsys.readouterr().err


def test_missed_floor_of_a_run_is_exit_code_one_and_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One figure under its floor fails the whole run, and the run says which."""
    measured = {
        "policy": [a_figure(ratio=1.0, floor=1.0)],
        "recall": [at_most("p50", 26, "ms", 25)],
    }

    assert 1 == bench.verdict(measured, report.printer(to_stderr=False))

    assert "floor missed: recall: p50" in capsys.readouterr().out


def test_floors_that_hold_are_exit_code_zero() -> None:
    """A ratio at its floor is enough, and a figure without a floor cannot miss."""
    figures = [a_figure(ratio=1.0, floor=1.0), a_figure(ratio=0.1), told("p95", 3, "ms")]

    assert 0 == bench.verdict({"policy": figures}, report.printer(to_stderr=False))


@pytest.mark.parametrize(
    ("figure", "ratio", "floor"),
    [
        (at_most("latency", 5, "ms", 10), 2.0, 1.0),
        (at_most("latency", 5, "ms", 10, judged=False), 2.0, None),
        (at_least("rate", 30, "/s", 10), 3.0, 1.0),
        (against("rate", 30, "/s", ("peer", 60), 0.4), 0.5, 0.4),
        (beside("latency", 30, "ms", ("peer", 60), 0.5), 2.0, 0.5),
    ],
)
def test_ratio_of_any_figure_grows_as_it_gets_better(
    figure: Figure, ratio: float, floor: float | None
) -> None:
    """Less time and more throughput both raise the ratio, whatever stands beside it."""
    assert (ratio, floor) == (figure.ratio, figure.floor)


def test_spread_of_a_hundred_has_its_median_and_p95() -> None:
    """The p95 leaves out the slowest five of a hundred."""
    taken = Spread(tuple(float(n) for n in range(1, 101)))

    assert (50.5, 96.0) == (taken.median, taken.p95)


def test_actions_measured_together_take_turns() -> None:
    """Every turn runs each action once, so that none has the quiet minute for itself."""
    ran: list[str] = []

    spreads = interleaved(2, lambda: ran.append("a"), lambda: ran.append("b"), warm_up=1)

    assert ["a", "b"] * 3 == ran
    assert [2, 2] == [len(s.seconds) for s in spreads]
