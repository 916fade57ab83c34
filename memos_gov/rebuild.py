"""
Rebuild: tables made again from offset 0, and never live unless they are right.

Fresh tables are filled beside the live ones, which stay in use until the very
end; their roots are compared with those of the live tables, then a pointer is
moved. A kill at any moment leaves the former tables in use, or the new ones
whole. No policy is asked and no effect on the world is repeated: the index is
cleared and filled again, which is no effect outside the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import msgspec

from memos_gov.domain.history import Decided
from memos_gov.errors import CorruptionError
from memos_gov.follow import Certifier, Follower
from memos_gov.fsck.report import Progress
from memos_gov.ports import EventLog, KeyStore, Tables
from memos_gov.transparency import merkle

# Larger than where somebody waits for a batch: half the statements, and still a few megabytes.
BULK_RECORDS_MAX = 1000


class RebuildReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was made: records and events replayed, cubes indexed again, and the trees' roots.

    `compared` is True where those roots are those of the tables that were in
    use, and None where there were none that could be read.
    """

    tables: str
    records: int
    events: int
    roots: dict[str, str]
    compared: bool | None
    indexed: int


class Replayed(msgspec.Struct, frozen=True):
    """How much a replay went through."""

    records: int
    events: int


def replay(log: EventLog, keys: KeyStore, fresh: Tables, progress: Progress | None) -> Replayed:
    """
    Fill empty tables from the log: decided history and every view.

    Raises:
        CorruptionError: The log contradicts itself, or a head that was signed.
        SettingsError: The log was written by a newer program.
    """
    certifier = Certifier(log, fresh, keys, batch_records_max=BULK_RECORDS_MAX)
    follower, records, events = Follower(log, fresh), 0, 0
    with fresh.bulk(), applied_beside(follower, fresh) as apply:
        for batch in certifier.batches():
            apply(batch)
            records += len(batch)
            events += sum(len(item.parsed.events) for item in batch)
            if progress is not None:
                progress("replay", records, sum(map(log.end, range(log.partitions))))
    certifier.require_signed({tenant: size for tenant, (size, _) in roots(fresh).items()})
    return Replayed(records, events)


@contextmanager
def applied_beside(
    follower: Follower, tables: Tables
) -> Iterator[Callable[[Sequence[Decided]], None]]:
    """
    Enter with what shows one batch after another to every view, all of them at the end.

    Where the tables let it (`supports_views_beside`), a batch is shown while the
    next one is certified, as it is whenever views follow in processes of their
    own; what goes wrong with it is raised with the next batch or at the end.
    """
    if not tables.supports_views_beside:
        yield follower.apply
        return
    with ThreadPoolExecutor(1, "views") as thread:
        shown: list[Future[None]] = []

        def apply(batch: Sequence[Decided]) -> None:
            if shown:
                shown.pop().result()
            shown.append(thread.submit(follower.apply, batch))

        yield apply
        if shown:
            shown.pop().result()


def roots(tables: Tables) -> dict[str, tuple[int, str]]:
    """Return tenant -> (size, root in hex) of every tree."""
    from sqlalchemy import select

    from memos_gov.projections.tables import TreeRow, table_of

    with tables.connection() as connection:
        rows = connection.execute(select(table_of(TreeRow)).order_by(table_of(TreeRow).c.tenant))
        return {
            row.tenant: (row.size, merkle.root(merkle.unpack(row.frontier)).hex()) for row in rows
        }


def check_roots(live: Tables, fresh: Tables) -> None:
    """
    Refuse fresh tables that contradict the live ones, which may be behind the log.

    A live tree that is not the one of its own leaves is no witness, so there
    the leaves are.

    Raises:
        CorruptionError: A tree has another root; the live tables stay in use.
    """
    for tenant, (size, root) in roots(live).items():
        if _root_over(fresh, tenant, size) != root and not _gives_leaves(live, fresh, tenant):
            msg = f"the log no longer gives the tree of {tenant} that was in use"
            raise CorruptionError(msg, place=f"trees ({tenant})")


def _gives_leaves(live: Tables, fresh: Tables, tenant: str) -> bool:
    """Whether the leaves of a tenant in the live tables are the first ones of the log, if any."""
    leaves = _leaves(live, tenant)
    if leaves == 0:
        return _leaves(fresh, tenant) == 0
    root = _root_over(live, tenant, leaves)
    return root != "" and root == _root_over(fresh, tenant, leaves)


def _leaves(tables: Tables, tenant: str) -> int:
    """Return how many leaves a tenant has in some tables."""
    from sqlalchemy import func, select

    from memos_gov.projections.tables import OutcomeRow, table_of

    outcome = table_of(OutcomeRow)
    query = select(func.count(outcome.c.idx)).where(outcome.c.tenant == tenant)
    with tables.connection() as connection:
        return connection.execute(query).scalar() or 0


def _root_over(tables: Tables, tenant: str, size: int) -> str:
    """Return the root over a tenant's first `size` leaves, in hex; "" when there are fewer."""
    from sqlalchemy import func, select

    from memos_gov.projections.tables import OutcomeRow, table_of

    outcome = table_of(OutcomeRow)
    mine = (outcome.c.tenant == tenant, outcome.c.idx < size)
    with tables.connection() as connection:
        found = connection.execute(select(func.count()).where(*mine)).scalar()
        if found != size:
            return ""
        query = select(outcome.c.leaf).where(*mine).order_by(outcome.c.idx)
        rows = connection.execute(query.execution_options(yield_per=1000))
        return merkle.root_of(row.leaf for row in rows).hex()
