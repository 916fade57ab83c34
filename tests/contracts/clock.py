"""What every Clock promises, proved against any backend. A subclass gives the fixture `clock`."""

from datetime import timedelta

from memos_gov.ports import Clock


class ClockContract:
    """The rules of the port `Clock`, as tests."""

    def test_time_is_aware_and_in_utc(self, clock: Clock) -> None:
        """One zone everywhere, so that records can be compared as text."""
        assert timedelta(0) == clock.now().utcoffset()

    def test_time_asked_twice_does_not_run_backwards(self, clock: Clock) -> None:
        """Within a moment, later is later or equal."""
        first = clock.now()

        assert first <= clock.now()
