"""`FileTensorStore`: the contract, and what only files can do wrong."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from memos_gov.backends import tensors
from memos_gov.backends.tensors import FileTensorStore
from memos_gov.errors import UnavailableError
from tests.contracts.tensor_store import NAME, TENANT, TensorStoreContract


class TestFileTensorStore(TensorStoreContract):
    """The contract on files."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> FileTensorStore:
        """Return a store whose folder is not there yet."""
        return FileTensorStore(tmp_path / "tensors")

    @pytest.fixture
    def broken(self, tmp_path: Path) -> FileTensorStore:
        """Return a store whose folder is a file."""
        (tmp_path / "file").write_text("in the way")
        return FileTensorStore(tmp_path / "file")


def test_files_of_tensors_are_their_owners_only(tmp_path: Path) -> None:
    """Keys are not the only wall."""
    FileTensorStore(tmp_path / "tensors").put(TENANT, NAME, b"x")

    place = tmp_path / "tensors" / TENANT / f"{NAME}.kv"
    assert 0o600 == stat.S_IMODE(place.stat().st_mode)
    assert 0o700 == stat.S_IMODE(place.parent.stat().st_mode)
    assert 0o700 == stat.S_IMODE(place.parents[1].stat().st_mode)


def test_writer_without_room_on_the_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was begun is removed; the remedy is room."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = FileTensorStore(tmp_path)
    monkeypatch.setattr(tensors.os, "fsync", full)
    with pytest.raises(UnavailableError, match="cannot be written") as caught:
        store.put(TENANT, NAME, b"x" * 1000)
    monkeypatch.undo()

    assert "Make room on the disk" in caught.value.remedy
    assert ([], []) == (store.names(TENANT), list((tmp_path / TENANT).iterdir()))


def test_writer_that_is_killed_leaves_no_file(tmp_path: Path) -> None:
    """What it left aside is nobody's file, and goes with a later writer."""
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from memos_gov.backends.tensors import FileTensorStore\n"
        "Path.hardlink_to = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"FileTensorStore(Path(sys.argv[1])).put({TENANT!r}, {NAME!r}, b'half')\n"
    )

    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)

    store = FileTensorStore(tmp_path)
    assert -signal.SIGKILL == done.returncode
    assert (None, []) == (store.get(TENANT, NAME), store.names(TENANT))
    (left,) = (tmp_path / TENANT).iterdir()
    os.utime(left, (1, 1))
    assert store.put(TENANT, NAME, b"whole")
    assert [f"{NAME}.kv"] == [path.name for path in (tmp_path / TENANT).iterdir()]


@pytest.mark.parametrize("name", ["../x", "A", "", "a/b", "a.b", "a" * 101])
def test_name_that_leads_elsewhere_is_a_mistake_of_the_program(tmp_path: Path, name: str) -> None:
    """Names are digests."""
    with pytest.raises(AssertionError):
        FileTensorStore(tmp_path).put(TENANT, name, b"x")
