"""
What policy would say to a row, with nothing proposed and no name made known.

Not here: the record of the question, which `run` leaves once for a file.
"""

from __future__ import annotations

from memos_gov.assess import Assessor
from memos_gov.domain import commands as c
from memos_gov.domain.bundle import Vocabulary
from memos_gov.domain.decide import decide
from memos_gov.domain.questions import Caller
from memos_gov.domain.vocabulary import check_times, check_words
from memos_gov.governor import Governor
from memos_gov.naming import Names
from memos_gov.ports import Proposal, Snapshot
from memos_gov.receipts import NOT_WRITTEN, Prepared, raise_refusal


def check_admission(
    governor: Governor,
    snapshot: Snapshot,
    caller: Caller,
    command: c.RememberCube,
    command_id: str,
    words: Vocabulary,
) -> None:
    """
    Return when the command would be accepted.

    Raises:
        InvalidCommandError: A word is unknown, or a time lies in the future.
        GovernanceError: As `Governor.handle` would raise; nothing was written.
    """
    check_words(command, words)
    check_times(command, governor.clock.now())
    attempt = governor.attempt(snapshot, caller)
    resolved, _ = Names(governor.keys, caller.tenant).resolve(command)
    assessor = Assessor(attempt, command_id, words, governor.open_content)
    assessed = assessor.assess(resolved)
    drafts = decide(resolved, assessed.situation, assessed.verdict)
    if any(draft.event.REFUSAL for draft in drafts):
        nowhere = Proposal(caller.tenant, 0, b"")
        prepared = Prepared(
            command_id=command_id, proposal=nowhere, verdict=assessed.verdict, drafts=drafts
        )
        raise_refusal(prepared, NOT_WRITTEN)
