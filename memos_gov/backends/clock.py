"""`SystemClock`: the machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """See `Clock`."""

    def now(self) -> datetime:
        """Return the machine's time."""
        return datetime.now(UTC)
