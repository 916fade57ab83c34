"""By when things are due: the clock's time, unless the clock has jumped or another one is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from memos_gov.domain import ids
from memos_gov.errors import InvalidCommandError
from memos_gov.governor import Governor

JUMP_DAYS_MAX = 90
CONFIRM = "If the clock is right, say by when things are due: `memos-gov schedule run --now TIME`."


def moment_of(governor: Governor, tenant: str, said: datetime | None, *, dry_run: bool) -> int:
    """
    Return the moment by which things are due, in seconds.

    A clock that is far ahead would end cubes years too early, so a run that is
    more than JUMP_DAYS_MAX after the newest record must say its moment. A dry
    run does nothing, and may look anywhere.

    Raises:
        InvalidCommandError: Names `now`.
    """
    clock = governor.clock.now()
    if said is None:
        if not dry_run:
            _require_no_jump(clock, newest(governor, tenant))
        return int(clock.timestamp())
    if said.tzinfo is None:
        raise InvalidCommandError("now: lacks a time zone", field="now")
    if not dry_run and said > clock:
        msg = "now: lies in the future; only a dry run looks ahead"
        raise InvalidCommandError(msg, field="now")
    return int(said.timestamp())


def _require_no_jump(clock: datetime, newest: datetime) -> None:
    ahead = clock - newest
    if ahead > timedelta(days=JUMP_DAYS_MAX):
        msg = f"now: the clock is {ahead.days} days after the newest record"
        raise InvalidCommandError(msg, field="now", remedy=CONFIRM)


def newest(governor: Governor, tenant: str) -> datetime:
    """Return the time of a tenant's newest record, apart from what is recorded at any opening."""
    from sqlalchemy import select

    from memos_gov.projections.tables import OutcomeRow, table_of

    outcome = table_of(OutcomeRow)
    query = (
        select(outcome.c.time_ms)
        .where(outcome.c.tenant == tenant, outcome.c.time_ms.is_not(None))
        .where(outcome.c.idx.is_not(None), outcome.c.actor.not_in([ids.NOTARY, ids.ERASER]))
        .order_by(outcome.c.idx.desc())
        .limit(1)
    )
    with governor.tables.connection() as connection:
        found = connection.execute(query).scalar() or 0
    return datetime.fromtimestamp(found / 1000, UTC)
