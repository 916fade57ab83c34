"""Databases for one test on the Postgres that `tests/engines.py` names, and removed after it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from memos_gov.backends.postgres.connection import another_database, drop_database, make_database
from tests.engines import POSTGRES


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
