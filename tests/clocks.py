"""A clock that a test turns: years pass in a moment, or it steps back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

YEAR = timedelta(seconds=31_557_600)


class Turned:
    """The machine's clock, ahead by as much as a test turned it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Return the time that this clock shows."""
        return datetime.now(UTC) + self.ahead

    def turn(self, **by: float) -> None:
        """Turn the clock on, or back, by days, hours or seconds."""
        self.ahead += timedelta(**by)
