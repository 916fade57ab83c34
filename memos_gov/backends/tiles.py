"""
`FileTileStore`: tiles, entry bundles and checkpoints as files, `<folder>/<tenant>/<path>`.

A file is written aside and renamed, so that whoever reads sees it whole.
Nothing is synced: all of it is made of the log, whoever reads a tile holds it
against a signed root, and what a power cut damaged is made again. What a kill
left aside (`.new`) is no file of the log, and goes with the next rebuild.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path

from memos_gov.errors import UnavailableError, remedy_of

_PATH = re.compile(r"[a-z]+|tile/(?:entries|[0-9]{1,2})/(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/[0-9]{1,3})?")
_FULL = re.compile(r"(?<!\.p)/[0-9]{3}$")
_ASIDE = ".new"
_TENANT = re.compile(r"[a-z0-9_][a-z0-9-]*")


class FileTileStore:
    """See `TileStore`; the folder is made when first written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, tenant: str, path: str) -> bytes | None:
        """See `TileStore.read`."""
        place = self._place(tenant, path)
        try:
            with open(place, "rb", buffering=0) as file:  # noqa: PTH123 (see `_place`)
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unavailable(place, "read", error) from error

    def write(self, tenant: str, files: Iterable[tuple[str, bytes]]) -> None:
        """See `TileStore.write`."""
        for path, body in files:
            place = self._place(tenant, path)
            try:
                self._put(place, body)
            except OSError as error:
                raise _unavailable(place, "written", error) from error

    def _put(self, place: str, body: bytes) -> None:
        """Write a file aside, only its owner's to read, and rename it."""
        aside = f"{place}.{os.getpid()}.{threading.get_ident()}{_ASIDE}"
        try:
            descriptor = _created(aside)
        except FileNotFoundError:
            self._make_folder(Path(place).parent)
            descriptor = _created(aside)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
            os.replace(aside, place)  # noqa: PTH105 (see `_place`)
        except BaseException:
            os.unlink(aside)  # noqa: PTH108 (see `_place`)
            raise
        if _FULL.search(place):
            _remove_partial(f"{place}.p")

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir()
        except FileExistsError:
            pass
        except FileNotFoundError:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(parents=True, exist_ok=True)

    def paths(self, tenant: str) -> list[str]:
        """See `TileStore.paths`."""
        place = Path(self._place(tenant, "checkpoint")).parent
        try:
            found = [p for p in place.rglob("*") if not p.is_dir() and p.suffix != _ASIDE]
        except OSError as error:
            raise _unavailable(place, "read", error) from error
        return sorted(path.relative_to(place).as_posix() for path in found)

    def clear(self, tenant: str | None = None) -> None:
        """See `TileStore.clear`."""
        place = self._folder
        if tenant is not None:
            place = Path(self._place(tenant, "checkpoint")).parent
        try:
            if place.exists():
                shutil.rmtree(place)
        except OSError as error:
            raise _unavailable(place, "removed", error) from error

    def _place(self, tenant: str, path: str) -> str:
        """Return where a file lies: as text, since a path costs as much as opening the file."""
        assert _TENANT.fullmatch(tenant)
        assert _PATH.fullmatch(path)
        return f"{self._folder}/{tenant}/{path}"


def _created(path: str) -> int:
    return os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)


def _remove_partial(folder: str) -> None:
    """Remove the partial tiles that a full one replaces; a reader falls back to that."""
    try:
        for name in os.listdir(folder):  # noqa: PTH208 (names are all that is needed)
            os.unlink(f"{folder}/{name}")  # noqa: PTH108 (as above)
        os.rmdir(folder)  # noqa: PTH106 (as above)
    except FileNotFoundError:
        return


def _unavailable(place: Path | str, what: str, error: OSError) -> UnavailableError:
    msg = f"{place} cannot be {what} ({os.strerror(error.errno or 0)})"
    return UnavailableError(msg, backend="tiles", remedy=remedy_of(error))
