"""
What every Leases promises, proved against any backend.

A subclass gives the fixtures `open_leases` (opens the one store of the test,
again and again; the fixture closes them) and `broken` (one whose store does
not answer).
"""

from collections.abc import Callable

import pytest

from memos_gov.errors import CorruptionError, UnavailableError
from memos_gov.ports import Leases

OpenLeases = Callable[[], Leases]
NOW, LATER = 1_000_000, 1_080_000


class LeasesContract:
    """The rules of the port `Leases`, as tests."""

    @pytest.fixture
    def leases(self, open_leases: OpenLeases) -> Leases:
        """Return the leases under test, none held."""
        return open_leases()

    def test_without_leases_nobody_is_waited_for(self, leases: Leases) -> None:
        """An erasure completes at once where nobody else is."""
        assert [] == leases.waiting("acme", 0, NOW, besides="h_me")

    def test_own_lease_is_not_waited_for(self, leases: Leases) -> None:
        """Who asks knows what it has open itself."""
        leases.renew("h_me", {"acme": 3}, now_ms=NOW, expires_ms=LATER)

        assert [] == leases.waiting("acme", 9, NOW, besides="h_me")

    def test_holder_is_waited_for_until_it_has_seen_the_index(
        self, leases: Leases, open_leases: OpenLeases
    ) -> None:
        """Seen at once by every opening; a renewal past the index ends the wait."""
        leases.renew("h_you", {"acme": 8, "other": 99}, now_ms=NOW, expires_ms=LATER)
        leases.renew("h_me", {"acme": 9}, now_ms=NOW, expires_ms=LATER)
        elsewhere = open_leases()

        assert ["h_you"] == elsewhere.waiting("acme", 9, NOW, besides="h_me")
        assert [] == elsewhere.waiting("acme", 8, NOW, besides="h_me")
        leases.renew("h_you", {"acme": 9}, now_ms=NOW, expires_ms=LATER)
        assert [] == elsewhere.waiting("acme", 9, NOW, besides="h_me")
        assert ["h_you"] == elsewhere.waiting("other", 1, NOW, besides="h_me")

    def test_holder_that_never_saw_the_tenant_is_waited_for(self, leases: Leases) -> None:
        """It may have opened something of a tenant that was founded since."""
        leases.renew("h_you", {}, now_ms=NOW, expires_ms=LATER)

        assert ["h_you"] == leases.waiting("acme", 0, NOW, besides="h_me")

    def test_lease_that_expired_is_not_waited_for(self, leases: Leases) -> None:
        """A holder that was killed holds nothing up for long."""
        leases.renew("h_you", {"acme": 1}, now_ms=NOW, expires_ms=LATER)

        assert ["h_you"] == leases.waiting("acme", 9, LATER - 1, besides="h_me")
        assert [] == leases.waiting("acme", 9, LATER, besides="h_me")

    def test_lease_released_is_not_waited_for(self, leases: Leases) -> None:
        """Others keep theirs, and releasing twice changes nothing."""
        for holder in ("h_you", "h_they"):
            leases.renew(holder, {"acme": 1}, now_ms=NOW, expires_ms=LATER)

        for _ in range(2):
            leases.release("h_you")

        assert ["h_they"] == leases.waiting("acme", 9, NOW, besides="h_me")

    def test_lease_is_there_after_opening_again(self, open_leases: OpenLeases) -> None:
        """Closing the store ends nobody's lease."""
        first = open_leases()
        first.renew("h_you", {"acme": 1}, now_ms=NOW, expires_ms=LATER)
        first.close()

        assert ["h_you"] == open_leases().waiting("acme", 9, NOW, besides="h_me")

    def test_name_is_one_holders_until_it_expires(
        self, leases: Leases, open_leases: OpenLeases
    ) -> None:
        """A second worker of that name is refused; the first may keep it, whoever asks where."""
        elsewhere = open_leases()

        assert leases.claim("c1", "h_me", now_ms=NOW, expires_ms=NOW + 10)
        assert leases.claim("c1", "h_me", now_ms=NOW + 5, expires_ms=NOW + 20)
        assert not elsewhere.claim("c1", "h_you", now_ms=NOW + 19, expires_ms=NOW + 40)
        assert elsewhere.claim("c2", "h_you", now_ms=NOW, expires_ms=NOW + 90)

        assert ["c1", "c2"] == leases.names(NOW + 19)
        assert ["c2"] == leases.names(NOW + 20)
        assert elsewhere.claim("c1", "h_you", now_ms=NOW + 20, expires_ms=NOW + 40)
        assert not leases.claim("c1", "h_me", now_ms=NOW + 21, expires_ms=NOW + 50)

    def test_name_is_free_when_its_holder_releases_its_lease(self, leases: Leases) -> None:
        """A worker that ended gently can be started again at once, and others keep theirs."""
        for name, holder in (("c1", "h_me"), ("c2", "h_you")):
            assert leases.claim(name, holder, now_ms=NOW, expires_ms=LATER)

        leases.release("h_me")

        assert ["c2"] == leases.names(NOW)
        assert leases.claim("c1", "h_you", now_ms=NOW, expires_ms=LATER)

    def test_store_that_does_not_answer_is_unavailable_or_corrupt(self, broken: Leases) -> None:
        """Every driver error is translated, with its cause."""
        for act in (
            lambda: broken.renew("h_me", {}, now_ms=NOW, expires_ms=LATER),
            lambda: broken.release("h_me"),
            lambda: broken.waiting("acme", 1, NOW, besides="h_me"),
            lambda: broken.claim("c1", "h_me", now_ms=NOW, expires_ms=LATER),
            lambda: broken.names(NOW),
        ):
            with pytest.raises((UnavailableError, CorruptionError)) as caught:
                act()

            assert caught.value.__cause__ is not None
