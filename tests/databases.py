"""Databases for one test on the Postgres that `tests/engines.py` names, and removed after it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.conninfo import conninfo_to_dict

from memos_gov.backends.postgres.connection import (
    another_database,
    connect,
    drop_database,
    make_database,
)
from tests.engines import POSTGRES

NOBODY = "postgresql://memos_gov@127.0.0.1:9/nobody"  # where nobody listens


def unused_address() -> str:
    """Return the address of a database that nobody else knows; it does not exist yet."""
    return another_database(POSTGRES, f"test_{uuid.uuid4().hex}")


@contextmanager
def fresh_database() -> Iterator[str]:
    """Make a database that nobody else knows, yield its address, and remove it."""
    url = unused_address()
    make_database(url)
    try:
        yield url
    finally:
        drop_database(url)


@contextmanager
def copy_of(url: str) -> Iterator[str]:
    """Make a copy of a database that nobody is connected to, yield its address, and remove it."""
    copy = unused_address()
    name, model = (conninfo_to_dict(address)["dbname"] for address in (copy, url))
    with connect(POSTGRES) as server:
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{model}"'.encode())
    try:
        yield copy
    finally:
        drop_database(copy)
