"""
Making a data folder: checked settings in, a whole folder and an open `Service` out.

Everything that could be wrong with the settings and the place is said before
the first file is made. The folder is made aside, as `.<name>.<8 letters>`, and
renamed at the end; what a kill left aside is cleared by the next `init`.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from memos_gov import settings as settings_module
from memos_gov.backends.clock import SystemClock
from memos_gov.backends.files import FilePolicyBundles, shipped_bundle
from memos_gov.backends.keyfiles import KeyFiles
from memos_gov.bootstrap.embedded import INDEX, LOG, OPERATIONS, TABLES, VAULT
from memos_gov.bootstrap.opening import build_rooms, open_service, open_stores, set_up
from memos_gov.bootstrap.setups import SetUp
from memos_gov.domain import commands as c
from memos_gov.domain import ids
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.domain.vocabulary import check_words
from memos_gov.engines import require_writable
from memos_gov.errors import SettingsError, UnavailableError, remedy_of
from memos_gov.follow import mac_secret
from memos_gov.founding import found_log, found_tenant
from memos_gov.fsck.folder import OPERATOR
from memos_gov.ports import Clock, KeyStore
from memos_gov.service import Service
from memos_gov.settings import Settings

STALE_S = 3600
_OURS = (LOG, VAULT, OPERATIONS, INDEX, TABLES, "keys", "policies", settings_module.FILE_NAME)


def init(
    data: Path | str | None = None,
    *,
    clock: Clock | None = None,
    **overrides: object,
) -> Service:
    """
    Make a data folder, found tenant and first principal of the settings, and open it.

    The folder appears whole: it is made aside and renamed at the end. A link to
    an empty folder stays a link; the folder it names is the one that is made.

    Raises:
        InvalidCommandError: Names the setting that cannot be a name, or that the
            shipped policies have no such word for; nothing was made.
        SettingsError: The folder exists and is not empty, or is none; nothing was made.
        UnavailableError: It cannot be written; nothing was left behind.
    """
    settings = settings_module.load(data, **overrides)
    bundle = shipped_bundle()
    _check(settings, bundle)
    try:
        folder = Path(os.path.realpath(settings.data))
        _require_place(folder)
        _make_aside(settings, bundle, folder, clock or SystemClock())
    except OSError as error:
        msg = f"{settings.data} cannot be made ({os.strerror(error.errno or 0)})"
        raise UnavailableError(msg, backend="files", remedy=remedy_of(error)) from error
    return open_service(data, clock=clock, **overrides)


def remove_stores(data: Path | str | None = None, **overrides: object) -> None:
    """
    Remove what the engines hold of a data folder: topic, databases, collection; for ever.

    Of the embedded set-up nothing lies outside of the folder.

    Raises:
        UnavailableError: An engine did not answer; what is left can be removed again.
    """
    settings = settings_module.load(data, **overrides)
    with ExitStack() as stack:
        set_up(settings, SystemClock(), stack).remove()


def _check(settings: Settings, bundle: PolicyBundle) -> None:
    """Refuse names and words that no command could use later, and secrets that would be written."""
    c.make(
        c.Circumstances,
        principal=settings.principal,
        tenant=settings.tenant,
        purpose=settings.purpose,
    )
    check_words(settings, bundle.vocabulary)
    if settings.engines is not None:
        require_writable(settings.engines)


def _require_place(folder: Path) -> None:
    """Refuse a place that is taken, below a file, or where the caller stands."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        msg = f"{there} is a file, so no data folder can be made there"
    elif there == folder and any(folder.iterdir()):
        msg = f"{folder} exists already and is not empty"
    elif there == folder and folder.samefile("."):
        msg = f"{folder} is the current folder, which cannot be replaced by a new one"
    else:
        return
    raise SettingsError(msg, remedy="Name a new folder, or use the one that is there.")


def _make_aside(settings: Settings, bundle: PolicyBundle, folder: Path, clock: Clock) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _clear_stale(folder, aside.stat().st_mtime)
        _make(settings, bundle, aside, folder, clock)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _clear_stale(folder: Path, now_s: float) -> None:
    """Remove what killed runs left beside the folder, an hour after their last step."""
    made = re.compile(rf"\.{re.escape(folder.name)}\.[a-z0-9_]{{8}}")
    for path in folder.parent.iterdir():
        if made.fullmatch(path.name) and _is_left(path, now_s):
            shutil.rmtree(path, ignore_errors=True)


def _is_left(path: Path, now_s: float) -> bool:
    """Whether a folder holds only files of a data folder, and none was added for an hour."""
    try:
        if path.is_symlink() or not path.is_dir() or now_s - path.stat().st_mtime < STALE_S:
            return False
        return all(part.name.startswith(_OURS) for part in path.iterdir())
    except OSError:
        return False


def _make(
    settings: Settings, bundle: PolicyBundle, aside: Path, folder: Path, clock: Clock
) -> None:
    """Make a folder and its stores aside, and put it in its place at the very end."""
    keys = KeyFiles(aside / "keys")
    keys.make()
    FilePolicyBundles(aside / "policies").put(bundle)
    made = settings.model_copy(update={"data": aside, "certifies": True})
    instance, opened = secrets.token_hex(16), ExitStack()
    setup = set_up(made, clock, opened)
    with setup.founded(instance) as settle:
        with opened:
            _found(made, bundle, clock, opened, setup, instance)
        settings_module.write(settings, aside / settings_module.FILE_NAME)
        aside.chmod(0o700)
        settle()
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)


def _found(
    settings: Settings,
    bundle: PolicyBundle,
    clock: Clock,
    stack: ExitStack,
    setup: SetUp,
    instance: str,
) -> None:
    """Begin a log, its vault and its first tenant in stores that are laid out."""
    keys = KeyFiles(settings.data / "keys")
    setup.found_vault(instance, round(clock.now().timestamp() * 1000))
    stores = open_stores(setup, lambda _, vault: _enrolled(vault, instance, keys))
    rooms = build_rooms(settings, clock, stack, setup, stores)
    found_log(rooms.governor, instance, stores.mac[0])
    words = bundle.vocabulary
    found_tenant(
        rooms.governor,
        settings.tenant,
        settings.principal,
        policy=bundle.digest,
        clearance=max(words.labels, key=lambda label: words.labels[label]),
        purposes=tuple(sorted(words.purposes)),
        verifier_key=rooms.verifier_key,
        recovery_key=rooms.recovery_key(),
    )
    rooms.index.position()  # every file is there from the beginning, so fsck can miss one


def _enrolled(vault: KeyStore, instance: str, keys: KeyFiles) -> tuple[str, bytes]:
    """Make the secrets of an empty vault: the operator's, and the first proposer's; return this."""
    if vault.instance != instance:
        msg = "another `init` took these names meanwhile; nothing of its stores was touched"
        raise UnavailableError(msg, backend="vault")
    name = f"m_{secrets.token_hex(8)}"
    mac_key = vault.secret(ids.INSTANCE, mac_secret(name), create=True)
    operator = vault.secret(ids.INSTANCE, OPERATOR, create=True)
    assert mac_key is not None
    assert operator is not None
    keys.keep_operator(operator)
    return name, mac_key
