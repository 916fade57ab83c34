"""
What a base model is: everything that changes what it computes, as digests and words.

Tensors that one base model made fit no other. Two are the same where all of
this is equal: weights, configuration, tokenizer, chat template, the type of
numbers, how attention is computed, and the library that computes it.
"""

from __future__ import annotations

import hashlib

import msgspec


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A base model as it computes here.

    `weights`, `config`, `tokenizer` and `chat_template` are SHA-256 in hex,
    `dtype` and `attention` the words of the library (`float32`, `sdpa`), whose
    major and minor version is `transformers`.
    """

    architecture: str
    weights: str
    config: str
    tokenizer: str
    chat_template: str
    dtype: str
    attention: str
    transformers: str

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, in hex: the name of the base model."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()
