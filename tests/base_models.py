"""
Base models for tests: tiny ones of random weights, made here, and what the real one needs.

The tiny one is a Llama of two layers with a tokenizer of its own, written as
any other base model is, so that no network and no download is needed.
"""

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from memos_gov.domain.fingerprint import Fingerprint

NEEDED = ("torch", "transformers", "safetensors", "gguf", "accelerate")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEXTS = [
    "system user assistant",
    "Anna asked on Monday why her card was declined in Lyon.",
    "The bank answered that the limit of the card had been reached.",
    "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ .,:;!?-'\n\t",
]
FINGERPRINT = Fingerprint(
    architecture="LlamaForCausalLM",
    weights="1" * 64,
    config="2" * 64,
    tokenizer="3" * 64,
    chat_template="4" * 64,
    dtype="float32",
    attention="sdpa",
    transformers="5.24",
)


def require_base_models() -> None:
    """Skip a test where the extra `models` is not installed; fail where it was asked for."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("MEMOS_GOV_REQUIRE_MODELS"):
        pytest.fail(f"the extra `models` is not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"the extra `models` is not installed: {', '.join(missing)}")


def tiny(folder: Path, *, seed: int = 7, dtype: str = "float32", **changes: object) -> Path:
    """Write a Llama of random weights into a folder and return the folder."""
    import torch

    from memos_gov.backends.base_models.extra import quiet

    with quiet():
        from transformers import LlamaConfig, LlamaForCausalLM

        tokenizer = _tokenizer()
        sizes = {
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "vocab_size": len(tokenizer),
            "tie_word_embeddings": True,
        }
        torch.manual_seed(seed)
        network = LlamaForCausalLM(LlamaConfig(**(sizes | changes)))
        network.to(getattr(torch, dtype)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    """Return a tokenizer over bytes, trained on a few sentences, that closes its turns."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXTS * 3, vocab_size=400, special_tokens=SPECIAL)
    return PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        chat_template=TEMPLATE,
    )
