"""
What every Witness promises, proved against any backend.

A subclass gives the fixtures `open_witness` (opens the one witness of the
test, again and again) and `broken` (one that cannot be written).
"""

from collections.abc import Callable

import pytest

from memos_gov.errors import UnavailableError
from memos_gov.ports import Witness

OpenWitness = Callable[[], Witness]
ORIGIN = "memos-gov/0123abcd/acme"


class WitnessContract:
    """The rules of the port `Witness`, as tests."""

    def test_head_that_was_kept_is_the_newest(self, open_witness: OpenWitness) -> None:
        """Also for whoever opens it next."""
        open_witness().keep(ORIGIN, "one — two\n")
        open_witness().keep(ORIGIN, "three\n")

        assert "three\n" == open_witness().newest(ORIGIN)

    def test_log_that_was_never_witnessed_has_no_head(self, open_witness: OpenWitness) -> None:
        """Nothing is not an empty note."""
        assert open_witness().newest(ORIGIN) is None

    def test_logs_never_share_a_head(self, open_witness: OpenWitness) -> None:
        """Neither tenants nor instances."""
        witness = open_witness()
        witness.keep(ORIGIN, "mine\n")
        witness.keep("memos-gov/0123abcd/_instance", "the instance's\n")

        assert "mine\n" == witness.newest(ORIGIN)
        assert witness.newest("memos-gov/ffff/acme") is None

    def test_error_of_the_witness_is_translated(self, broken: Witness) -> None:
        """The cause stays beside it."""
        with pytest.raises(UnavailableError) as caught:
            broken.keep(ORIGIN, "note\n")

        assert "witness" == caught.value.backend
        assert caught.value.__cause__ is not None
