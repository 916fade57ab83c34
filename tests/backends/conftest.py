"""What the tests of several backends begin with."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def operations_model() -> Iterator[str]:
    """Return the address of a database of operations on Postgres in which nothing is."""
    from memos_gov.backends.postgres import migrate
    from tests.databases import fresh_database

    with fresh_database() as url:
        migrate.upgrade(url, "operations")
        yield url
