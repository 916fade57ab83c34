"""
The one error tree: each class says what the caller can do about it.

    GovernanceError
    +-- InvalidCommandError      change the request
    +-- NotFoundError            check the id
    +-- DeniedError              accept it: policy answered, and it is recorded
    +-- ConflictError            reload and retry
    +-- UnavailableError         retry later
    |   +-- PolicyUnavailableError   policy gave no answer: nothing was allowed
    |   +-- OvertakenError           everything kept moving: send it again
    +-- CorruptionError          stop, call a human
    |   +-- NotVerifiedError         evidence does not hold: do not rely on it
    +-- SettingsError            the operator fixes and restarts

The class docstring is the default message. No message holds memory content.
Exit codes and HTTP statuses are tables of the faces, not of this file.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memos_gov.domain.verdicts import Verdict

GIVE_ACCESS = (
    "Give the account that runs this the right to read and write the data folder, "
    "then type it again."
)
MAKE_ROOM = "Make room on the disk, then type it again."
_REMEDIES = {
    errno.EACCES: GIVE_ACCESS,
    errno.EPERM: GIVE_ACCESS,
    errno.EROFS: GIVE_ACCESS,
    errno.ENOSPC: MAKE_ROOM,
    errno.EDQUOT: MAKE_ROOM,
}


class GovernanceError(Exception):
    """Something memos_gov refuses to do."""

    code = "governance_error"
    remedy = "See the message."

    def __init__(self, message: str = "", *, remedy: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])
        if remedy is not None:
            self.remedy = remedy


class InvalidCommandError(GovernanceError):
    """The command is not valid; nothing was written."""

    code = "invalid_command"
    remedy = "Change the named field and send the command again."

    def __init__(self, message: str = "", *, field: str = "", remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.field = field


class NotFoundError(GovernanceError):
    """There is nothing here that you may know of."""

    code = "not_found"
    remedy = "Check the id and the tenant."


class DeniedError(GovernanceError):
    """Policy refused the command; the refusal is recorded."""

    code = "denied"
    remedy = "The verdict names the public reasons; `memos-gov explain` shows the rules."

    def __init__(self, message: str = "", *, verdict: Verdict, verdict_id: str, index: int) -> None:
        super().__init__(message)
        self.verdict = verdict
        self.verdict_id = verdict_id
        self.index = index


class ConflictError(GovernanceError):
    """Something this command relied on has moved."""

    code = "conflict"
    remedy = "Look how things stand now before you send it again."

    def __init__(
        self,
        message: str = "",
        *,
        expected: int | None = None,
        actual: int | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.expected = expected
        self.actual = actual


class UnavailableError(GovernanceError):
    """A backend did not answer; the outcome may be unknown."""

    code = "unavailable"
    remedy = "Retry later; a command keeps its id, so a retry cannot act twice."

    def __init__(
        self,
        message: str = "",
        *,
        backend: str = "",
        retry_after_s: float = 1.0,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.backend = backend
        self.retry_after_s = retry_after_s


class EntriesRefusedError(UnavailableError):
    """The index answers, and does not take some entries."""

    code = "entries_refused"

    def __init__(self, message: str = "", *, cubes: Iterable[tuple[str, str]]) -> None:
        super().__init__(message, backend="index")
        self.cubes = frozenset(cubes)  # tenant and cube


class PolicyUnavailableError(UnavailableError):
    """Policy gave no answer, so the answer is no."""

    code = "policy_unavailable"

    def __init__(self, message: str = "", *, reason: str, remedy: str | None = None) -> None:
        super().__init__(message, backend="policy", remedy=remedy)
        self.reason = reason


class OvertakenError(UnavailableError):
    """What this command relied on kept moving; nothing was accepted."""

    code = "overtaken"


class CorruptionError(GovernanceError):
    """Stored state contradicts itself; nothing is served."""

    code = "corruption"
    remedy = "Stop, keep the folder as it is, and run `memos-gov fsck`."

    def __init__(self, message: str = "", *, place: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.place = place


class NotVerifiedError(CorruptionError):
    """The evidence does not hold: it was changed, or it is about something else."""

    code = "not_verified"
    remedy = (
        "Do not rely on it. Check that the verifier key is the log's, "
        "and ask whoever keeps the log for the evidence again."
    )


class SettingsError(GovernanceError):
    """The set-up does not fit; fix it and start again."""

    code = "settings"
    remedy = "Fix the named setting and start again."


def remedy_of(error: OSError) -> str | None:
    """Return what to do about an error of the operating system; None where retrying is all."""
    return _REMEDIES.get(error.errno or 0)
