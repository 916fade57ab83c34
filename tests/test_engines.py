"""The engines of the connected set-up answer, in the versions that are meant."""

import http.client
import json
import socket
from typing import Any

import psycopg
import pytest

from scripts.services.weaviate import VERSION
from tests.engines import OPA, POSTGRES, WEAVIATE, WEAVIATE_GRPC_PORT, place, silent

pytestmark = pytest.mark.connected


def asked(address: str, path: str) -> Any:
    """Return the JSON that an engine answers to a GET, or None where it is no 200."""
    connection = http.client.HTTPConnection(*place(address), timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return json.load(answer) if answer.status == http.client.OK else None
    finally:
        connection.close()


def test_engines_that_tests_name_answer_in_their_own_protocols() -> None:
    """Kafka names a serving broker, Postgres takes a connection, OPA and Weaviate are healthy."""
    assert [] == silent()


def test_postgres_is_fifteen_or_newer_and_orders_text_by_bytes() -> None:
    """Text is UTF-8 and its order the same on every machine."""
    with psycopg.connect(POSTGRES) as connection:
        row = connection.execute(
            "select current_setting('server_version_num')::int, pg_encoding_to_char(encoding),"
            " datcollate from pg_database where datname = 'template1'"
        ).fetchone()

    assert row is not None
    assert row[0] >= 150_000
    assert row[1:] == ("UTF8", "C")


def test_opa_that_is_asked_for_an_unknown_document_gives_no_result() -> None:
    """Undefined is an answer and no error, and the caller must take it for a no."""
    assert "result" not in asked(OPA, "/v1/data/memos_gov_nothing_is_here")


def test_weaviate_is_the_pinned_version_and_has_no_module_that_calls_out() -> None:
    """Vectors are our own; the port for gRPC listens, too."""
    meta = asked(WEAVIATE, "/v1/meta")

    assert meta["version"] == VERSION
    assert not meta.get("modules")
    socket.create_connection((place(WEAVIATE)[0], WEAVIATE_GRPC_PORT), timeout=5).close()
