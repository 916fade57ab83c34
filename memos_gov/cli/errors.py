"""
Errors as a caller of the command line meets them: one line, one remedy, one exit code.

The code says what the caller can do (see `memos_gov.errors`). An error that
nobody foresaw is named by its type and place only, since its text could hold
content.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import click

import memos_gov
from memos_gov import errors
from memos_gov.errors import GovernanceError

EXIT_CODES: dict[type[GovernanceError], int] = {
    errors.InvalidCommandError: 2,
    errors.NotFoundError: 3,
    errors.DeniedError: 4,
    errors.ConflictError: 5,
    errors.UnavailableError: 6,
    errors.PolicyUnavailableError: 6,
    errors.CorruptionError: 7,
    errors.SettingsError: 8,
}
UNEXPECTED = 1
FOUND_WRONG = EXIT_CODES[errors.CorruptionError]
REVIEW = "review_required"


def described(error: Exception) -> dict[str, Any]:
    """Return an error as a document: code, message, remedy, exit code and what else it names."""
    if isinstance(error, GovernanceError):
        return _governed(error)
    if isinstance(error, click.ClickException):
        message = _without_content(error.format_message().removesuffix("."))
        return _document("usage", message, _usage_remedy(error), error.exit_code)
    return _document(
        "unexpected",
        f"something unforeseen happened: {type(error).__name__} at {_place(error)}",
        "Nothing that was acknowledged is lost. Run `memos-gov doctor`, and report this line.",
        UNEXPECTED,
    )


def exit_code(error: GovernanceError) -> int:
    """Return the exit code of an error, or of the class it refines."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def _governed(error: GovernanceError) -> dict[str, Any]:
    document = _document(error.code, str(error), error.remedy, exit_code(error))
    names = ("field", "expected", "actual", "backend", "reason", "place", "verdict_id", "index")
    named = {name: getattr(error, name, None) for name in names}
    document |= {name: value for name, value in named.items() if value not in {None, ""}}
    if isinstance(error, errors.DeniedError):
        document["reasons"] = list(error.verdict.public_reasons)
        document |= _after_refusal(error)
    return document


def _after_refusal(error: errors.DeniedError) -> dict[str, str]:
    """Return the next step after a refusal: another person's approval, or the explanation."""
    if error.index < 0:
        return {"remedy": "Without --dry-run this would be refused too, and recorded."}
    if REVIEW in error.verdict.public_reasons and error.verdict.effect == "review":
        from memos_gov.domain.ids import case_id_of

        case = case_id_of(error.verdict_id)
        approve = f"`memos-gov review approve {case}`"
        then = f"then repeat this with --approval {case} (on record at index {error.index})"
        remedy = f"Another person types {approve}; {then}"
        return {"case_id": case, "remedy": remedy}
    return {"remedy": f"Why is on record: memos-gov explain {error.index}"}


def _document(code: str, message: str, remedy: str, exit_code: int) -> dict[str, Any]:
    return {"code": code, "message": message, "remedy": remedy, "exit_code": exit_code}


def _without_content(message: str) -> str:
    """Keep text that was typed without quotes out of the message."""
    if message.startswith("Got unexpected extra argument"):
        return "there are more words than arguments; put a text in quotes"
    return message[:1].lower() + message[1:]


def _usage_remedy(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "memos-gov"
    return f"Read how it is called: {path} --help"


def _place(error: Exception) -> str:
    """Return the innermost line of ours that the error passed."""
    package = Path(memos_gov.__file__).parent
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename]
    ours = [f for f in frames if Path(f.filename).is_relative_to(package)]
    if not ours:
        return "an unknown place"
    return f"{Path(ours[-1].filename).relative_to(package.parent)}:{ours[-1].lineno}"
