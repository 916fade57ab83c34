"""How receipts, hits and readings look to a reader; every id can be typed back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from memos_gov.cli.options import moment
from memos_gov.cli.output import Screen
from memos_gov.cli.text import cell

if TYPE_CHECKING:
    from memos_gov.domain.verdicts import Verdict
    from memos_gov.recall import Hit, Reading
    from memos_gov.receipts import Receipt

MOMENTS = frozenset(
    {
        "completed_at",
        "deadline",
        "due",
        "ended_at",
        "opened_at",
        "recorded_at",
        "recorded_from",
        "recorded_to",
        "registered_at",
        "requested_at",
        "since",
        "started_at",
        "until",
        "valid_from",
        "valid_to",
    }
)
NOTHING_FOUND = "nothing found"
DEPTHS = {"vector_only": "words do not find it", "none": "recall does not find it"}


def receipt(done: str) -> Callable[[Screen, Receipt], None]:
    """Return what draws the receipt of something `done`, such as "remembered"."""

    def draw(screen: Screen, made: Receipt) -> None:
        if made.index < 0:
            screen.line(f"{done}: policy would allow it; nothing was done", "good")
        else:
            what = f" {made.cube_id} revision {made.revision}" if made.cube_id else ""
            if len(made.cube_ids) > 1:
                what = f" {', '.join(made.cube_ids)}"
            screen.line(f"{done}{what} at index {made.index}", "good")
        screen.fields(
            [
                ("made of", list(made.sources)),
                ("policy", obligations(made.verdict)),
                ("index", depth(made)),
            ]
        )

    return draw


def depth(made: Receipt) -> str:
    """Return what policy's plan means for finding the content; "" where words find it."""
    means = DEPTHS.get(made.index_depth or "")
    return f"{made.index_depth}: {means}" if means else ""


def obligations(verdict: Verdict) -> list[str]:
    """Return what policy demanded of something it allowed, in words."""
    said = {
        "mask": "masked {}",
        "label": "raised the label to {}",
        "quarantine": "put it in quarantine until a review",
        "unlink": "did not link it to what was read ({})",
    }
    return [said[o.kind].format(o.label or o.reason or cell(o.what)) for o in verdict.obligations]


def hit(screen: Screen, found: Hit) -> None:
    """Draw one cube with all of its content."""
    screen.fields(
        [
            ("cube", found.cube_id),
            ("revision", found.revision),
            ("label", found.label),
            ("state", found.state),
            ("subjects", found.subjects),
            ("purposes", found.purposes),
            ("owner", found.owner),
            ("valid from", moment(found.valid_from)),
            ("recorded", moment(found.recorded_at)),
            ("metadata", found.metadata),
            ("masked", masked([found])),
        ]
    )
    screen.line("")
    screen.paragraph(found.content or "")


def hits(screen: Screen, reading: Reading) -> None:
    """Draw what a recall found, best first, with content."""
    if not reading.hits:
        screen.line(NOTHING_FOUND)
    if reading.text:
        screen.paragraph(reading.text.rstrip("\n"))
    for found in reading.hits if reading.text is None else ():
        whose = f"  {cell(found.subjects)}" if found.subjects else ""
        screen.line(f"{found.rank}. {found.cube_id}  {found.label}{whose}", "heading")
        screen.paragraph(found.content or "", indent=3)
    what = masked(reading.hits)
    screen.line(f"recorded at index {reading.index}{f'; masked: {what}' if what else ''}", "aside")


def listing(screen: Screen, reading: Reading) -> None:
    """Draw the facts of listed cubes, newest first."""
    if not reading.hits:
        screen.line(NOTHING_FOUND)
        return
    columns = ("cube", "rev", "label", "state", "subjects", "purposes", "owner")
    facts = attrgetter("cube_id", "revision", "label", "state", "subjects", "purposes", "owner")
    rows = (facts(found) for found in reading.hits)
    screen.table(columns, rows, spare=("purposes", "owner", "rev", "subjects"))


def masked(found: list[Hit] | tuple[Hit, ...]) -> str:
    """Return how much was masked, by kind, in words."""
    counts: dict[str, int] = {}
    for one in found:
        for kind, count in one.redactions.items():
            counts[kind] = counts.get(kind, 0) + count
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def derivation(steps: Iterable[tuple[str, int | None]]) -> str:
    """Return the steps of a derivation as one line, each with the moment it compared."""
    return " > ".join(code if at is None else f"{code} {moment(at)}" for code, at in steps)


def value_of(column: str, value: Any) -> object:
    """Return a value as it is shown under a name; times as times, a derivation as one line."""
    if column == "steps":
        return derivation((step["code"], step.get("at")) for step in value)
    is_time = isinstance(value, int) and (column.endswith("_s") or column in MOMENTS)
    return moment(value) if is_time else timed(value)


def timed(value: Any) -> Any:
    """Return facts with times in place of seconds."""
    if isinstance(value, dict):
        return {name: value_of(name, part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [timed(part) for part in value]
    return value
