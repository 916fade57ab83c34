"""What verbs take in: times, notes, content from standard input, and shared options."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar

import click

from memos_gov.errors import InvalidCommandError

F = TypeVar("F", bound=Callable[..., Any])
STANDARD_INPUT = "-"


def moment_of(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> datetime | None:
    """Return the aware time that a text in ISO 8601 names; the callback of time options."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = "is no ISO 8601 time, such as 2026-03-01T09:00:00Z"
        raise click.BadParameter(message, context, parameter) from None
    if moment.tzinfo is None:
        message = "lacks a time zone; end it with Z or +01:00"
        raise click.BadParameter(message, context, parameter)
    return moment


def pairs_of(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str] | None:
    """Return the values of `name=value` by name, the last one winning; None when none is given."""
    pairs = [text.partition("=") for text in texts]
    if not all(name and sign for name, sign, _ in pairs):
        raise click.BadParameter("must be name=value", context, parameter)
    return {name: value for name, _, value in pairs} or None


_DRY_RUN = click.option(
    "--dry-run", is_flag=True, help="Ask policy and decide; write only that it was asked."
)
_VALID_FROM = click.option(
    "--valid-from", metavar="TIME", callback=moment_of, help="When it began to be true."
)


_METADATA = click.option(
    "--meta",
    "metadata",
    multiple=True,
    metavar="NAME=VALUE",
    callback=pairs_of,
    help="A note of yours; repeatable.",
)


def metadata(function: F) -> F:
    """Add `--meta`."""
    return _METADATA(function)


def dry_run(function: F) -> F:
    """Add `--dry-run`."""
    return _DRY_RUN(function)


def valid_from(function: F) -> F:
    """Add `--valid-from`."""
    return _VALID_FROM(function)


def valid_to(meaning: str) -> Callable[[F], F]:
    """Return what adds `--valid-to` with a meaning."""
    return click.option("--valid-to", metavar="TIME", callback=moment_of, help=meaning)


def timed(option: str, meaning: str, *name: str) -> Callable[[F], F]:
    """Return what adds an option that takes a time, under another name where one is given."""
    return click.option(option, *name, metavar="TIME", callback=moment_of, help=meaning)


def as_of(function: F) -> F:
    """Add `--as-of` and `--valid-at`; the verb gets one `as_of`, None for now."""

    @wraps(function)
    def called(*args: Any, as_of: Any, valid_at: datetime | None, **named: Any) -> Any:
        from memos_gov.domain.as_of import AsOf

        moment = None if as_of is None and valid_at is None else AsOf(as_of, valid_at)
        return function(*args, as_of=moment, **named)

    for option in (_VALID_AT, _AS_OF):
        option(called)
    return called  # type: ignore[return-value]


def recorded_of(
    context: click.Context, parameter: click.Parameter, text: str | None
) -> datetime | int | None:
    """Return the index or the aware time that a text names."""
    if text is not None and text.isascii() and text.isdigit():
        return int(text)
    return moment_of(context, parameter, text)


_AS_OF = click.option(
    "--as-of",
    metavar="TIME|INDEX",
    callback=recorded_of,
    help="As it was recorded by then; what may be shown is judged by today.",
)
_VALID_AT = click.option(
    "--valid-at",
    metavar="TIME",
    callback=moment_of,
    help="As it was true then, by what was recorded.",
)


def content(text: str) -> str:
    """
    Return content as typed, or all of standard input for `-`, without its last line break.

    Raises:
        InvalidCommandError: It is over the limit, or not UTF-8; the place is named.
    """
    if text != STANDARD_INPUT:
        return text
    from memos_gov.domain.commands import CONTENT_BYTES_MAX

    raw = sys.stdin.buffer.read(CONTENT_BYTES_MAX + 3)
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    if len(raw) > CONTENT_BYTES_MAX:
        msg = f"content: is over the limit of {CONTENT_BYTES_MAX} bytes (CONTENT_BYTES_MAX)"
        raise InvalidCommandError(msg, field="content")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        msg = f"content: is not UTF-8 (byte {error.start} of standard input)"
        raise InvalidCommandError(msg, field="content") from None


def moment(seconds: int) -> str:
    """Return a moment to the second, in UTC, as it can be typed back."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
