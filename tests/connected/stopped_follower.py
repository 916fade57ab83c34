"""
An index follower that stops itself: just before it sends entries, or once it has sent them.

    python -m tests.connected.stopped_follower FOLDER before|after

It has read the facts, has its turn, and was told that the turn is its own. Its lease is
over by then, so that no erasure waits for that.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import memos_gov
from memos_gov.backends.weaviate import store
from memos_gov.errors import UnavailableError


def main(folder: str, moment: str) -> None:
    """Follow once, and stop at that moment."""
    with memos_gov.open(folder) as gov:
        sent = store._insert

        def stopping(cubes: Any, objects: Any) -> list[int]:
            gov.rooms.governor.leasing.release()
            if moment == "before":
                os.kill(os.getpid(), signal.SIGSTOP)
            refused = sent(cubes, objects)
            if moment == "after":
                os.kill(os.getpid(), signal.SIGSTOP)
            return refused

        store._insert = stopping
        try:
            gov.rooms.index_follower.catch_up()
        except UnavailableError:
            os._exit(6)  # (the lease stays, and nothing is said to have ended well)


if __name__ == "__main__":
    main(*sys.argv[1:])
