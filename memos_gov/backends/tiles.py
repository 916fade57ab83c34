"""
`FileTileStore`: tiles, entry bundles and checkpoints as files, `<folder>/<tenant>/<path>`.

A file is written aside and renamed, so that whoever reads sees it whole.
Nothing is synced: all of it is made of the log, whoever reads a tile holds it
against a signed root, and what a power cut damaged is made again.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from memos_gov.errors import UnavailableError, remedy_of

_PATH = re.compile(r"[a-z]+|tile/(?:entries|[0-9]{1,2})/(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/[0-9]{1,3})?")
_TENANT = re.compile(r"[a-z0-9_][a-z0-9-]*")


class FileTileStore:
    """See `TileStore`; the folder is made when first written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, tenant: str, path: str) -> bytes | None:
        """See `TileStore.read`."""
        place = self._place(tenant, path)
        try:
            return place.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unavailable(place, "read", error) from error

    def write(self, tenant: str, files: Iterable[tuple[str, bytes]]) -> None:
        """See `TileStore.write`."""
        for path, body in files:
            place = self._place(tenant, path)
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _put(place, body)
                shutil.rmtree(place.with_name(f"{place.name}.p"), ignore_errors=True)
            except OSError as error:
                raise _unavailable(place, "written", error) from error

    def clear(self, tenant: str) -> None:
        """See `TileStore.clear`."""
        place = self._place(tenant, "checkpoint").parent
        try:
            if place.exists():
                shutil.rmtree(place)
        except OSError as error:
            raise _unavailable(place, "removed", error) from error

    def tenants(self) -> list[str]:
        """See `TileStore.tenants`."""
        try:
            found = (path.name for path in self._folder.iterdir() if path.is_dir())
            return sorted(name for name in found if _TENANT.fullmatch(name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unavailable(self._folder, "read", error) from error

    def _place(self, tenant: str, path: str) -> Path:
        assert _TENANT.fullmatch(tenant)
        assert _PATH.fullmatch(path)
        return self._folder / tenant / path


def _put(place: Path, body: bytes) -> None:
    """Write a file aside, only its owner's to read, and rename it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(prefix=".new-", dir=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        Path(aside).replace(place)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _unavailable(place: Path, what: str, error: OSError) -> UnavailableError:
    msg = f"{place} cannot be {what} ({os.strerror(error.errno or 0)})"
    return UnavailableError(msg, backend="tiles", remedy=remedy_of(error))
