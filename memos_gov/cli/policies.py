"""`policy`: what authors of Rego do, and which bundle decides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from memos_gov.cli import options, views
from memos_gov.cli.calling import as_typed
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session
from memos_gov.errors import InvalidCommandError, NotFoundError

if TYPE_CHECKING:
    from memos_gov.service import Service

KEY_BYTES_MAX = 4096

_FOLDER = click.argument(
    "folder", type=click.Path(path_type=Path, file_okay=False), default=Path("policies")
)


@click.group("policy", cls=VerbGroup)
def policy_verb() -> None:
    """
    Write, test and activate policies.

    FOLDER is `policies` by default.
    """


@policy_verb.command("check")
@_FOLDER
@pass_session
def check(session: Session, folder: Path) -> None:
    """Check the format and the types of FOLDER."""
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
@click.option("--keep", is_flag=True, help="Check and test it, and keep it in the data folder.")
@pass_session
def build(session: Session, folder: Path, keep: bool) -> None:
    """
    Compile FOLDER into FOLDER/compiled and name its digest.

    With `--keep` the bundle must pass `check` and `test` first.
    """
    from memos_gov.bootstrap import policies

    if not keep:
        bundle = policies.build_policies(_existing(folder))
    else:
        with session.service() as service:
            policies.check_policies(_existing(folder))
            policies.test_policies(folder)
            bundle = policies.build_policies(folder)
            service.rooms.bundles.put(bundle)
    session.show({"policy": bundle.digest, "folder": str(folder), "kept": keep}, _built)


def _built(screen: Screen, made: dict[str, Any]) -> None:
    screen.line(f"built {made['policy']}", "good")
    if made["kept"]:
        screen.line(as_typed("Let it decide: memos-gov policy activate") + f" {made['policy']}")


@policy_verb.command("eval")
@click.argument("entrypoint")
@click.argument("question", type=click.File("r", encoding="utf-8"), default="-")
@click.option(
    "--policies",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder that `policy build` compiled; the shipped policies by default.",
)
@pass_session
def evaluate(session: Session, entrypoint: str, question: Any, folder: Path | None) -> None:
    """
    Ask ENTRYPOINT the QUESTION, a JSON file.

    Nothing is recorded; `-`, the default, reads standard input.
    """
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
    """List the kept bundles, and which one decides."""
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
    """Let a kept bundle decide; a DIGEST may be cut short."""
    with session.service() as service:
        policy = _kept(service, digest)
        receipt = session.acting(service).activate_policy(policy, dry_run=dry_run)
        session.show(receipt, views.receipt("activated"))


@policy_verb.command("roll-back")
@click.argument("digest")
@click.option(
    "--key",
    "file",
    type=click.File("rb"),
    required=True,
    help="The recovery key, as `init` left it in keys/recovery.",
)
@pass_session
def roll_back(session: Session, digest: str, file: IO[bytes]) -> None:
    """Bring a former policy back, whatever the present one says."""
    with session.service() as service:
        policy = _kept(service, digest)
        index = service.roll_back_policy(policy, recovery_key=file.read(KEY_BYTES_MAX))
    session.show({"policy": policy, "index": index}, _rolled_back)


def _rolled_back(screen: Screen, done: dict[str, Any]) -> None:
    screen.line(f"rolled back at index {done['index']}", "good")
    screen.fields([("policy", done["policy"])])


def _kept(service: Service, digest: str) -> str:
    """
    Return the digest of the kept bundle that begins like this.

    Raises:
        NotFoundError: None does.
        InvalidCommandError: Several do.
    """
    from memos_gov.bootstrap import policies

    kept = policies.kept_policies(service.rooms.settings.data)
    found = [name for name in kept if digest and name.startswith(digest)]
    if not found:
        msg = "no kept policy has a digest that begins like this"
        raise NotFoundError(msg, remedy="`memos-gov policy list` shows those that are kept.")
    if len(found) > 1:
        msg = f"digest: {len(found)} kept policies begin like this"
        raise InvalidCommandError(msg, field="digest", remedy="Type more of the digest.")
    return found[0]


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        msg = f"folder: there is no {folder}"
        raise InvalidCommandError(msg, field="folder", remedy="Name the folder of the policies.")
    return folder
