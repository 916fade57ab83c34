"""
The formats of the three databases: where alembic's revisions lie, and which are this program's.

`vault` and `operations` are migrated in place, `tables` is made fresh. Opening
a database compares one word, so that only making or moving one costs
alembic's import.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from memos_gov.errors import CorruptionError, SettingsError

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEADS = {"vault": "vault_0002", "operations": "operations_0003", "tables": "tables_0002"}
MAKE_AGAIN = "Run `memos-gov rebuild`: the log holds everything."
_BRING_FORWARD = "Run `memos-gov rebuild`: it is brought forward, all of it."


def migrations_folder() -> Path:
    """Return the migrations: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def migrate(connection: Connection, branch: str) -> None:
    """Bring what a connection's transaction sees to the newest format of a branch."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.attributes["connection"] = connection
    command.upgrade(config, f"{branch}@head")


def require_current(found: str | None, branch: str, name: str) -> None:
    """
    Refuse a database of another format than this program's.

    Args:
        found: Its revision; None where it has none.
        name: What messages call it.

    Raises:
        SettingsError: Newer or older; says what to do.
        CorruptionError: It has no format at all.
    """
    if found == HEADS[branch]:
        return
    if found is None:
        msg = f"{name} is empty or was never finished"
        remedy = None if branch == "vault" else MAKE_AGAIN
        raise CorruptionError(msg, place=name, remedy=remedy)
    newer = found > HEADS[branch]
    age = "newer" if newer else "older"
    msg = f"{name} has the format {found}, {age} than {HEADS[branch]} of this program"
    older = _BRING_FORWARD if branch == "vault" else MAKE_AGAIN
    raise SettingsError(msg, remedy="Upgrade memos-gov." if newer else older)
