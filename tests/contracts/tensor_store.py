"""
What every TensorStore promises, proved against any backend.

A subclass gives the fixtures `store` and `broken` (one that cannot be written).
"""

from threading import Thread

import pytest

from memos_gov.errors import UnavailableError
from memos_gov.ports import TensorStore

TENANT, NAME = "acme", "ab01"


class TensorStoreContract:
    """The rules of the port `TensorStore`, as tests."""

    def test_file_put_is_read_back_whole_or_from_its_beginning(self, store: TensorStore) -> None:
        """Bit for bit."""
        assert store.put(TENANT, NAME, b"0123456789")

        assert b"0123456789" == store.get(TENANT, NAME)
        assert (b"0123", b"") == (store.get(TENANT, NAME, 4), store.get(TENANT, NAME, 0))

    def test_file_that_is_there_stays(self, store: TensorStore) -> None:
        """Whoever comes second is told so."""
        assert [True, False] == [store.put(TENANT, NAME, body) for body in (b"first", b"second")]

        assert b"first" == store.get(TENANT, NAME)

    def test_file_that_is_not_there_is_none(self, store: TensorStore) -> None:
        """Neither of this tenant nor by way of another's."""
        store.put("other", NAME, b"x")

        assert store.get(TENANT, NAME) is None
        assert not store.remove(TENANT, NAME)
        assert [] == store.names(TENANT)

    def test_file_removed_is_gone_and_may_be_put_again(self, store: TensorStore) -> None:
        """No other one is touched."""
        for name in (NAME, "cd02"):
            store.put(TENANT, name, b"x")

        assert store.remove(TENANT, NAME)

        assert (None, ["cd02"]) == (store.get(TENANT, NAME), store.names(TENANT))
        assert store.put(TENANT, NAME, b"y")

    def test_names_of_a_tenant_are_in_order_and_of_no_other(self, store: TensorStore) -> None:
        """As they were given."""
        for name in ("c3", "a1", "b2"):
            store.put(TENANT, name, b"x")
        store.put("other", "d4", b"x")

        assert ["a1", "b2", "c3"] == store.names(TENANT)

    def test_one_of_many_writers_of_a_name_wins(self, store: TensorStore) -> None:
        """The file is that one's, whole."""
        bodies = [bytes([n]) * 100_000 for n in range(8)]
        won: list[bytes] = []

        def put(body: bytes) -> None:
            if store.put(TENANT, NAME, body):
                won.append(body)

        threads = [Thread(target=put, args=(body,)) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert won == [store.get(TENANT, NAME)]

    def test_store_that_cannot_be_written_is_unavailable(self, broken: TensorStore) -> None:
        """The cause is kept."""
        with pytest.raises(UnavailableError) as caught:
            broken.put(TENANT, NAME, b"x")

        assert isinstance(caught.value.__cause__, OSError)
