"""Data folders to measure in: founded and filled through the ordinary way in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import memos_gov
from memos_gov.domain import commands as c
from memos_gov.naming import Names
from memos_gov.proposer import new_command_id
from memos_gov.receipts import Prepared, Receipt

BATCH = 500
PURPOSE = "complaint-handling"


def founded(folder: Path, **settings: str) -> memos_gov.Service:
    """Return a new data folder, open, whose first principal acts for complaints."""
    return memos_gov.init(folder, purpose=PURPOSE, retention_class="complaint", **settings)


def remember(content: str, number: int, **words: Any) -> c.RememberCube:
    """Return the command that keeps a complaint of a customer of its own."""
    plain = {
        "label": "internal",
        "purposes": (PURPOSE,),
        "basis": "legitimate-interest",
        "retention_class": "complaint",
        "subjects": (f"customer-{number}",),
    }
    return c.make(c.RememberCube, content=content, **{**plain, **words})


def fill(
    gov: memos_gov.Service, actor: memos_gov.Actor, commands: Iterable[c.RememberCube]
) -> None:
    """Handle commands in batches, and insist that each was accepted."""
    left = iter(commands)
    while batch := list(islice(left, BATCH)):
        named = [(new_command_id(), command) for command in batch]
        _insist(gov.rooms.governor.handle_many(actor.caller, named))


def prepared(
    gov: memos_gov.Service, actor: memos_gov.Actor, commands: Sequence[c.RememberCube]
) -> list[Prepared]:
    """Return the records of commands, decided and sealed, but not appended yet."""
    governor = gov.rooms.governor
    names = Names(governor.keys, actor.caller.tenant)
    with governor.tables.snapshot() as snapshot:
        made = [
            governor.prepare(snapshot, actor.caller, x, new_command_id(), names) for x in commands
        ]
    names.enter({newcomer for record in made for newcomer in record.newcomers})
    return made


def _insist(results: Sequence[Receipt | Exception]) -> None:
    for result in results:
        if isinstance(result, Exception):
            raise result
