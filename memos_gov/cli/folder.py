"""`init`, `status`, `whoami` and `config`: a data folder and who one is in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memos_gov.cli.output import Screen, fields_of
from memos_gov.cli.session import Session, VerbGroup, pass_session, verb

if TYPE_CHECKING:
    from memos_gov.queries.standing import Status

RECOVERY = (
    "Keep keys/recovery elsewhere: if a policy ever refuses everybody, "
    "it alone brings a former one back."
)


@verb("init")
@click.option(
    "--engines",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where Kafka, Postgres, OPA and Weaviate are, as TOML; all in files without it.",
)
def init_verb(session: Session, engines: Path | None) -> None:
    """
    Make a data folder with a tenant and its first principal.

    That principal is steward and dpo. With --engines the log is a new topic, and
    databases and a collection are made; what a name holds already is refused.
    """
    import memos_gov
    from memos_gov.settings import engines_in

    said = session.overrides()
    if engines is not None:
        said["engines"] = engines_in(engines)
    with memos_gov.init(session.data, **said) as service:
        settings = service.rooms.settings
        made = {
            "data": str(settings.data),
            "tenant": settings.tenant,
            "principal": settings.principal,
            "policy": session.acting(service).policy,
        }
    session.show(made, _made)
    session.note(RECOVERY)


def _made(screen: Screen, made: dict[str, str]) -> None:
    screen.line(f"made {made['data']}", "good")
    screen.fields([(name, value) for name, value in made.items() if name != "data"])


@verb("status")
def status_verb(session: Session) -> None:
    """Show what is in the data folder: counts and places."""
    with session.service() as service:
        service.rooms.follower.catch_up()  # else a cube just remembered would not be counted
        session.show(service.status(), _status)


def _status(screen: Screen, found: Status) -> None:
    screen.fields(
        [
            ("instance", found.instance),
            ("records in the log", found.log_end),
            ("cubes", found.cubes),
            ("behind by records", {k: n for k, n in found.behind.items() if n} or "nothing"),
            ("bytes", found.files),
            ("epoch of the vault", found.vault.epoch),
            ("unfinished rotation", found.vault.unfinished),
        ]
    )
    rows = ((t.tenant, t.index, t.policy, t.root) for t in found.tenants)
    screen.table(("tenant", "index", "policy", "root"), rows)


@verb("whoami")
def whoami_verb(session: Session) -> None:
    """Show who acts, with roles and attributes."""
    with session.actor() as actor:
        session.show(actor.whoami(), draw_fields)


@click.group("config", cls=VerbGroup)
def config_verb() -> None:
    """Look at the settings."""


@config_verb.command("show")
@pass_session
def show(session: Session) -> None:
    """Show every setting as it holds now, secrets hidden."""
    from memos_gov import settings

    given = {name: value for name, value in session.overrides().items() if value is not None}
    loaded = settings.load(session.data, **given)
    session.show(loaded.model_dump(mode="json"), draw_fields)


def draw_fields(screen: Screen, document: Any) -> None:
    """Draw any flat document as names and values."""
    pairs = fields_of(document).items()
    screen.fields([(name.replace("_", " "), value) for name, value in pairs])
