"""
What every Keyring promises, proved against any backend.

A subclass gives the fixtures `open_keyring` (opens the one keyring of the
test, which has epoch 1) and `empty` (one without any key), and the probe
`raw_bytes()`: every byte that it keeps, read behind the port's back.
"""

from collections.abc import Callable

import pytest

from memos_gov.errors import SettingsError, UnavailableError
from memos_gov.ports import Keyring

OpenKeyring = Callable[[], Keyring]


class KeyringContract:
    """The rules of the port `Keyring`, as tests."""

    @pytest.fixture
    def keyring(self, open_keyring: OpenKeyring) -> Keyring:
        """Return the keyring under test."""
        return open_keyring()

    def raw_bytes(self) -> bytes:
        """Return every byte that the keyring keeps."""
        raise AssertionError

    def test_epoch_begun_is_there_for_everybody_and_the_newest(
        self, keyring: Keyring, open_keyring: OpenKeyring
    ) -> None:
        """A key of 256 bits of its own; the former ones stay."""
        first = keyring.master().epochs[1]
        keyring.begin(2)

        found = open_keyring().master()
        assert (2, first) == (found.current, found.epochs[1])
        assert {32} == {len(bytes.fromhex(key)) for key in found.epochs.values()}
        assert 2 == len(set(found.epochs.values()))

    def test_epoch_begun_twice_keeps_its_key(self, keyring: Keyring) -> None:
        """What was wrapped under it would be lost else."""
        keyring.begin(2)
        before = keyring.master()
        keyring.begin(2)
        keyring.begin(1)

        assert before == keyring.master()

    def test_epochs_ended_are_in_no_byte_and_the_others_stay(
        self, keyring: Keyring, open_keyring: OpenKeyring
    ) -> None:
        """Ending again changes nothing."""
        keyring.begin(2)
        keyring.begin(5)
        before = keyring.master().epochs
        keyring.end(before=5)
        keyring.end(before=5)

        assert {5: before[5]} == open_keyring().master().epochs
        kept = self.raw_bytes()
        assert before[5].encode() in kept
        assert [] == [e for e in (1, 2) if before[e].encode() in kept]

    def test_only_one_rotates_at_a_time(self, keyring: Keyring, open_keyring: OpenKeyring) -> None:
        """The other is told to come again, and may once the first is done."""
        other = open_keyring()
        with keyring.rotating():
            with pytest.raises(UnavailableError, match="being rotated"), other.rotating():
                pass
            assert other.master() == keyring.master()
        with other.rotating():
            pass

    def test_keyring_without_a_key_is_not_used(self, empty: Keyring) -> None:
        """Nothing is made in its place."""
        with pytest.raises(SettingsError):
            empty.master()
