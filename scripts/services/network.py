"""
Who answers at an address, and who has taken a port.

Each question speaks the engine's own protocol, so that an open port of something
else, or of an engine that is still starting, is no answer. None raises: silence
is `False`.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
from pathlib import Path

from scripts.services.places import HOST

PATIENCE_S = 2.0
_STARTING_UP = b"57P03"  # Postgres: cannot_connect_now
_METADATA, _CORRELATION = 3, 77  # Kafka: the request for topics and brokers
_LISTENING = "0A"  # proc(5), /proc/net/tcp


def http_answers(host: str, port: int, path: str) -> bool:
    """Tell whether a GET of `path` is answered with 200."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def kafka_answers(host: str, port: int) -> bool:
    """Tell whether a broker says that at least one broker serves."""
    header = struct.pack(">hhih2s", _METADATA, 0, _CORRELATION, 2, b"up")
    question = header + struct.pack(">i", 0)  # about no topic
    try:
        answer = exchange(host, port, question)
    except OSError:
        return False
    correlation, brokers = answer[:4], answer[4:8]
    return correlation == struct.pack(">i", _CORRELATION) and int.from_bytes(brokers) > 0


def exchange(host: str, port: int, question: bytes) -> bytes:
    """Send one message after its length, and return the beginning of the answer."""
    with socket.create_connection((host, port), timeout=PATIENCE_S) as connection:
        connection.sendall(struct.pack(">i", len(question)) + question)
        connection.recv(4, socket.MSG_WAITALL)
        return connection.recv(4096)


def postgres_answers(host: str, port: int, user: str) -> bool:
    """Tell whether a server takes connections; who may enter is not asked."""
    words = b"".join(part + b"\0" for part in (b"user", user.encode(), b"database", b"postgres"))
    startup = struct.pack(">i", 3 << 16) + words + b"\0"
    try:
        with socket.create_connection((host, port), timeout=PATIENCE_S) as connection:
            connection.sendall(struct.pack(">i", len(startup) + 4) + startup)
            answer = connection.recv(4096)
    except OSError:
        return False
    return answer[:1] in {b"R", b"E"} and _STARTING_UP not in answer


def is_free(port: int) -> bool:
    """Tell whether a server could listen at this port now."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Return pid and name of the process that listens at a port, as far as they can be seen."""
    sockets = {f"socket:[{inode}]" for inode in listening(port)}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(str(link.readlink()) in sockets for link in (folder / "fd").iterdir()):
                return f"pid {folder.name}, {(folder / 'comm').read_text().strip()}"
    return "a process of somebody else"


def listening(port: int) -> list[str]:
    """Return the inodes of the sockets that listen at a port, in either version of IP."""
    tables = [Path("/proc/net", name) for name in ("tcp", "tcp6")]
    lines = [line for table in tables if table.exists() for line in table.read_text().splitlines()]
    rows = [line.split() for line in lines if not line.lstrip().startswith("sl")]
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1][-4:], 16) == port]
