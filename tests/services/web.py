"""A small engine that is real in everything but its purpose: Python's own web server."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.services.engine import Engine
from scripts.services.network import http_answers
from scripts.services.places import HOST, Places

STUBBORN = """
import signal, sys, http.server
signal.signal(signal.SIGTERM, signal.SIG_IGN)
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind=sys.argv[2])
"""

# Its first thread ends when it is asked to; another one holds the port for some time yet.
LINGERING = """
import ctypes, os, signal, sys, threading, time, http.server
address = sys.argv[2], int(sys.argv[1])
server = http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever).start()
def end(*_):
    threading.Thread(target=lambda: (time.sleep(1), os._exit(0))).start()
    ctypes.CDLL(None).pthread_exit(None)
signal.signal(signal.SIGTERM, end)
signal.pause()
"""


class Web(Engine):
    """Serves its run folder."""

    name = "web"
    ports = ("web",)
    scheme = "http://"

    def version(self) -> str:
        """Return the version of this Python."""
        return sys.version.split()[0]

    def lacks(self) -> list[str]:
        """Return nothing: Python is here."""
        return []

    def obtain(self) -> None:
        """There is nothing to fetch."""

    def lay_out(self) -> None:
        """Make the data folder."""
        self.data.mkdir(exist_ok=True)

    def command(self) -> Sequence[str | Path]:
        """Serve on the loopback."""
        return [sys.executable, "-m", "http.server", str(self.port()), "--bind", HOST]

    def answers(self) -> bool:
        """Tell whether it serves."""
        return http_answers(HOST, self.port(), "/")


class StubbornWeb(Web):
    """Does not end when it is asked to."""

    def command(self) -> Sequence[str | Path]:
        """Serve, and ignore SIGTERM."""
        return [sys.executable, "-c", STUBBORN, str(self.port()), HOST]


class LingeringWeb(Web):
    """Ends as one that is killed while the disk keeps a thread of it."""

    def command(self) -> Sequence[str | Path]:
        """Serve, and end by and by."""
        return [sys.executable, "-c", LINGERING, str(self.port()), HOST]


class BrokenWeb(Web):
    """Ends with a word as soon as it is started."""

    def command(self) -> Sequence[str | Path]:
        """Say why, and end."""
        return [sys.executable, "-c", "print('the disk is made of cheese')"]


def places(folder: Path) -> Places:
    """Return places of a test's own, with a port that is free now."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        ports = {"web": server.getsockname()[1]}
    return Places(runs=folder / "runs", caches=folder / "caches", ports=ports)
