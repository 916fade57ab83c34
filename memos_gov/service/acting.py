"""What every verb of an actor stands on: who acts, and the way into the Governor."""

from __future__ import annotations

from typing import Any

from memos_gov.domain import commands as c
from memos_gov.domain.questions import Caller
from memos_gov.receipts import Receipt
from memos_gov.service.rooms import Rooms


class Acting:
    """One principal, in one tenant, for one purpose."""

    def __init__(self, rooms: Rooms, caller: Caller, name: str) -> None:
        self.rooms = rooms
        self.caller = caller
        self.name = name

    @property
    def policy(self) -> str:
        """The digest of the tenant's active policy."""
        with self.rooms.governor.tables.snapshot() as snapshot:
            return self.rooms.governor.attempt(snapshot, self.caller).policy.active

    def handle(
        self, command: c.Command, *, command_id: str | None = None, dry_run: bool = False
    ) -> Receipt:
        """Send any command; see `Governor.handle`."""
        return self.rooms.governor.handle(
            self.caller, command, command_id=command_id, dry_run=dry_run
        )

    def _do(self, command_type: type[c.Command], *, dry_run: bool, **fields: Any) -> Receipt:
        return self.handle(c.make(command_type, **fields), dry_run=dry_run)
