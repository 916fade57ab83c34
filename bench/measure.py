"""
Timing and figures: how every number of this folder is made.

Each measure is warmed up, repeated, and given as a median with its p95; a
peer takes turns with ours, in one process, in fresh folders on one disk. A
figure's ratio is always higher-is-better, so a floor is the least ratio that
is acceptable: 1 where the figure has a limit, the factor where it has a peer.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

WARM_UP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """
    One measured value and what it is held against.

    `peer` names the limit or the other program; `ratio` is None where there
    is neither, `floor` where the figure is told but not judged.
    """

    name: str
    value: float
    unit: str
    peer: str | None = None
    ratio: float | None = None
    floor: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the floor is kept; a figure without one always holds."""
        return self.floor is None or (self.ratio is not None and self.ratio >= self.floor)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a subject may write, and how much it should do."""

    folder: Path
    quick: bool = False

    def size(self, full: int, quick: int) -> int:
        """Return how many, by whether this run is quick."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Spread:
    """The seconds of every repetition."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of them."""
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        """What 95 of 100 stay within."""
        return self.within(0.95)

    def within(self, share: float) -> float:
        """Return what this share of them stays within."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, round(share * len(ordered)))]


def seconds(action: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def spread(action: Callable[[], object], times: int, *, warm_up: int = WARM_UP) -> Spread:
    """Return how long `action` takes, `times` times after the warm-up."""
    return interleaved(times, action, warm_up=warm_up)[0]


def interleaved(
    times: int, *actions: Callable[[], object], warm_up: int = WARM_UP
) -> tuple[Spread, ...]:
    """Time actions in turns, so that whatever else the machine does slows all of them alike."""
    taken: list[list[float]] = [[] for _ in actions]
    for turn in range(warm_up + times):
        for action, kept in zip(actions, taken, strict=True):
            took = seconds(action)
            if turn >= warm_up:
                kept.append(took)
    gc.collect()
    return tuple(Spread(tuple(kept)) for kept in taken)


def at_most(name: str, value: float, unit: str, limit: float, *, judged: bool = True) -> Figure:
    """Return a figure that should stay below a limit."""
    floor = 1.0 if judged else None
    return Figure(
        name=name,
        value=value,
        unit=unit,
        peer=f"limit {limit:g} {unit}",
        ratio=limit / value,
        floor=floor,
    )


def at_least(name: str, value: float, unit: str, limit: float) -> Figure:
    """Return a figure that should reach a limit."""
    peer = f"limit {limit:,.0f} {unit}"
    return Figure(name=name, value=value, unit=unit, peer=peer, ratio=value / limit, floor=1.0)


def against(
    name: str, value: float, unit: str, peer: tuple[str, float], floor: float | None
) -> Figure:
    """Return a rate beside a peer's rate."""
    other, rate = peer
    told = f"{other}: {rate:,.0f} {unit}"
    return Figure(name=name, value=value, unit=unit, peer=told, ratio=value / rate, floor=floor)


def beside(
    name: str, value: float, unit: str, peer: tuple[str, float], floor: float | None
) -> Figure:
    """Return a time beside a peer's time: the less, the higher the ratio."""
    other, taken = peer
    told = f"{other}: {taken:.3g} {unit}"
    return Figure(name=name, value=value, unit=unit, peer=told, ratio=taken / value, floor=floor)


def told(name: str, value: float, unit: str) -> Figure:
    """Return a figure that nothing is held against."""
    return Figure(name=name, value=value, unit=unit)


def latency(name: str, taken: Spread, limit_ms: float) -> Iterator[Figure]:
    """Yield the median, held to its limit, and the p95 beside it."""
    yield at_most(f"{name}, p50", taken.median * 1000, "ms", limit_ms)
    yield told(f"{name}, p95", taken.p95 * 1000, "ms")
