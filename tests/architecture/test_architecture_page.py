"""ARCHITECTURE.md stays short enough to read and true enough to trust."""

import re

import pytest

from tests.architecture.source import ROOT, ports, rooms

LINES_MAX = 300


@pytest.fixture(scope="module")
def page() -> str:
    """Return the text of ARCHITECTURE.md."""
    return (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def test_page_of_the_architecture_stays_within_three_hundred_lines(page: str) -> None:
    """It serves a newcomer's first hour."""
    assert len(page.splitlines()) <= LINES_MAX


def test_page_of_the_architecture_names_every_room(page: str) -> None:
    """A room that is not on the map is found by nobody."""
    missing = [room for room in rooms() if not re.search(rf"\b{re.escape(room)}", page)]

    assert [] == missing


def test_page_of_the_architecture_names_every_port(page: str) -> None:
    """A newcomer sees at once what the core needs of the world."""
    assert [] == [port for port in ports() if not re.search(rf"\b{port}\b", page)]


def test_page_of_the_architecture_names_only_files_that_exist(page: str) -> None:
    """A path on the page leads somewhere."""
    named = set(re.findall(r"\b(?:memos_gov|tests|policies|scripts|migrations)/[\w/]+\.\w+", page))

    assert [] == sorted(path for path in named if not (ROOT / path).is_file())
