"""`TransformersLanguageModel`: the base model of the settings, as transformers computes it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from memos_gov.backends.base_models.demo import prepare_demo
from memos_gov.backends.base_models.extra import quiet, require
from memos_gov.backends.base_models.kv_cache import prefill, restored
from memos_gov.backends.base_models.places import (
    CONFIG,
    WEIGHTS,
    digest_of,
    folder_of,
    is_hub_id,
    of_hub,
)
from memos_gov.backends.base_models.prefix import prefix
from memos_gov.domain.fingerprint import Fingerprint
from memos_gov.errors import SettingsError
from memos_gov.ports import BaseModelFiles, KvCache
from memos_gov.ports.language_model import Progress

TOKENIZER = (
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
)
ANOTHER = "Name another base model in the setting base_model."


class TransformersLanguageModel:
    """
    LanguageModel by transformers; threads take turns in loading it.

    Args:
        named: The setting `base_model`: a folder, a hub's repository, or "" for the demo's.
        cache: Where base models that are made here are kept, for all data folders of a user.
    """

    def __init__(self, named: str, cache: Path) -> None:
        self._named = named
        self._cache = cache
        self._lock = threading.Lock()
        self._loaded: tuple[Fingerprint, Any, Any] | None = None

    def prepare(self, progress: Progress | None = None) -> BaseModelFiles:
        """See `LanguageModel.prepare`; a folder that the setting names is only looked at."""
        require()
        if not self._named:
            return prepare_demo(self._cache, progress)
        if is_hub_id(self._named):
            of_hub(self._named, fetch=True)
        return BaseModelFiles(folder=folder_of(self._named, self._cache), made=False)

    def fingerprint(self) -> Fingerprint:
        """See `LanguageModel.fingerprint`."""
        return self._load()[0]

    def prefix(self, texts: Sequence[str]) -> tuple[int, ...]:
        """See `LanguageModel.prefix`."""
        return prefix(self._load()[1], texts)

    def prefill(
        self, tokens: Sequence[int], begun: KvCache | None = None, *, exact: bool = False
    ) -> KvCache:
        """See `LanguageModel.prefill`; threads take turns."""
        network = self._load()[2]
        with self._lock, quiet():
            return prefill(network, tokens, begun, exact=exact)

    def restored(self, kv_cache: KvCache) -> Any:
        """See `LanguageModel.restored`: a `DynamicCache`."""
        return restored(self._load()[2], kv_cache)

    def _load(self) -> tuple[Fingerprint, Any, Any]:
        """Return fingerprint, tokenizer and network, read from files alone."""
        require()
        with self._lock:
            if self._loaded is None:
                folder = folder_of(self._named, self._cache)
                with quiet():
                    self._loaded = _read(folder)
            return self._loaded


def _read(folder: Path) -> tuple[Fingerprint, Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    here = {"local_files_only": True, "trust_remote_code": False}
    # Digested before they are read: what changes in between is another model the next time.
    weights, config = _weights(folder), digest_of(folder / CONFIG)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **here)
        network = AutoModelForCausalLM.from_pretrained(
            folder, dtype="auto", use_safetensors=True, **here
        ).eval()
    except Exception as error:  # (whatever the library makes of files that do not fit)
        msg = f"setting base_model: {folder.name} cannot be read as a base model"
        raise SettingsError(msg, remedy=ANOTHER) from error
    require_supported(network.config)
    return _fingerprint(folder, weights, config, tokenizer, network), tokenizer, network


def require_supported(config: Any) -> None:
    """
    Refuse an architecture whose state is not keys and values of all tokens alike.

    Raises:
        SettingsError: Names the architecture and the kind of layer.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    kinds = {type(layer) for layer in DynamicCache(config=config).layers} - {DynamicLayer}
    kinds_named = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
    names = sorted({*(kind.__name__ for kind in kinds), *kinds_named})
    if names:
        kinds_of = f"{config.model_type} ({', '.join(names)})"
        msg = f"setting base_model: the state of {kinds_of} cannot be kept as keys and values"
        raise SettingsError(msg, remedy=ANOTHER)


def _fingerprint(
    folder: Path, weights: str, config: str, tokenizer: Any, network: Any
) -> Fingerprint:
    import transformers

    if not tokenizer.chat_template:
        msg = f"setting base_model: {folder.name} has no chat template"
        raise SettingsError(msg, remedy=ANOTHER)
    return Fingerprint(
        architecture=type(network).__name__,
        weights=weights,
        config=config,
        tokenizer=_digest_of_all([folder / n for n in TOKENIZER if (folder / n).is_file()]),
        chat_template=hashlib.sha256(str(tokenizer.chat_template).encode()).hexdigest(),
        dtype=str(network.dtype).removeprefix("torch."),
        attention=str(network.config._attn_implementation),  # noqa: SLF001 - it has no other name
        transformers=".".join(transformers.__version__.split(".")[:2]),
    )


def _weights(folder: Path) -> str:
    return _digest_of_all(sorted(folder.glob(WEIGHTS)))


def _digest_of_all(paths: list[Path]) -> str:
    """Return one digest of several files, by name."""
    lines = "".join(f"{path.name} {digest_of(path)}\n" for path in paths)
    return hashlib.sha256(lines.encode()).hexdigest()
