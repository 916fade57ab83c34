"""`merge`, `summarise`, `split`, `transform`, `roll-back`: memories of memories, and ways back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from memos_gov.cli import options, views
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, verb

if TYPE_CHECKING:
    from memos_gov.activation.transforming import Transformed

F = TypeVar("F", bound=Callable[..., Any])


def _chosen(function: F) -> F:
    """Add what a caller chooses where the sources differ."""
    basis = click.option("--basis", help="The legal basis, one of theirs where they differ.")
    kept = click.option(
        "--class", "retention_class", help="The retention class, one of theirs where they differ."
    )
    return basis(kept(function))


@verb("merge")
@click.argument("cubes", metavar="CUBE CUBE...", nargs=-1, required=True)
@_chosen
@options.dry_run
def merge_verb(session: Session, cubes: tuple[str, ...], **named: Any) -> None:
    """
    Make one memory of several, in this order.

    Those become part of it; `restore` brings each of them back.
    """
    with session.actor() as actor:
        session.show(actor.merge(cubes, **named), views.receipt("merged into"))


@verb("summarise")
@click.argument("text")
@click.argument("cubes", metavar="CUBE...", nargs=-1, required=True)
@_chosen
@options.metadata
@options.dry_run
def summarise_verb(session: Session, text: str, cubes: tuple[str, ...], **named: Any) -> None:
    """
    Keep TEXT as what you made of memories.

    They stay as they are. TEXT of `-` reads standard input.
    """
    with session.actor() as actor:
        receipt = actor.summarise(cubes, options.content(text), **named)
        session.show(receipt, views.receipt("summarised as"))


@verb("split")
@click.argument("cube")
@click.argument("parts", metavar="PART PART...", nargs=-1, required=True)
@options.dry_run
def split_verb(session: Session, cube: str, parts: tuple[str, ...], dry_run: bool) -> None:
    """
    Make a memory of each PART of one.

    The parts are pieces of its text, in its order; the whole is archived.
    """
    with session.actor() as actor:
        session.show(actor.split(cube, parts, dry_run=dry_run), views.receipt("split into"))


@verb("transform")
@click.argument("cubes", metavar="CUBE...", nargs=-1, required=True)
@click.option(
    "--to",
    type=click.Choice(["activation"]),
    required=True,
    help="activation: what the base model computes of them, in a file.",
)
@options.dry_run
def transform_verb(session: Session, cubes: tuple[str, ...], to: str, dry_run: bool) -> None:
    """
    Keep memories in another form as well.

    They stay as they are. What is kept goes when one of them is revised or
    ends. Needs the extra `models` and `memos-gov model prepare`.
    """
    with session.actor() as actor:
        session.show(actor.transform(cubes, to=to, dry_run=dry_run), _transformed)


def _transformed(screen: Screen, made: Transformed) -> None:
    if made.read_index is None:
        screen.line("transformed: policy would allow it; nothing was done", "good")
        return
    screen.line(f"transformed into {made.artefact} at index {made.receipt.index}", "good")
    screen.fields(
        [
            ("cubes", list(made.cubes)),
            ("tokens", made.tokens),
            ("file", "made now" if made.built else "was there"),
            ("read at index", made.read_index),
        ]
    )


@verb("roll-back")
@click.argument("cube")
@click.option("--to", "to_revision", type=int, required=True, metavar="REVISION", help="Which.")
@click.option("--expect", type=int, metavar="REVISION", help="Refuse if another one is current.")
@options.dry_run
def roll_back_verb(
    session: Session, cube: str, to_revision: int, expect: int | None, dry_run: bool
) -> None:
    """Give a memory the text of an earlier revision again."""
    with session.actor() as actor:
        receipt = actor.roll_back(
            cube, to_revision=to_revision, expected_revision=expect, dry_run=dry_run
        )
        session.show(receipt, views.receipt("rolled back"))
