"""Ending memories: the request, and the process that it sets going."""

from __future__ import annotations

from collections.abc import Callable

from memos_gov.domain import commands as c
from memos_gov.erasure import Erasure
from memos_gov.erasure.telling import report_of
from memos_gov.errors import InvalidCommandError
from memos_gov.service.acting import Acting

Progress = Callable[[str, int, int], None]


class Erasing(Acting):
    """Ending memories."""

    def forget(
        self,
        *,
        subject: str | None = None,
        cube: str | None = None,
        reason: str,
        dry_run: bool = False,
        wait: bool = True,
        progress: Progress | None = None,
    ) -> Erasure:
        """
        Erase everything about a person, or one memory, as far as policy releases it.

        What has to be kept stays restricted: stored, and used by nobody. Where
        all of it has to be kept the erasure stays open as `kept`; asking again
        once that is over finishes it.

        Args:
            reason: Why, in words; it is sealed and stands nowhere in the clear.
            dry_run: Say what would be erased and kept; only the question is
                recorded.
            wait: Go through with it before returning. Else it is asked for, its
                restriction is in force, and the next opening of the folder or
                the next erasure goes on with it.
            progress: Called with a stage, how far it is, and of how much.

        Raises:
            InvalidCommandError: Not exactly one of a subject and a cube; nothing
                was written.
            DeniedError, NotFoundError: Refused, erased already, or unknown;
                recorded.
            ConflictError: An erasure of it is under way.
            UnavailableError: It could not be finished; it stays open, what it is
                about stays restricted, and it is gone on with later.
        """
        command = _command(subject, cube, reason)
        self.rooms.eraser.resume()
        receipt = self.handle(command, dry_run=dry_run)
        if dry_run:
            return self.rooms.eraser.preview(self.caller.tenant, command)
        assert receipt.erasure_id is not None
        if wait:
            self.rooms.eraser.go_on(self.caller.tenant, receipt.erasure_id, progress=progress)
        return report_of(self.rooms.governor, self.caller.tenant, receipt.erasure_id)


def _command(subject: str | None, cube: str | None, reason: str) -> c.EraseSubject | c.EraseCube:
    if (subject is None) == (cube is None):
        msg = "subject: name a subject or a cube, one of the two"
        raise InvalidCommandError(msg, field="subject")
    if subject is not None:
        return c.make(c.EraseSubject, subject=subject, reason=reason)
    return c.make(c.EraseCube, cube=cube, reason=reason)
