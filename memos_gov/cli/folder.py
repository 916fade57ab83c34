"""`init`, `status`, `whoami` and `config`: a data folder and who one is in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from memos_gov.cli.errors import FOUND_WRONG
from memos_gov.cli.output import Screen, fields_of
from memos_gov.cli.session import Session, VerbGroup, pass_session, verb
from memos_gov.errors import GovernanceError

if TYPE_CHECKING:
    from memos_gov.bootstrap.standing import EngineStanding, Standing
    from memos_gov.queries.standing import Status
    from memos_gov.settings import Settings

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
def status_verb(session: Session) -> int:
    """
    Show counts and places of the folder, and how its engines stand.

    An engine that is away is said, with what the others know; then the exit status is 7.
    """
    from memos_gov import settings

    given = {name: value for name, value in session.overrides().items() if value is not None}
    known = settings.load(session.data, **given)
    standing = _standing(known)
    if standing is None:
        session.show(_of_folder(session), _status)
        return 0
    found = _if_it_opens(session, standing)
    answer = {**_fields(found), **fields_of(standing)}
    session.show(answer, lambda screen, _: _connected(screen, found, standing))
    return 0 if standing.well else FOUND_WRONG


def _if_it_opens(session: Session, standing: Standing) -> Status | None:
    """Return what the folder says of itself, None where an engine keeps it from opening."""
    if not standing.opens:
        return None  # (at once, instead of after its timeouts)
    try:
        return _of_folder(session)
    except GovernanceError:
        if standing.well:
            raise
        return None


def _of_folder(session: Session) -> Status:
    with session.service() as service:
        service.rooms.follower.catch_up()  # else a cube just remembered would not be counted
        return service.status()


def _standing(known: Settings) -> Standing | None:
    """Return how the engines stand, where there are engines and their clients are installed."""
    if known.engines is None:
        return None
    try:
        from memos_gov.bootstrap.standing import standing
    except ModuleNotFoundError:
        return None  # what opening the folder says names it
    return standing(known, known.engines)


def _fields(found: Status | None) -> dict[str, Any]:
    """Return what the folder says of itself; null where it does not open."""
    from memos_gov.queries.standing import Status

    return dict.fromkeys(Status.__struct_fields__) if found is None else fields_of(found)


def _connected(screen: Screen, found: Status | None, standing: Standing) -> None:
    if found is None:
        screen.line("The folder does not open until this is mended:", "bad")
    else:
        _status(screen, found)
    screen.fields([("bytes of the log", _told(standing.log_bytes))])
    columns = ("engine", "reachable", "version", "address", "holds")
    screen.table(columns, (_engine(each) for each in standing.engines))
    for each in standing.engines:
        if each.problem:
            screen.line(f"{each.engine}: {each.problem}", "bad")
            screen.line(each.remedy)
    partitions = ("partition", "offsets", "undecided", "unindexed")
    screen.table(partitions, map(_row, standing.partitions))
    waiting = ("tenant", "decided", "unsigned", "erasures open", "effects waiting", "parked")
    screen.table(waiting, map(_row, standing.waiting))


def _engine(each: EngineStanding) -> tuple[str, ...]:
    reachable = "yes" if each.reachable else "no"
    return each.engine, reachable, each.version or "unknown", each.address, each.holds


def _row(struct: msgspec.Struct) -> list[object]:
    return [_told(value) for value in msgspec.structs.astuple(struct)]


def _told(value: object) -> object:
    return "unknown" if value is None else value


def _status(screen: Screen, found: Status) -> None:
    screen.fields(
        [
            ("instance", found.instance),
            ("records in the log", found.log_end),
            ("cubes", found.cubes),
            ("behind by records", {k: n for k, n in found.behind.items() if n} or "nothing"),
            ("parked cubes", found.parked or "none"),
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
