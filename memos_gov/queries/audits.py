"""
The questions of auditors, each a name, and their answers as rows.

`subject`       everything held about a person, in every form
`access`        who read or tried what, of a cube or of any cube of a person
`derived`       what a cube was made of, and what was made of it
`state`         a cube as it stood, and the events that led there
`due`           what ends within days, by rule and owner
`overdue`       what is past its end and still here, and the exception that keeps it
`disposition`   what ended in a period, by which rule, who approved, and its proof
`conflicts`     hold, minimum and erasure where they meet, and the rule that won
`erasure`       the evidence of erasures: custodians, what was kept, what remains
`requests`      requests to erase that are not complete, by age against the deadline
`holds`         active legal holds
`hold-attempts` who tried to change or end what is held
`artefacts`     which cubes are kept in another form, and whether that stands
`base-model`    with which base model memories become tensors, and who registered it
`integrity`     whether the log proves itself from its beginning (writes no event)

An answer never holds content. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from memos_gov.domain import codec
from memos_gov.domain.as_of import AsOf
from memos_gov.domain.commands import make
from memos_gov.errors import InvalidCommandError
from memos_gov.queries.access import COLUMNS as ACCESS_COLUMNS
from memos_gov.queries.access import accesses
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.artefacts import COLUMNS as ARTEFACTS_COLUMNS
from memos_gov.queries.artefacts import artefacts
from memos_gov.queries.asking import Evidence
from memos_gov.queries.base_models import COLUMNS as BASE_MODEL_COLUMNS
from memos_gov.queries.base_models import base_model
from memos_gov.queries.conflicts import COLUMNS as CONFLICTS_COLUMNS
from memos_gov.queries.conflicts import conflicts
from memos_gov.queries.derived import COLUMNS as DERIVED_COLUMNS
from memos_gov.queries.derived import derived
from memos_gov.queries.disposition import COLUMNS as DISPOSITION_COLUMNS
from memos_gov.queries.disposition import disposition
from memos_gov.queries.due import DUE_COLUMNS, OVERDUE_COLUMNS, due, overdue
from memos_gov.queries.erasures import (
    ERASURE_COLUMNS,
    REQUESTS_COLUMNS,
    evidence_of,
    requests,
)
from memos_gov.queries.hold_attempts import COLUMNS as ATTEMPTS_COLUMNS
from memos_gov.queries.hold_attempts import hold_attempts
from memos_gov.queries.holds import COLUMNS as HOLDS_COLUMNS
from memos_gov.queries.holds import held
from memos_gov.queries.integrity import COLUMNS as INTEGRITY_COLUMNS
from memos_gov.queries.integrity import integrity
from memos_gov.queries.state import COLUMNS as STATE_COLUMNS
from memos_gov.queries.state import stood
from memos_gov.queries.subject_access import COLUMNS as SUBJECT_COLUMNS
from memos_gov.queries.subject_access import held_about

Answer = Callable[[Evidence, AuditArguments], tuple[int, Sequence[tuple[Any, ...]]]]
AUDITS: dict[str, tuple[tuple[str, ...], Answer]] = {
    "access": (ACCESS_COLUMNS, accesses),
    "artefacts": (ARTEFACTS_COLUMNS, artefacts),
    "base-model": (BASE_MODEL_COLUMNS, base_model),
    "conflicts": (CONFLICTS_COLUMNS, conflicts),
    "derived": (DERIVED_COLUMNS, derived),
    "disposition": (DISPOSITION_COLUMNS, disposition),
    "due": (DUE_COLUMNS, due),
    "erasure": (ERASURE_COLUMNS, evidence_of),
    "hold-attempts": (ATTEMPTS_COLUMNS, hold_attempts),
    "holds": (HOLDS_COLUMNS, held),
    "integrity": (INTEGRITY_COLUMNS, integrity),
    "overdue": (OVERDUE_COLUMNS, overdue),
    "requests": (REQUESTS_COLUMNS, requests),
    "state": (STATE_COLUMNS, stood),
    "subject": (SUBJECT_COLUMNS, held_about),
}


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """
    An answer: each row has a value for each column.

    `index` is that of the question's event, or of the newest decided record
    for a question that writes none; `as_of` is the time that the answer is
    about, which is that of the answer where no other is asked for, and
    `recorded` the newest index that counted for one about the past.
    """

    question: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    index: int
    as_of: str
    recorded: int | None = None


def audit(
    evidence: Evidence,
    name: str,
    *,
    as_of: AsOf | datetime | int | None = None,
    **about: object,
) -> Audit:
    """
    Answer a question by name; `AUDITS` lists them, `AuditArguments` what they take.

    Raises:
        InvalidCommandError: No such question, it needs a subject or a cube, one
            of them can be none, or `as_of` has not come yet; nothing was written.
        DeniedError: Refused; recorded.
    """
    arguments = make(AuditArguments, question=name, **about)
    if name not in AUDITS:
        msg = f"question: there is no question {name!r}; there are {', '.join(AUDITS)}"
        raise InvalidCommandError(msg, field="question")
    if arguments.erasure is not None and name != "erasure":
        msg = "erasure: this question is not about one"
        raise InvalidCommandError(msg, field="erasure")
    columns, answer = AUDITS[name]
    evidence = evidence.as_of(as_of)
    index, rows = answer(evidence, arguments)
    then, now = evidence.then, evidence.governor.clock.now()
    about_time = now if then is None else datetime.fromtimestamp(then.moment, UTC)
    return Audit(
        question=name,
        columns=columns,
        rows=tuple(rows),
        index=index,
        as_of=codec.timestamp(about_time),
        recorded=None if then is None else then.index,
    )
