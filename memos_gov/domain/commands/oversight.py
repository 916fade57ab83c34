"""Commands of those who watch: reviews, policies, questions of evidence."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Field,
)

from memos_gov.domain.commands.command import Command, OfThen
from memos_gov.domain.commands.fields import CubeId, Word, _audited

EPOCH_MAX = 2**31


class OnCase(Command):
    """A command about one review case."""

    case: CubeId


class ApproveReview(OnCase):
    """Let an act that waits for review be done."""

    ACTION: ClassVar[str] = "review_approve"


class RejectReview(OnCase):
    """Refuse an act that waits for review."""

    ACTION: ClassVar[str] = "review_reject"


class ActivatePolicy(Command):
    """Let another kept bundle decide from here on."""

    ACTION: ClassVar[str] = "policy_activate"

    policy: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RotateVault(Command):
    """Wrap every key anew under a fresh epoch, and destroy the master keys of earlier ones."""

    ACTION: ClassVar[str] = "vault_rotate"

    epoch: Annotated[int, Field(ge=1, le=EPOCH_MAX)]
    ended: tuple[Annotated[int, Field(ge=1, le=EPOCH_MAX)], ...] = ()


class AskAudit(OfThen):
    """Ask a question of evidence; `action` is the word policy judges it by."""

    ACTION: ClassVar[str] = "audit"

    question: Word
    action: Literal["audit", "explain", "log_read", "review_list"] = "audit"
    target: Annotated[str, AfterValidator(_audited)] | None = None
