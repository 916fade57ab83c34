"""Keys and values in 32 and in 16 bits: what a base model says from them is what it says anyway."""

from pathlib import Path
from typing import Any

import pytest

from memos_gov.backends.base_models.extra import quiet
from memos_gov.backends.base_models.kv_cache import shared_tokens, taken
from memos_gov.backends.base_models.language_model import TransformersLanguageModel
from memos_gov.errors import CorruptionError, SettingsError
from memos_gov.ports import KvCache
from tests.base_models import TEXTS, require_base_models, tiny

pytestmark = pytest.mark.models
QUESTION = "user\nWhy was the card declined?"


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> TransformersLanguageModel:
    """Return a tiny base model."""
    require_base_models()
    folder = tmp_path_factory.mktemp("kv")
    return TransformersLanguageModel(str(tiny(folder / "llama")), folder)


def asked(model: TransformersLanguageModel, tokens: tuple[int, ...], past: Any = None) -> Any:
    """Return the logits after tokens and a question; the tokens may come as a cache."""
    import torch

    _, tokenizer, network = model._load()
    question = tokenizer(QUESTION, add_special_tokens=False)["input_ids"]
    with torch.inference_mode(), quiet():
        if past is None:
            return network(torch.tensor([[*tokens, *question]]), logits_to_keep=1).logits
        return network(torch.tensor([question]), logits_to_keep=1, **taken(network, past)).logits


@pytest.mark.parametrize("repeated", [1, 40])
def test_logits_from_a_stored_cache_are_those_of_a_whole_prefill(
    llama: TransformersLanguageModel, repeated: int
) -> None:
    """Within 1e-4, in one step of tokens and in several."""
    tokens = llama.prefix(TEXTS * repeated)
    stored = llama.prefill(tokens, exact=True)

    difference = asked(llama, tokens) - asked(llama, tokens, llama.restored(stored))

    assert difference.abs().max().item() < 1e-4


def test_logits_from_a_cache_with_a_shared_beginning_are_the_same(
    llama: TransformersLanguageModel,
) -> None:
    """The tail is computed on what was known, as if all had been."""
    known = llama.prefill(llama.prefix(TEXTS[:2]), exact=True)
    tokens = llama.prefix([*TEXTS[:2], "Something else."])
    assert 10 < shared_tokens(known.tokens, tokens) < len(tokens)

    made = llama.prefill(tokens, known, exact=True)

    difference = asked(llama, tokens) - asked(llama, tokens, llama.restored(made))
    assert difference.abs().max().item() < 1e-4


def test_logits_from_16_bits_are_near_and_say_the_same(llama: TransformersLanguageModel) -> None:
    """As float16, which is finer than bfloat16 where all numbers fit."""
    tokens = llama.prefix(TEXTS)
    stored = llama.prefill(tokens)

    plain, cached = asked(llama, tokens), asked(llama, tokens, llama.restored(stored))

    assert b'"F16"' in stored.tensors[:300]
    assert (plain - cached).abs().max().item() < 0.01
    assert plain.argmax() == cached.argmax()


def test_numbers_too_large_for_float16_are_stored_as_bfloat16(tmp_path: Path) -> None:
    """None becomes infinite."""
    require_base_models()
    import torch
    from safetensors.torch import load_file, save_file

    folder = tiny(tmp_path / "llama")
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.self_attn.v_proj.weight"] *= 1e7
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model = TransformersLanguageModel(str(folder), tmp_path)

    stored = model.prefill(model.prefix(TEXTS))

    assert b'"BF16"' in stored.tensors[:300]
    assert model.restored(stored).layers[1].values.abs().max() > torch.finfo(torch.float16).max


def test_cache_that_was_used_once_did_not_change_what_is_stored(
    llama: TransformersLanguageModel,
) -> None:
    """Each use has one of its own, which grows."""
    stored = llama.prefill(llama.prefix(TEXTS), exact=True)
    first = llama.restored(stored)
    said = asked(llama, stored.tokens, first)

    again = asked(llama, stored.tokens, llama.restored(stored))

    assert first.get_seq_length() > len(stored.tokens)
    assert (said == again).all()


def test_tensors_of_a_base_model_with_other_layers_are_refused(
    llama: TransformersLanguageModel, tmp_path: Path
) -> None:
    """Though tokens and format fit."""
    other = TransformersLanguageModel(str(tiny(tmp_path / "x", num_hidden_layers=3)), tmp_path)
    stored = other.prefill(other.prefix(TEXTS))

    with pytest.raises(CorruptionError, match=r"keys are .* where .* are expected"):
        llama.restored(stored)


def test_tensors_that_are_not_finite_are_refused(llama: TransformersLanguageModel) -> None:
    """They would answer anything."""
    import torch
    from safetensors.torch import load, save

    stored = llama.prefill(llama.prefix(TEXTS))
    found = load(stored.tensors)
    found["values"][0, 0, 0, 0] = torch.nan

    with pytest.raises(CorruptionError, match="values are not all finite"):
        llama.restored(KvCache(stored.tokens, save(found)))


def test_pickle_in_place_of_tensors_is_never_read(
    llama: TransformersLanguageModel, tmp_path: Path
) -> None:
    """Reading one would run it."""
    import pickle

    class Run:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (Path.mkdir, (tmp_path / "ran",))

    tokens = llama.prefix(TEXTS)

    with pytest.raises(CorruptionError, match="no safetensors"):
        llama.restored(KvCache(tokens, pickle.dumps(Run())))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ raise_exception('no system turn') }}", "has no system turn"),
        ("{% for m in messages %}{{ m['content'] }}{% endfor %}", "no special token ends"),
        ("{{ messages | length }}{{ messages[0]['content'] }}<|im_end|>", "changes it"),
        ("{{ messages[-1]['role'] }}", "changes it"),
    ],
)
def test_chat_template_whose_system_turn_does_not_stay_is_refused(
    tmp_path: Path, template: str, said: str
) -> None:
    """A prefix must be one, whatever follows."""
    require_base_models()
    folder = tiny(tmp_path / "llama")
    (folder / "chat_template.jinja").write_text(template)

    with pytest.raises(SettingsError, match=said):
        TransformersLanguageModel(str(folder), tmp_path).prefix(["x"])


def test_prefix_stays_what_it_is_whatever_turn_follows(llama: TransformersLanguageModel) -> None:
    """Tokens of the whole begin with the tokens of the prefix: no join reaches across its end."""
    tokenizer = llama._load()[1]
    for text in [*TEXTS, "ends with a blank ", "\nbegins", "ends.\n\n", "\u00e9\u4e2d"]:
        tokens = llama.prefix([text])
        system = {"role": "system", "content": text.strip()}
        turns = [system, {"role": "user", "content": "\n x"}]
        whole = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)

        assert list(tokens) == list(whole[: len(tokens)])
