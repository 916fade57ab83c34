"""An open port is no answer: each engine is asked in its own protocol."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from scripts.services.network import (
    holder,
    http_answers,
    is_free,
    kafka_answers,
    postgres_answers,
)
from scripts.services.places import HOST

BROKER = b"\0\0\0\1\0\0\0\1\0\t127.0.0.1\0\0J\x94"
AUTHENTICATED = b"R\0\0\0\x08\0\0\0\0"
STARTING = b"E\0\0\0\x2aSFATAL\0C57P03\0Mthe database system is starting up\0\0"
WRONG_DOOR = b"HTTP/1.0 400 Bad Request\r\n\r\n"


@contextmanager
def serving(answer: bytes) -> Iterator[int]:
    """Serve one caller with one answer, at the port that is yielded."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def postgres(host: str, port: int) -> bool:
    """Ask as the user of the tests."""
    return postgres_answers(host, port, "memos_gov")


def web(host: str, port: int) -> bool:
    """Ask for a page."""
    return http_answers(host, port, "/health")


def kafka_reply(body: bytes) -> bytes:
    """Return a reply of Kafka to the question about brokers."""
    return (len(body) + 4).to_bytes(4) + (77).to_bytes(4) + body


@pytest.mark.parametrize(
    ("ask", "answer", "expected"),
    [
        (kafka_answers, kafka_reply(b"\0\0\0\1" + BROKER), True),
        (kafka_answers, kafka_reply(b"\0\0\0\0"), False),
        (kafka_answers, WRONG_DOOR, False),
        (kafka_answers, b"", False),
        (postgres, AUTHENTICATED, True),
        (postgres, STARTING, False),
        (postgres, WRONG_DOOR, False),
        (postgres, b"", False),
        (web, b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (web, b"HTTP/1.0 503 Service Unavailable\r\n\r\n", False),
        (web, AUTHENTICATED, False),
        (web, b"", False),
    ],
)
def test_engine_counts_as_answering_when_it_says_that_it_serves(
    ask: Callable[[str, int], bool], answer: bytes, expected: bool
) -> None:
    """One that is starting, one that says nothing and one of another kind do not."""
    with serving(answer) as port:
        assert expected == ask(HOST, port)


@pytest.mark.parametrize("ask", [kafka_answers, postgres, web])
def test_engine_where_nothing_listens_is_silent(ask: Callable[[str, int], bool]) -> None:
    """Silence is an answer to this question and no error."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]

    assert is_free(port)
    assert not ask(HOST, port)


@pytest.mark.parametrize("host", [HOST, "::ffff:127.0.0.1"])
def test_port_that_is_taken_names_the_process_that_has_it(host: str) -> None:
    """Java listens by the newer IP even on the older loopback, and is found, too."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        if ":" in host:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind((host, 0))
        server.listen()
        port = server.getsockname()[1]

        assert not is_free(port)
        assert holder(port).startswith(f"pid {os.getpid()}, ")
