"""`MiniLmEmbedder`: the contract, files that are pinned, and no network."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memos_gov.backends.embedding.minilm import MiniLmEmbedder, packaged
from memos_gov.errors import SettingsError
from tests.contracts.embedder import EmbedderContract
from tests.models import require_models

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def loaded() -> MiniLmEmbedder:
    """Return one embedder for all tests, since loading takes seconds."""
    require_models()
    return MiniLmEmbedder()


class TestMiniLmEmbedder(EmbedderContract):
    """The contract on the packaged model."""

    @pytest.fixture
    def embedder(self, loaded: MiniLmEmbedder) -> MiniLmEmbedder:
        """Return the embedder."""
        return loaded

    @pytest.fixture
    def broken(self, tmp_path: Path) -> MiniLmEmbedder:
        """Return an embedder whose folder is empty."""
        return MiniLmEmbedder(tmp_path)


def test_model_whose_weights_were_changed_is_refused(tmp_path: Path) -> None:
    """One byte is enough; nothing of it is run."""
    require_models()
    copied = Path(shutil.copytree(packaged(), tmp_path / "model"))
    with (copied / "model.safetensors").open("r+b") as file:
        file.seek(50_000_000)
        byte = file.read(1)
        file.seek(50_000_000)
        file.write(bytes([byte[0] ^ 1]))

    with pytest.raises(SettingsError, match=r"model\.safetensors is not the one"):
        MiniLmEmbedder(copied).embed(["x"])


def test_model_is_loaded_without_any_network() -> None:
    """A program in which every connection raises embeds all the same, and prints nothing else."""
    require_models()
    program = (
        "import socket\n"
        "def refuse(*_, **__): raise RuntimeError('a connection')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "from memos_gov.backends.embedding import MiniLmEmbedder\n"
        "print(len(MiniLmEmbedder().embed(['x'])[0]))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ("1536\n", "", 0) == (done.stdout, done.stderr, done.returncode)
