"""
Who has a data folder open: any number of services together, or one rebuild alone.

The lock is the operating system's (`flock`) on the folder itself, so it needs
no file, ends with the process that holds it, however that ends, and is no part
of a copy of the folder.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memos_gov.errors import UnavailableError, remedy_of

WAIT_S = 2.0
_PAUSE_S = 0.02


@contextmanager
def folder_held(folder: Path, *, alone: bool) -> Iterator[None]:
    """
    Hold a folder, `alone` or beside others, waiting WAIT_S for those in the way.

    Raises:
        UnavailableError: They stayed, or the folder cannot be opened.
    """
    with _translated(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _translated(folder):
            locked = _locked(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not locked:
            raise _in_use(folder, alone=alone)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"{folder} cannot be opened ({os.strerror(error.errno or 0)})"
        raise UnavailableError(msg, backend="files", remedy=remedy_of(error)) from error


def _locked(descriptor: int, how: int) -> bool:
    """Take the lock, waiting a moment for it; return whether it was got."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE_S)
        else:
            return True


def _in_use(folder: Path, *, alone: bool) -> UnavailableError:
    if alone:
        msg = f"{folder} is in use: something else has it open"
        remedy = "Close what has the folder open, then type it again."
    else:
        msg = f"{folder} is being rebuilt"
        remedy = "Wait until the rebuild is done, then type it again."
    return UnavailableError(msg, backend="files", remedy=remedy)
