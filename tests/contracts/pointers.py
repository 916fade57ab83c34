"""
What every Pointers promises, proved against any backend.

A subclass gives the fixtures `open_pointers` (opens the one store of the test,
again and again; the fixture closes them) and `broken` (one whose store does
not answer).
"""

from collections.abc import Callable

import pytest

from memos_gov.errors import CorruptionError, UnavailableError
from memos_gov.ports import Pointers

OpenPointers = Callable[[], Pointers]


class PointersContract:
    """The rules of the port `Pointers`, as tests."""

    @pytest.fixture
    def pointers(self, open_pointers: OpenPointers) -> Pointers:
        """Return the pointers under test, none set."""
        return open_pointers()

    def test_pointer_that_was_never_set_is_what_the_caller_says(self, pointers: Pointers) -> None:
        """And asking sets nothing."""
        assert "tables" == pointers.get("tables", "tables")
        assert {} == pointers.all()

    def test_pointer_set_is_seen_at_once_by_every_opening(
        self, pointers: Pointers, open_pointers: OpenPointers
    ) -> None:
        """The last one who moved it decides."""
        elsewhere = open_pointers()
        pointers.set("tables", "tables.2")
        assert "tables.2" == elsewhere.get("tables", "tables")

        elsewhere.set("tables", "tables.3")

        assert "tables.3" == pointers.get("tables", "tables")

    def test_pointers_are_there_after_opening_again(self, open_pointers: OpenPointers) -> None:
        """All of them, in order of name."""
        first = open_pointers()
        for name in ("b", "a", "c"):
            first.set(name, f"{name} points here")
        first.close()

        found = open_pointers().all()

        assert [("a", "a points here"), ("b", "b points here"), ("c", "c points here")] == list(
            found.items()
        )

    def test_store_that_does_not_answer_is_unavailable_or_corrupt(self, broken: Pointers) -> None:
        """Every driver error is translated, with its cause."""
        for act in (
            lambda: broken.get("tables", "tables"),
            broken.all,
            lambda: broken.set("tables", "tables.2"),
        ):
            with pytest.raises((UnavailableError, CorruptionError)) as caught:
                act()

            assert caught.value.__cause__ is not None
