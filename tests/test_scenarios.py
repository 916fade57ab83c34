"""
Scenarios: the same commands on every set-up give the same answers, tables and roots.

Each is a story that a person can read (`tests/scenarios`, `tests/stories.py`).
Afterwards fsck is clean, and what is made again from the log equals what lives.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from memos_gov.bootstrap import fsck, rebuild
from memos_gov.domain.commands import COMMAND_TYPES
from memos_gov.domain.events import EVENT_TYPES
from tests.connected_folders import own_engines, removed_afterwards
from tests.stories import STORIES, Lived, live

# A story turns its clock by years, and the broker's stands.
ANY_TIME = {f"message.timestamp.{side}.max.ms": str(2**63 - 1) for side in ("before", "after")}
Embedded = Callable[[Path], tuple[Path, Lived]]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    """Return what gives the folder that a story left on the embedded set-up; it is told once."""
    told: dict[Path, tuple[Path, Lived]] = {}

    def of(story: Path) -> tuple[Path, Lived]:
        if story not in told:
            folder = tmp_path_factory.mktemp(story.stem) / "data"
            told[story] = folder, live(folder, story)
        return told[story]

    return of


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_scenario_gives_what_it_says_and_follows_from_its_log(
    story: Path, embedded: Embedded
) -> None:
    """On the embedded set-up: fsck is clean, and rebuilt equals live."""
    folder, lived = embedded(story)

    assert [] == list(fsck(folder).findings)
    assert {t: root for t, (_, root) in lived.roots.items()} == rebuild(folder).roots
    assert [] == list(fsck(folder).findings)


@pytest.mark.connected
@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_scenario_has_the_same_history_on_engines(
    story: Path, embedded: Embedded, tmp_path: Path
) -> None:
    """Equal tables and equal roots; on engines too fsck is clean, and rebuilt equals live."""
    pytest.importorskip("kafka")
    _, there = embedded(story)

    with (
        patch.dict("memos_gov.backends.kafka.topic.REQUIRED", ANY_TIME),
        removed_afterwards(tmp_path / "connected") as folder,
    ):
        here = live(folder, story, engines=own_engines())

        assert there.roots == here.roots
        for name, rows in there.tables.items():
            assert rows == here.tables[name], name
        assert [] == list(fsck(folder).findings)
        assert {t: root for t, (_, root) in here.roots.items()} == rebuild(folder).roots
        assert [] == list(fsck(folder).findings)


def test_scenario_of_one_seed_gives_the_same_roots_again(
    embedded: Embedded, tmp_path: Path
) -> None:
    """Otherwise two set-ups could not be compared."""
    _, once = embedded(STORIES[0])

    assert once == live(tmp_path / "again", STORIES[0])


def test_every_command_and_every_event_stands_in_a_scenario(embedded: Embedded) -> None:
    """Whoever adds one tells a story of it, which then holds on both set-ups."""
    told = frozenset[str]().union(*(embedded(story)[1].words for story in STORIES))

    assert set() == {kind.__name__ for kind in COMMAND_TYPES} - told
    assert set() == EVENT_TYPES.keys() - told
