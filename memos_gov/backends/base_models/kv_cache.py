"""
Keys and values of tokens: computed, stacked into one safetensors file, and given back.

In memory they are a `DynamicCache` of the library, which is always built by its
own constructor: tensors that are put into its layers by hand count as no
tokens, and the next step would overwrite them. On disk there is one tensor of
keys and one of values, in a format that can run no code.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from memos_gov.errors import CorruptionError, InvalidCommandError
from memos_gov.ports import KvCache

STEP_TOKENS = 512  # at once: what a longer step would need in memory grows with its square
FLOAT16_MAX = 65_504.0
NAMES = {"keys", "values"}


def prefill(network: Any, tokens: Sequence[int], begun: KvCache | None, *, exact: bool) -> KvCache:
    """Return keys and values of tokens, as `LanguageModel.prefill` promises."""
    import torch

    _check_length(network, tokens)
    with torch.inference_mode():
        shared = 0 if begun is None else shared_tokens(begun.tokens, tokens)
        past = _begun(network, begun, shared)
        for start in range(shared, len(tokens), STEP_TOKENS):
            part = torch.tensor([tokens[start : start + STEP_TOKENS]], device=network.device)
            network(part, use_cache=True, logits_to_keep=1, **taken(network, past))
        return KvCache(tuple(tokens), _stored(past, len(tokens), exact=exact))


def taken(network: Any, past: Any) -> dict[str, Any]:
    """Return a cache under the name that this version of the library gives it."""
    known = inspect.signature(network.forward).parameters
    return {"cache" if "cache" in known else "past_key_values": past}


def shared_tokens(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two sequences have in common from their beginning."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def restored(network: Any, kv_cache: KvCache, *, tokens: int | None = None) -> Any:
    """Return a new `DynamicCache` of the first `tokens`, or of all; see `LanguageModel`."""
    from transformers import DynamicCache

    keys, values = _loaded(network, kv_cache)
    wanted = len(kv_cache.tokens) if tokens is None else tokens
    layers = [
        tuple(part[:, :wanted].unsqueeze(0).to(network.device, network.dtype) for part in pair)
        for pair in zip(keys, values, strict=True)
    ]
    past = DynamicCache(ddp_cache_data=layers)
    if past.get_seq_length() != wanted:
        raise _unfit(f"the library counts {past.get_seq_length()} of {wanted} tokens")
    return past


def _begun(network: Any, begun: KvCache | None, shared: int) -> Any:
    from transformers import DynamicCache

    if begun is None or shared == 0:
        return DynamicCache(config=network.config)
    return restored(network, begun, tokens=shared)


def _check_length(network: Any, tokens: Sequence[int]) -> None:
    most = int(network.config.max_position_embeddings)
    if not 0 < len(tokens) <= most:
        msg = f"tokens: {len(tokens)} are not between 1 and the {most} that the base model reads"
        raise InvalidCommandError(msg, field="tokens")


def _stored(past: Any, tokens: int, *, exact: bool) -> bytes:
    """Return all layers as one safetensors file."""
    import torch
    from safetensors.torch import save

    assert past.get_seq_length() == tokens
    keys = torch.stack([layer.keys[0] for layer in past.layers])
    values = torch.stack([layer.values[0] for layer in past.layers])
    kind = keys.dtype if exact else _storage(keys, values)
    return bytes(save({"keys": keys.to(kind).cpu(), "values": values.to(kind).cpu()}))


def _storage(keys: Any, values: Any) -> Any:
    """Return the 16-bit type to store in: the finer one, where every number fits into it."""
    import torch

    if keys.dtype != torch.float32:
        return keys.dtype
    most = max(keys.abs().max().item(), values.abs().max().item())
    return torch.float16 if most <= FLOAT16_MAX else torch.bfloat16


def _loaded(network: Any, kv_cache: KvCache) -> tuple[Any, Any]:
    """Return keys and values, which are of this base model and of these tokens."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        found = load(kv_cache.tensors)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _unfit("they are no safetensors") from error
    if set(found) != NAMES:
        raise _unfit("they are not keys and values")
    shape = _shape(network.config, len(kv_cache.tokens))
    kinds = {torch.float32, torch.float16, torch.bfloat16}
    for name in sorted(NAMES):
        if tuple(found[name].shape) != shape or found[name].dtype not in kinds:
            raise _unfit(f"{name} are {tuple(found[name].shape)} where {shape} are expected")
        if not bool(torch.isfinite(found[name]).all()):
            raise _unfit(f"{name} are not all finite")
    return found["keys"], found["values"]


def _shape(config: Any, tokens: int) -> tuple[int, int, int, int]:
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    groups = getattr(config, "num_key_value_heads", None) or heads
    return (config.num_hidden_layers, groups, tokens, size)


def _unfit(what: str) -> CorruptionError:
    msg = f"the tensors of a KV cache do not fit the base model: {what}"
    return CorruptionError(msg, place="kv_cache", remedy="Remove it; it is made again when needed.")
