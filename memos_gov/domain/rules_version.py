"""Which rules decide a log, and the refusal to decide by older ones than it was extended to."""

from __future__ import annotations

from memos_gov.domain.facts import LogFacts
from memos_gov.errors import SettingsError

RULES_VERSION = 1
_UPGRADE = "Upgrade memos-gov to the version that wrote this log."


def require_rules(log: LogFacts | None) -> None:
    """
    Refuse to decide by older rules than the log was extended to.

    Raises:
        SettingsError: A newer program has extended the log.
    """
    if log is not None and log.rules > RULES_VERSION:
        msg = f"the log is decided by rules {log.rules}, and this program knows {RULES_VERSION}"
        raise SettingsError(msg, remedy=_UPGRADE)


def unknown_here() -> SettingsError:
    """Return what is said of an event that the log permits and this program lacks."""
    msg = "the log permits event types that this program does not know"
    return SettingsError(msg, remedy=_UPGRADE)
