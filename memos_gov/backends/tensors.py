"""
`FileTensorStore`: files of tensors as files, `<folder>/<tenant>/<name>.kv`.

A file is written aside, synced, and linked under its name, which fails where
another was quicker. What a kill left aside is no file to anybody, and is
removed by a later writer.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path

from memos_gov.errors import UnavailableError, remedy_of

SUFFIX, _ASIDE = ".kv", ".new"
LEFT_S = 3600.0  # longer than any file is being written
_NAME = re.compile(r"[0-9a-z]{1,100}")
_TENANT = re.compile(r"[a-z0-9_][a-z0-9-]{0,62}")


class FileTensorStore:
    """See `TensorStore`; the folder is made when first written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, tenant: str, name: str, body: bytes) -> bool:
        """See `TensorStore.put`."""
        place = self._place(tenant, name)
        try:
            self._make_folder(place.parent)
            return _written(place, body)
        except OSError as error:
            raise _unavailable(place, "written", error) from error

    def get(self, tenant: str, name: str, size_bytes: int | None = None) -> bytes | None:
        """See `TensorStore.get`."""
        place = self._place(tenant, name)
        try:
            with place.open("rb") as file:
                return file.read(-1 if size_bytes is None else size_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(place, "read", error) from error

    def remove(self, tenant: str, name: str) -> bool:
        """See `TensorStore.remove`."""
        place = self._place(tenant, name)
        try:
            place.unlink()
            _sync(place.parent)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unavailable(place, "removed", error) from error
        return True

    def names(self, tenant: str) -> list[str]:
        """See `TensorStore.names`."""
        folder = self._place(tenant, "x").parent
        try:
            found = [path.stem for path in folder.iterdir() if path.suffix == SUFFIX]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unavailable(folder, "read", error) from error
        return sorted(found)

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)

    def _place(self, tenant: str, name: str) -> Path:
        assert _TENANT.fullmatch(tenant)
        assert _NAME.fullmatch(name)
        return self._folder / tenant / f"{name}{SUFFIX}"


def _written(place: Path, body: bytes) -> bool:
    """Write a file aside and give it its name; return False where another file has that."""
    _remove_left(place)
    aside = place.with_suffix(f".{secrets.token_hex(8)}{_ASIDE}")
    try:
        descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        place.hardlink_to(aside)
    except FileExistsError:
        return False
    finally:
        aside.unlink(missing_ok=True)
        _sync(place.parent)
    return True


def _remove_left(place: Path) -> None:
    """Remove what processes that were killed left aside."""
    oldest = time.time() - LEFT_S
    for left in place.parent.glob(f"*{_ASIDE}"):
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < oldest:
                left.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(place: Path, what: str, error: OSError) -> UnavailableError:
    msg = f"{place} cannot be {what} ({os.strerror(error.errno or 0)})"
    return UnavailableError(msg, backend="tensors", remedy=remedy_of(error))
