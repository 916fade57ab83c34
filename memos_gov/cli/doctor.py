"""
`doctor`: what is wrong with a data folder, and what to do about it.

It looks and asks, and changes nothing but what opening a folder does. What
stops the folder from being served is wrong (exit 7); the rest is advice.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from memos_gov.cli.calling import as_typed
from memos_gov.cli.errors import FOUND_WRONG
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, verb
from memos_gov.cli.text import cell
from memos_gov.errors import GovernanceError, remedy_of

if TYPE_CHECKING:
    from memos_gov.service import Service
    from memos_gov.settings import Settings

FREE_BYTES_MIN = 200_000_000
BEHIND_RECORDS_MAX = 10_000
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: Literal["good", "advice", "wrong"]
    found: str
    remedy: str = ""


@verb("doctor")
def doctor_verb(session: Session) -> int:
    """Say what is wrong with the data folder, and the remedy."""
    from memos_gov import settings

    given = {name: value for name, value in session.overrides().items() if value is not None}
    known = settings.load(session.data, **given)
    folder = known.data
    checks = [*_opened(session), *_engines(known), *_files(folder), *_machine(folder)]
    session.show([check._asdict() for check in checks], _draw)
    return FOUND_WRONG if any(check.state == "wrong" for check in checks) else 0


def _opened(session: Session) -> Iterator[Check]:
    """Open the folder, which compares its files with each other and with the clock."""
    try:
        with session.service() as service:
            yield Check("folder", "good", "opens; its files are of one instance")
            yield Check("clock", "good", "not behind the log")
            yield from _policy(session, service)
            yield _followers(service)
            yield _vault(service)
    except GovernanceError as error:
        yield Check("folder", "wrong", str(error), error.remedy)
    except OSError as error:
        yield _unreadable("folder", error)


def _engines(settings: Settings) -> Iterator[Check]:
    """Look at each engine of the connected set-up by itself; the folder may not open."""
    if settings.engines is None:
        return
    try:
        from memos_gov.bootstrap.diagnosing import looks
    except ModuleNotFoundError:
        return  # what opening the folder said names it
    for look in looks(settings, settings.engines):
        if look.error is None:
            yield Check(look.name, "good", look.found)
        else:
            yield Check(look.name, "wrong", look.found, look.error.remedy)


def _unreadable(name: str, error: OSError) -> Check:
    """Return what the operating system refused, by the file's name."""
    place = Path(str(error.filename)).name if error.filename else "a file of it"
    remedy = remedy_of(error) or "Make it readable to you: ls -l shows its owner and modes."
    return Check(name, "wrong", f"{place} cannot be read ({error.strerror})", remedy)


def _policy(session: Session, service: Service) -> Iterator[Check]:
    """Ask the active policy something, so that its bundle is read and its module runs."""
    try:
        service.rooms.bundles.get(session.acting(service).policy)
        yield Check("policy", "good", "the active bundle is kept here and whole")
    except GovernanceError as error:
        yield Check("policy", "wrong", str(error), error.remedy)


def _followers(service: Service) -> Check:
    """Look how far tables and index are behind; a question brings them to the end."""
    behind = {name: lag for name, lag in service.status().behind.items() if lag > 0}
    if max(behind.values(), default=0) < BEHIND_RECORDS_MAX:
        return Check("followers", "good", f"behind by records: {cell(behind) or 'nothing'}")
    remedy = "Recall or list something: that brings them to the end of the log."
    return Check("followers", "advice", f"behind by records: {cell(behind)}", remedy)


def _vault(service: Service) -> Check:
    """Look whether a rotation was interrupted."""
    vault = service.status().vault
    if not vault.unfinished:
        return Check("vault", "good", f"everything is under epoch {vault.epoch}")
    found = f"a rotation was interrupted: {vault.unfinished}"
    return Check("vault", "advice", found, "Run `memos-gov vault rotate`: it goes on from there.")


def _files(folder: Path) -> Iterator[Check]:
    """Look at the files; what cannot be looked at is found, too."""
    try:
        yield from _modes(folder)
    except OSError as error:
        yield _unreadable("keys", error)


def _modes(folder: Path) -> Iterator[Check]:
    """Look at the modes of what only the operator may read."""
    keys = folder / "keys"
    # (glob would be silent about a folder that cannot be read)
    inside = sorted(keys.iterdir()) if keys.is_dir() else []
    secret = [keys, *inside, *sorted(folder.glob("*.db"))]
    for path in secret:
        if path.exists() and path.stat().st_mode & OTHERS:
            name = path.relative_to(folder)
            remedy = f"chmod go-rwx {path}"
            yield Check(f"{name}", "wrong", "others may read or write it", remedy)
    yield from _secrets(folder)
    if (keys / "recovery").exists():
        yield Check(
            "keys/recovery",
            "advice",
            "the recovery key lies beside what it recovers",
            "Move it to a safe place; nothing here needs it, keys/recovery.pub is enough.",
        )


def _secrets(folder: Path) -> Iterator[Check]:
    """Look whether a secret of an engine stands where others may read it."""
    from memos_gov.engines import secrets_in
    from memos_gov.settings import FILE_NAME, engines_in

    path = folder / FILE_NAME
    if path.exists() and path.stat().st_mode & OTHERS and (held := secrets_in(engines_in(path))):
        found = f"it holds engines.{held[0]}, and others may read or write it"
        remedy = f"chmod go-rwx {path}, or give the secret as a variable."
        yield Check(path.name, "wrong", found, remedy)


def _machine(folder: Path) -> Iterator[Check]:
    """Look at what the machine gives: space, and OPA for authors of policies."""
    place = folder if folder.exists() else folder.parent
    if place.exists():
        free = shutil.disk_usage(place).free
        enough = free >= FREE_BYTES_MIN
        remedy = "" if enough else "Make room: a full disk refuses every command."
        found = f"{free // 1_000_000} MB free"
        yield Check("disk", "good" if enough else "wrong", found, remedy)
    yield _opa()


def _opa() -> Check:
    from memos_gov.bootstrap.policies import require_opa

    try:
        require_opa()
    except GovernanceError as error:
        return Check("opa", "advice", str(error), error.remedy)
    return Check("opa", "good", "the pinned version is installed, for authors of policies")


def _draw(screen: Screen, checks: list[dict[str, str]]) -> None:
    columns = ("name", "state", "found", "remedy")
    screen.table(columns, ([as_typed(check[name]) for name in columns] for check in checks))
