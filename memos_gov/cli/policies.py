"""`policy`: what authors of Rego do, and which bundle decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from memos_gov.cli import options, views
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session
from memos_gov.errors import InvalidCommandError

_FOLDER = click.argument(
    "folder", type=click.Path(path_type=Path, file_okay=False), default=Path("policies")
)


@click.group("policy", cls=VerbGroup)
def policy_verb() -> None:
    """Write, test and activate policies; FOLDER is `policies` by default."""


@policy_verb.command("check")
@_FOLDER
@pass_session
def check(session: Session, folder: Path) -> None:
    """Check the format, and the types against the schemas of questions."""
    from memos_gov.bootstrap import policies

    policies.check_policies(_existing(folder))
    session.show({"folder": str(folder), "checked": True}, _checked)


def _checked(screen: Screen, done: dict[str, Any]) -> None:
    screen.line(f"{done['folder']}: format and types are right", "good")


@policy_verb.command("test")
@_FOLDER
@pass_session
def cover(session: Session, folder: Path) -> None:
    """Run the Rego tests and measure what they cover."""
    from memos_gov.bootstrap import policies

    coverage = policies.test_policies(_existing(folder))
    session.show({"folder": str(folder), "coverage_percent": coverage}, _tested)


def _tested(screen: Screen, done: dict[str, Any]) -> None:
    screen.line(f"tests pass and cover {done['coverage_percent']:.1f} % of the rules", "good")


@policy_verb.command("build")
@_FOLDER
@click.option("--keep", is_flag=True, help="Keep the bundle in the data folder, to activate it.")
@pass_session
def build(session: Session, folder: Path, keep: bool) -> None:
    """Compile FOLDER to the bundle in FOLDER/compiled and name its digest."""
    from memos_gov.bootstrap import policies

    bundle = policies.build_policies(_existing(folder))
    if keep:
        with session.service() as service:
            service.rooms.bundles.put(bundle)
    session.show({"policy": bundle.digest, "folder": str(folder), "kept": keep}, _built)


def _built(screen: Screen, made: dict[str, Any]) -> None:
    screen.line(f"built {made['policy']}", "good")
    if made["kept"]:
        screen.line(f"Let it decide: memos-gov policy activate {made['policy']}")


@policy_verb.command("eval")
@click.argument("entrypoint")
@click.argument("question", type=click.File("r", encoding="utf-8"), default="-")
@click.option(
    "--policies",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="A compiled folder; the shipped policies by default.",
)
@pass_session
def evaluate(session: Session, entrypoint: str, question: Any, folder: Path | None) -> None:
    """Ask ENTRYPOINT the QUESTION, a JSON file; what it says stays with you."""
    from memos_gov.bootstrap import policies

    asked = _question(entrypoint, question)
    answer = policies.ask_policies(None if folder is None else _existing(folder), entrypoint, asked)
    session.show(json.loads(answer), _document)


def _document(screen: Screen, answer: object) -> None:
    screen.line(json.dumps(answer, indent=2))


def _question(entrypoint: str, file: Any) -> dict[str, Any]:
    """
    Return a question of exactly the shape of its entrypoint.

    Raises:
        InvalidCommandError: Names the entrypoints there are, or the field at fault.
    """
    from pydantic import ValidationError

    from memos_gov.domain.policy_inputs import ENTRYPOINTS

    if entrypoint not in ENTRYPOINTS:
        msg = f"entrypoint: there is none of this name; there are {', '.join(ENTRYPOINTS)}"
        raise InvalidCommandError(msg, field="entrypoint")
    try:
        return ENTRYPOINTS[entrypoint].model_validate_json(file.read()).model_dump(mode="json")
    except (ValidationError, UnicodeDecodeError) as error:
        raise InvalidCommandError(f"question: {_flaw(error)}", field="question") from None


def _flaw(error: Exception) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return "is not UTF-8"
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    first = (unknown or problems)[0]
    place = ".".join(str(part) for part in first["loc"])
    words = "unknown field" if unknown else first["msg"]
    missing = [str(p["loc"][-1]) for p in problems if p["type"] == "missing"]
    hint = f" (missing: {', '.join(missing)})" if unknown and missing else ""
    return f"{place}: {words}{hint}" if place else words


@policy_verb.command("list")
@pass_session
def list_policies(session: Session) -> None:
    """List the bundles kept in the data folder, and which one decides."""
    from memos_gov.bootstrap import policies

    with session.service() as service:
        active = session.acting(service).policy
        kept = policies.kept_policies(service.rooms.settings.data)
    session.show([{"policy": digest, "active": digest == active} for digest in kept], _listed)


def _listed(screen: Screen, kept: list[dict[str, Any]]) -> None:
    screen.table(("policy", "active"), ((one["policy"], one["active"]) for one in kept))


@policy_verb.command("activate")
@click.argument("digest")
@options.dry_run
@pass_session
def activate(session: Session, digest: str, dry_run: bool) -> None:
    """Let a kept bundle decide from here on."""
    with session.actor() as actor:
        receipt = actor.activate_policy(digest, dry_run=dry_run)
        session.show(receipt, views.receipt("activated"))


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        msg = f"folder: there is no {folder}"
        raise InvalidCommandError(msg, field="folder", remedy="Name the folder of the policies.")
    return folder
