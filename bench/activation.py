"""
Time to first token after 500 to 2,000 tokens of memories: read again, or restored from a file.

The base model is the demo's, on one thread. What is restored is opened, held
against everything that made it, decrypted and given to the library, as
`KvCaches` does it; the tokens of the question are read in both cases. No read
event and no verdict is in these times.

Needs the extra `models`; the base model is prepared the first time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

from bench.measure import Bench, Figure, at_least, at_most, interleaved, seconds, told

GOALS = {527: 8.0, 1_018: 13.0, 2_030: 15.0}
QUICK = {64: 0.01}
LOGITS = 1e-4
POLICY = "a" * 64
SENTENCE = "On day {0} customer {0} asked about the fee of card {0} and was told to wait."
QUESTION = "<|im_start|>user\nWhat did customer 7 ask about?<|im_end|>\n<|im_start|>assistant\n"


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield times to first token for each size, what a file costs, and how exact it is."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported
    import torch

    torch.set_num_threads(1)
    model = _base_model()
    for tokens, goal in (QUICK if bench.quick else GOALS).items():
        yield from _of_size(bench, model, tokens, goal)


def _base_model() -> Any:
    from memos_gov.backends.base_models.language_model import TransformersLanguageModel
    from memos_gov.bootstrap.opening import base_models

    model = TransformersLanguageModel("", base_models())
    model.prepare()
    return model


def _kv_caches(bench: Bench, model: Any, name: str) -> Any:
    from memos_gov.activation.kv_caches import KvCaches
    from memos_gov.backends.sqlite import migrate
    from memos_gov.backends.sqlite.vault import SqliteKeyStore
    from memos_gov.backends.tensors import FileTensorStore
    from memos_gov.ports import MasterKeys

    folder = bench.folder / name
    folder.mkdir()
    migrate.upgrade(folder / "vault.db", "vault")
    keys = SqliteKeyStore(folder / "vault.db", lambda: MasterKeys({1: "11" * 32}))
    return KvCaches(model, FileTensorStore(folder / "tensors"), keys), keys


def _wanted(model: Any, keys: Any, tokens: int) -> Any:
    """Return cubes, a sentence each, of together about so many tokens."""
    from memos_gov.activation.kv_caches import Wanted
    from memos_gov.activation.members import Member

    (key,) = keys.issue("acme", 1)
    texts: list[str] = []
    while len(model.prefix(texts)) < tokens:
        texts.append(SENTENCE.format(len(texts)))
    members = (
        Member(cube=f"c_{n:04}", revision=1, key_id=key.key_id, rank=1, text=text)
        for n, text in enumerate(texts)
    )
    return Wanted(tenant="acme", policy=POLICY, members=tuple(members))


def _of_size(bench: Bench, model: Any, tokens: int, goal: float) -> Iterator[Figure]:
    kv_caches, keys = _kv_caches(bench, model, str(tokens))
    wanted = _wanted(model, keys, tokens)
    built_s = seconds(partial(kv_caches.build, wanted))
    count = len(kv_caches.serve(wanted).kv_cache.tokens)
    again = partial(_read_again, model, wanted)
    restored = partial(_restored, model, kv_caches, wanted)
    plain, quick = interleaved(bench.size(5, 1), again, restored, warm_up=bench.size(1, 0))
    name = f"{count} tokens of memory"
    yield told(f"{name}, read again", plain.median * 1000, "ms")
    yield told(f"{name}, restored", quick.median * 1000, "ms")
    yield at_least(f"{name}, how much sooner", plain.median / quick.median, "times", goal)
    yield told(f"{name}, building the file", built_s * 1000, "ms")
    spared = max(plain.median - quick.median, 1e-9)
    yield told(f"{name}, uses until the file pays", built_s / spared, "uses")
    yield _difference(model, wanted, name)


def _difference(model: Any, wanted: Any, name: str) -> Figure:
    """Return how far logits are from those of a whole prefill, where 32 bits are stored."""
    tokens = model.prefix([member.text for member in wanted.members])
    exact = model.restored(model.prefill(tokens, exact=True))
    difference = (_first(model, (), exact) - _first(model, tokens, None)).abs().max().item()
    return at_most(f"{name}, logits apart with 32 bits", max(difference, 1e-9), "", LOGITS)


def _read_again(model: Any, wanted: Any) -> None:
    _first(model, model.prefix([member.text for member in wanted.members]), None)


def _restored(model: Any, kv_caches: Any, wanted: Any) -> None:
    served = kv_caches.serve(wanted)
    assert served.restored
    _first(model, (), model.restored(served.kv_cache))


def _first(model: Any, tokens: tuple[int, ...], past: Any) -> Any:
    """Return the logits of the first token of an answer."""
    import torch

    from memos_gov.backends.base_models.extra import quiet
    from memos_gov.backends.base_models.kv_cache import taken

    _, tokenizer, network = model._load()  # noqa: SLF001 - what is measured lies within
    question = tokenizer(QUESTION, add_special_tokens=False)["input_ids"]
    given = {} if past is None else taken(network, past)
    with torch.inference_mode(), quiet():
        return network(torch.tensor([[*tokens, *question]]), logits_to_keep=1, **given).logits
