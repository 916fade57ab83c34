"""Views: the same rows however the history is cut into batches, and each record once."""

from pathlib import Path

import pytest
from sqlalchemy import delete, select

import memos_gov
from memos_gov import follow
from memos_gov.projections import views
from memos_gov.projections.tables import CheckpointRow, TablesModel, table_of
from tests.bundles import scheduled

PURPOSE = "complaint-handling"
VIEWED = ("cubes", "cube_words", "accesses", "dispositions", "due", "usage")


def live(gov: memos_gov.Service) -> None:
    """Lead a short life: remember, share, read twice, be refused, archive."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    owner.add_principal("ann", roles=["analyst"], purposes=[PURPOSE])
    cubes = [owner.remember(f"zebra {n}", subjects=[f"s{n % 2}"]).cube_id for n in range(5)]
    first = cubes[0]
    assert first is not None
    owner.share(first, with_="ann")
    analyst = gov.acting_as("ann", purpose=PURPOSE)
    analyst.recall("zebra", k=3)
    analyst.get(first)
    with pytest.raises(memos_gov.DeniedError):
        analyst.archive(first)
    owner.archive(first)
    owner.hold(matter="M-1", cube=cubes[1])
    owner.activate_policy(gov.rooms.bundles.put(scheduled(conversation={"max_s": 0})))
    owner.remember("over at once", retention_class="conversation")
    gov.schedule()


def rows(gov: memos_gov.Service) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every view."""
    tables = TablesModel.metadata.tables
    with gov.rooms.governor.tables.connection() as connection:
        return {
            name: sorted(tuple(row) for row in connection.execute(select(tables[name])))
            for name in VIEWED
        }


def drop(gov: memos_gov.Service) -> None:
    """Throw the views away."""
    tables, checkpoints = TablesModel.metadata.tables, table_of(CheckpointRow)
    with gov.rooms.governor.tables.connection(write=True) as connection:
        for name in VIEWED:
            connection.execute(delete(tables[name]))
        connection.execute(delete(checkpoints).where(checkpoints.c.follower.in_(list(views()))))


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_views_in_batches_of_any_size_have_the_same_rows(
    gov: memos_gov.Service, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """A batch is a matter of speed only."""
    live(gov)
    gov.rooms.follower.catch_up()
    whole = rows(gov)

    drop(gov)
    monkeypatch.setattr(follow, "BATCH_RECORDS_MAX", batch)
    gov.rooms.follower.catch_up()

    assert whole == rows(gov)
    assert all(whole.values())


def test_views_one_by_one_end_where_all_together_do(gov: memos_gov.Service) -> None:
    """Each view has a checkpoint of its own and can be stopped singly."""
    live(gov)
    gov.rooms.follower.catch_up()
    together = rows(gov)

    drop(gov)
    for name in views():
        gov.rooms.follower.catch_up(name)

    assert together == rows(gov)


def test_views_that_caught_up_twice_count_nothing_twice(
    gov: memos_gov.Service, folder: Path
) -> None:
    """A second run finds nothing to do, in this process and in another."""
    live(gov)
    gov.rooms.follower.catch_up()
    before = rows(gov)

    with memos_gov.open(folder) as other:
        other.rooms.follower.catch_up()
    gov.rooms.follower.catch_up()

    assert before == rows(gov)
    assert 2 == max(row[2] for row in before["usage"])
