"""FileKeyring keeps the contract, and what only a file can get wrong."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from memos_gov.backends import keyfiles
from memos_gov.backends.keyfiles import FileKeyring, KeyFiles
from memos_gov.errors import CorruptionError, UnavailableError
from tests.contracts.keyring import KeyringContract


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with all key files."""
    KeyFiles(tmp_path / "keys").make()
    return tmp_path / "keys"


class TestFileKeyring(KeyringContract):
    """The contract, on one folder."""

    @pytest.fixture(autouse=True)
    def _found(self, folder: Path) -> None:
        self._folder = folder

    @pytest.fixture
    def open_keyring(self, folder: Path) -> Callable[[], FileKeyring]:
        """Return a function that opens the keyring."""
        return lambda: FileKeyring(folder)

    @pytest.fixture
    def empty(self, tmp_path: Path) -> FileKeyring:
        """Return a keyring whose file is not there."""
        return FileKeyring(tmp_path)

    def raw_bytes(self) -> bytes:
        """Return every byte of the folder."""
        return b"".join(path.read_bytes() for path in sorted(self._folder.iterdir()))


def test_file_that_is_replaced_is_the_owners_and_its_former_bytes_are_overwritten(
    folder: Path,
) -> None:
    """Whoever still has the former file open reads nothing of what ended."""
    keyring = FileKeyring(folder)
    keyring.begin(2)
    first = keyring.master().epochs[1]
    with (folder / "kek").open("rb") as former:
        keyring.end(before=2)
        assert first.encode() not in former.read()

    assert 0o600 == (folder / "kek").stat().st_mode & 0o777


@pytest.mark.parametrize("step", ["_write_new", "_sync"])
def test_replacement_that_fails_leaves_a_whole_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The former one or the new one, and what lies beside it is cleared by the next."""
    keyring, before = FileKeyring(folder), FileKeyring(folder).master()

    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as failing:
        failing.setattr(keyfiles, step, fail)
        with pytest.raises(UnavailableError, match="keys/kek cannot be written"):
            keyring.begin(2)

    assert before.epochs[1] == keyring.master().epochs[1]
    (folder / ".kek.new").write_text("left by a kill")
    keyring.begin(3)
    assert 3 == keyring.master().current
    assert not (folder / ".kek.new").exists()


@pytest.mark.parametrize("text", ["", "{", '{"epochs": {}}', "\0" * 80])
def test_file_that_holds_no_keys_is_corrupt(folder: Path, text: str) -> None:
    """The place names the file."""
    (folder / "kek").write_text(text)

    with pytest.raises(CorruptionError) as caught:
        FileKeyring(folder).master()

    assert "keys/kek" == caught.value.place


def test_folder_over_nfs_is_locked_by_a_file_in_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a folder takes no lock, as nobody can write to it."""
    flock, locked = fcntl.flock, []

    def as_nfs(descriptor: int, how: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, how)
        locked.append(descriptor)

    monkeypatch.setattr(keyfiles.fcntl, "flock", as_nfs)
    one, two = FileKeyring(folder), FileKeyring(folder)
    with one.rotating():
        with pytest.raises(UnavailableError, match="being rotated"), two.rotating():
            pass
        one.begin(2)
    with two.rotating():
        pass
    assert (2, 2) == (len(locked), two.master().current)


def test_folder_that_takes_no_lock_at_all_is_not_rotated(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said as what it is, with the system's reason as its cause."""

    def refused(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(keyfiles.fcntl, "flock", refused)

    with pytest.raises(UnavailableError) as caught, FileKeyring(folder).rotating():
        pass

    assert isinstance(caught.value.__cause__, OSError)
