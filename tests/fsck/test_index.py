"""The index holds what the plan wants, word by word, no more and no less."""

import shutil
import tracemalloc
from pathlib import Path

import pytest

import memos_gov
from memos_gov.bootstrap import fsck
from memos_gov.fsck.report import REBUILD
from tests.fsck.tampering import asked, found, sql
from tests.lives import PURPOSE

CUBE = "cube = (SELECT min(cube) FROM posting WHERE term = 'shop')"
ENTRY_TAMPERS = {
    "entry removed": "DELETE FROM entry WHERE cube = (SELECT max(cube) FROM entry)",
    "revision": "UPDATE entry SET revision = 9 WHERE cube = (SELECT max(cube) FROM entry)",
    "words removed": "UPDATE entry SET terms = NULL WHERE terms IS NOT NULL",
    "words given": "UPDATE entry SET terms = 'charged' WHERE terms IS NULL",
    "position": "UPDATE state SET position = 100000",
    "word changed": "UPDATE posting SET term = 'shot' WHERE term = 'shop'",
    "word of an entry changed": "UPDATE entry SET terms = replace(terms, 'shop', 'shot')",
    "word counted twice": "UPDATE posting SET tf = tf + 1 WHERE term = 'shop'",
    "length": f"UPDATE entry SET words = words + 1 WHERE {CUBE}",
    "length in postings": f"UPDATE posting SET words = words + 1 WHERE {CUBE}",
    "word added": (
        "INSERT INTO posting SELECT tenant, 'secret', cube, facts, tf, words"
        " FROM posting WHERE term = 'shop'"
    ),
    "facts of a word": "UPDATE posting SET facts = 1 + facts WHERE term = 'shop'",
    "facts": "UPDATE facts SET body = replace(body, 'internal', 'publican')",
    "facts of another": "UPDATE entry SET facts = (SELECT max(id) FROM facts WHERE id <> facts)",
    "facts miscounted": "UPDATE facts SET texts = texts + 1",
    "facts too many": "INSERT INTO facts VALUES (99, 'default', '[]', 0, 0, 0)",
    "author": "UPDATE entry SET author = 'p_x'",
    "place": "UPDATE entry SET position = 7",
    "not swept": "UPDATE state SET removals = removals + 1",
    "swept before": "UPDATE state SET swept = swept + 1",
    "no number": "UPDATE state SET position = 'x'",
}


@pytest.mark.parametrize("name", ENTRY_TAMPERS)
def test_fsck_of_an_index_that_was_changed_finds_it(folder: Path, name: str) -> None:
    """Terms, counts, lengths and facts are derived from the content, opened with its key."""
    sql(folder / "index.db", ENTRY_TAMPERS[name])

    report = fsck(folder)

    assert {"index"} == report.found.keys()
    assert all(finding.place.startswith("index.db") for finding in report.findings)
    assert {REBUILD} == {finding.remedy for finding in report.findings}


def test_fsck_of_an_index_of_other_words_finds_each_cube(folder: Path, tmp_path: Path) -> None:
    """An index that is sound in itself but was made of other content is found out."""
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    with memos_gov.open(other) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        cube = owner.recall("shop").hits[0].cube_id
        owner.revise(cube, "Other words.")
        owner.recall("other")
    shutil.copy(other / "index.db", folder / "index.db")
    end = asked(folder / "log.db", "SELECT max(log_offset) FROM records")
    sql(folder / "index.db", f"UPDATE state SET position = {end}")

    assert {(f"index.db (default, {cube})", "index")} == found(fsck(folder))


def test_fsck_of_an_index_that_is_behind_waits_for_what_changed_since(folder: Path) -> None:
    """Only those cubes are let off; every other one is compared."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        cube = owner.recall("shop").hits[0].cube_id
        owner.revise(cube, "Other words.")
    before = fsck(folder, parts=["index"])
    sql(folder / "index.db", "UPDATE entry SET revision = 9")

    after = fsck(folder, parts=["index"])

    assert (True, 1) == (before.clean, before.counts["index_waits"])
    assert (before.counts["indexed"], 1) == (after.found["index"], after.counts["index_waits"])


def test_fsck_of_an_index_of_many_cubes_keeps_no_list_of_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many times the cubes take about the same memory, which is that of a page."""
    monkeypatch.setattr("memos_gov.fsck.index.PAGE_CUBES", 10)
    monkeypatch.setattr("memos_gov.backends.sqlite.index.PAGE_CUBES", 10)
    peaks = []
    for count in (50, 1000):
        with memos_gov.open(folder) as gov:
            owner = gov.acting_as("owner", purpose=PURPOSE)
            for number in range(count):
                owner.remember(f"Card {number} was charged by shop {number} in {number} words.")
            owner.recall("shop")
            gov.rooms.follower.catch_up()
        fsck(folder, parts=["index"])
        tracemalloc.start()
        assert fsck(folder, parts=["index"]).clean
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 5 * peaks[0]
