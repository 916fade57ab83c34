"""
Texts as the exact beginning of a conversation: one system turn, closed by its end-of-turn token.

A tokenizer may join the end of one text with the beginning of the next, so
that tokens of the whole are not those of its parts. Across a special token it
joins nothing: a prefix that ends with one stays as it is whatever follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memos_gov.errors import SettingsError
from memos_gov.ports.language_model import BETWEEN

_MARK = "\u2063here\u2063"
_REMEDY = "Name a base model whose chat template has a system turn, in the setting base_model."


def prefix(tokenizer: Any, texts: Sequence[str]) -> tuple[int, ...]:
    """Return the tokens of one system turn that holds the texts, as `LanguageModel.prefix` says."""
    head, tail = _around(tokenizer)
    content = BETWEEN.join(text.strip() for text in texts)
    closing = _tokens(tokenizer, tail)
    if not set(closing) & set(tokenizer.all_special_ids):
        msg = "setting base_model: no special token ends the base model's system turn"
        raise SettingsError(msg, remedy=_REMEDY)
    return (*_tokens(tokenizer, head), *_tokens(tokenizer, content, plain=True), *closing)


def _around(tokenizer: Any) -> tuple[str, str]:
    """Return what the chat template writes before and after the content of a system turn."""
    system = {"role": "system", "content": _MARK}
    try:
        alone = _rendered(tokenizer, [system])
        followed = _rendered(tokenizer, [system, {"role": "user", "content": "x"}])
    except Exception as error:  # (templates raise what they like)
        msg = "setting base_model: the base model's chat template has no system turn"
        raise SettingsError(msg, remedy=_REMEDY) from error
    head, mark, tail = alone.partition(_MARK)
    if not mark or not followed.startswith(alone):
        msg = "setting base_model: a turn after the system turn changes it"
        raise SettingsError(msg, remedy=_REMEDY)
    return head, tail


def _rendered(tokenizer: Any, turns: list[dict[str, str]]) -> str:
    return str(tokenizer.apply_chat_template(turns, tokenize=False))


def _tokens(tokenizer: Any, text: str, *, plain: bool = False) -> list[int]:
    """Return the tokens of a text; where it is `plain`, what looks like a special token is none."""
    found = tokenizer(text, add_special_tokens=False, split_special_tokens=plain)["input_ids"]
    return [int(token) for token in found]
