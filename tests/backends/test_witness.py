"""`FileWitness`: the contract, and a folder that must be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from memos_gov.backends.witness import FileWitness
from memos_gov.errors import SettingsError
from tests.contracts.witness import OpenWitness, WitnessContract


class TestFileWitness(WitnessContract):
    """The contract on files."""

    @pytest.fixture
    def open_witness(self, tmp_path: Path) -> OpenWitness:
        """Return a function that opens the one witness."""
        return lambda: FileWitness(tmp_path)

    @pytest.fixture
    def broken(self, tmp_path: Path) -> FileWitness:
        """Return a witness in whose way a file lies."""
        (tmp_path / "memos-gov").write_text("in the way")
        return FileWitness(tmp_path)


def test_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A disk that is not mounted must not pass for one that saw nothing."""
    with pytest.raises(SettingsError, match="setting witness"):
        FileWitness(tmp_path / "none")

    assert not (tmp_path / "none").exists()
