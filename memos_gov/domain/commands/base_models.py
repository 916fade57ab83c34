"""Commands about the base model that a tenant's memories are turned into tensors with."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from memos_gov.domain.commands.command import Command

_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Term = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]


class RegisterBaseModel(Command):
    """Let one base model be the tenant's from here on; see `domain/fingerprint.py`."""

    ACTION: ClassVar[str] = "base_model_register"

    architecture: _Term
    weights: _Digest
    config: _Digest
    tokenizer: _Digest
    chat_template: _Digest
    dtype: _Term
    attention: _Term
    transformers: Annotated[str, Field(pattern=r"^[0-9]{1,4}\.[0-9]{1,4}$")]
