"""
`FileWitness`: the newest head of each log in a folder that is not part of the data folder.

On another disk, or another machine's, it notices a data folder that was put
back: a log older than the newest head that was witnessed is not opened.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from memos_gov.errors import SettingsError, UnavailableError, remedy_of

_NAME = "checkpoint"


class FileWitness:
    """See `Witness`; heads lie at `<folder>/<origin>/checkpoint`."""

    def __init__(self, folder: Path) -> None:
        """
        Use a folder that is there.

        Raises:
            SettingsError: It is not: to make it would forget what it has witnessed.
        """
        if not folder.is_dir():
            msg = f"setting witness: {folder} is no folder"
            remedy = "Mount or make it, or change the setting; heads are witnessed nowhere else."
            raise SettingsError(msg, remedy=remedy)
        self._folder = folder

    def keep(self, origin: str, note: str) -> None:
        """See `Witness.keep`."""
        place = self._place(origin)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            _put_synced(place, note.encode())
        except OSError as error:
            msg = f"{place} cannot be written ({os.strerror(error.errno or 0)})"
            raise UnavailableError(msg, backend="witness", remedy=remedy_of(error)) from error

    def newest(self, origin: str) -> str | None:
        """See `Witness.newest`."""
        place = self._place(origin)
        try:
            return place.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = f"{place} cannot be read ({os.strerror(error.errno or 0)})"
            raise UnavailableError(msg, backend="witness", remedy=remedy_of(error)) from error

    def _place(self, origin: str) -> Path:
        parts = origin.split("/")
        assert all(part not in {"", ".", ".."} for part in parts)
        return self._folder.joinpath(*parts, _NAME)


def _put_synced(place: Path, body: bytes) -> None:
    descriptor, aside = tempfile.mkstemp(prefix=".new-", dir=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).replace(place)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
