"""Memories into a base model: under policy, on record, all or none, and as exact as it computes."""

from pathlib import Path
from typing import Any

import pytest

import memos_gov
from memos_gov.backends.base_models.extra import quiet
from memos_gov.backends.base_models.kv_cache import taken
from memos_gov.errors import (
    ConflictError,
    DeniedError,
    InvalidCommandError,
    NotFoundError,
    SettingsError,
    UnavailableError,
)
from memos_gov.service import Actor
from tests.base_models import TEXTS, tiny

pytestmark = pytest.mark.models
PURPOSE = "complaint-handling"


@pytest.fixture
def cubes(owner: Actor) -> list[str]:
    """Return three memories."""
    said = [*TEXTS[1:3], "Write to a@b.example."]
    return [
        str(owner.remember(text, subjects=["c-1"], purposes=[PURPOSE]).cube_id) for text in said
    ]


def logits(gov: memos_gov.Service, question: list[int], past: Any) -> Any:
    """Return what the base model makes of tokens after a KV cache, or by themselves."""
    import torch

    network = gov.rooms.language_model._load()[2]
    given = {} if past is None else taken(network, past)
    with torch.inference_mode(), quiet():
        return network(torch.tensor([question]), logits_to_keep=1, **given).logits


def test_memories_injected_answer_as_their_text_does(
    gov: memos_gov.Service, owner: Actor, cubes: list[str]
) -> None:
    """What the library computes from the tensors is what it computes from the tokens."""
    injection = owner.inject(cubes)

    plain = logits(gov, [*injection.tokens, 5, 6, 7], None)
    for _ in range(2):
        cached = logits(gov, [5, 6, 7], injection.past_key_values())
        assert (plain - cached).abs().max().item() < 0.01
        assert plain.argmax() == cached.argmax()
    assert all(text in injection.text for text in TEXTS[1:3])


def test_injection_is_a_read_of_every_memory(owner: Actor, cubes: list[str]) -> None:
    """It stands in the history of each, and is what an auditor finds."""
    injection = owner.inject(cubes)

    assert set(cubes) == {source.cube for source in injection.cubes}
    for cube in cubes:
        answer = owner.audit("access", cube=cube)
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        assert injection.index in {row.get("index") for row in rows}


def test_injection_that_is_asked_for_again_is_read_again_and_computed_once(
    owner: Actor, cubes: list[str]
) -> None:
    """In whatever order; a longer set is computed from what is known."""
    first, second = owner.inject(cubes[:2]), owner.inject(cubes[1::-1])
    longer = owner.inject(cubes)

    assert (False, True, False) == (first.restored, second.restored, longer.restored)
    assert first.index < second.index < longer.index
    assert first.tokens == second.tokens
    assert 5 < longer.reused < len(longer.tokens)


def test_injection_of_memories_of_which_one_is_refused_gives_nothing(
    gov: memos_gov.Service, owner: Actor, cubes: list[str]
) -> None:
    """Though the others were computed for somebody else a moment ago."""
    owner.inject(cubes)
    secret = owner.remember("The limit is 500.", subjects=["c-1"], label="confidential")
    owner.add_principal("anna", roles=["analyst"], purposes=[PURPOSE])
    anna = gov.acting_as("anna", purpose=PURPOSE)

    with pytest.raises((DeniedError, NotFoundError)):
        anna.inject([*cubes, str(secret.cube_id)])

    assert anna.inject(cubes[:2]).tokens == owner.inject(cubes[:2]).tokens


def test_injection_holds_what_the_caller_may_see_and_no_more(
    gov: memos_gov.Service, owner: Actor, cubes: list[str]
) -> None:
    """An address that is masked for an analyst is in none of her tensors."""
    owner.add_principal("anna", roles=["analyst"], purposes=[PURPOSE])
    mine = owner.inject(cubes)

    hers = gov.acting_as("anna", purpose=PURPOSE).inject(cubes)

    assert "a@b.example" in mine.text
    assert "a@b.example" not in hers.text
    assert not hers.restored
    assert mine.tokens != hers.tokens


def test_injection_after_a_revision_is_of_the_new_text(owner: Actor, cubes: list[str]) -> None:
    """The old one is found no more, and what begins alike is reused up to there."""
    before = owner.inject(cubes)
    owner.revise(cubes[1], "It was all right.")

    after = owner.inject(cubes)

    assert "It was all right." in after.text
    assert not after.restored
    assert before.tokens != after.tokens


def test_injection_of_an_erased_memory_is_refused_and_nothing_of_it_stays(
    gov: memos_gov.Service, owner: Actor, cubes: list[str]
) -> None:
    """When the erasure is complete, this process keeps no tensor of it."""
    owner.inject(cubes)
    owner.inject(cubes[:1])
    kept = gov.rooms.injector._kv_caches._kept
    assert kept is not None
    assert 2 == len(kept.all_of("default"))

    owner.forget(cube=cubes[1], reason="asked by letter")

    (left,) = kept.all_of("default")
    assert cubes[:1] == [source.cube for source in left[0].members]
    with pytest.raises((DeniedError, NotFoundError)):
        owner.inject(cubes)


def test_injection_of_a_memory_that_is_erased_while_it_is_computed_is_not_kept(
    gov: memos_gov.Service,
    owner: Actor,
    cubes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The caller had read it before; the process holds it no longer than that call."""
    model = gov.rooms.language_model
    compute = model.prefill

    def slow(*given: Any, **more: Any) -> Any:
        found = compute(*given, **more)
        owner.forget(cube=cubes[1], reason="asked by letter")
        return found

    monkeypatch.setattr(model, "prefill", slow)
    owner.inject(cubes)

    assert [] == gov.rooms.injector._kv_caches._kept.all_of("default")


def test_injection_of_a_session_makes_what_it_remembers_a_descendant(
    gov: memos_gov.Service, owner: Actor, cubes: list[str]
) -> None:
    """Tensors are no way around lineage."""
    session = gov.acting_as("owner", purpose=PURPOSE, session="s1")
    session.inject(cubes)

    made = session.remember("So it was.", subjects=["c-1"], purposes=[PURPOSE])

    assert set(cubes) == set(made.sources)


def test_injection_is_given_for_a_minute_after_its_read(
    owner: Actor, cubes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it has to be asked for again, under today's policy."""
    from memos_gov.activation import injecting

    injection = owner.inject(cubes)
    late = injecting.elapsed_s() + 60
    monkeypatch.setattr(injecting, "elapsed_s", lambda: late)

    with pytest.raises(UnavailableError, match="is not given any more") as caught:
        injection.past_key_values()

    assert "again" in caught.value.remedy


def test_injection_shows_no_content_in_its_representation(owner: Actor, cubes: list[str]) -> None:
    """It may stand in a log line."""
    shown = repr(owner.inject(cubes))

    assert "card" not in shown
    assert cubes[0] in shown


def test_injection_without_a_registered_base_model_reads_nothing(
    gov: memos_gov.Service,
) -> None:
    """A tenant says first which one it has."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    cube = str(owner.remember("x", purposes=[PURPOSE]).cube_id)

    with pytest.raises(ConflictError, match="not the one that the tenant has") as caught:
        owner.inject([cube])

    assert "model prepare" in caught.value.remedy
    assert () == owner.audit("access", cube=cube).rows


def test_injection_with_another_base_model_than_the_tenants_reads_nothing(
    folder: Path, owner: Actor, cubes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that changed under way are another base model."""
    monkeypatch.setenv("MEMOS_GOV_BASE_MODEL", str(tiny(tmp_path / "other", seed=8)))
    with memos_gov.open(folder) as other, pytest.raises(ConflictError, match="not the one"):
        other.acting_as("owner", purpose=PURPOSE).inject(cubes)


def test_injection_on_a_machine_without_the_base_model_says_what_to_do(
    folder: Path, owner: Actor, cubes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error that names the setting."""
    monkeypatch.setenv("MEMOS_GOV_BASE_MODEL", str(tmp_path))
    with memos_gov.open(folder) as other, pytest.raises(SettingsError, match="base_model"):
        other.acting_as("owner", purpose=PURPOSE).inject(cubes)


def test_injection_that_is_too_long_for_the_base_model_is_refused(owner: Actor) -> None:
    """Nothing is cut off without a word."""
    cube = str(owner.remember("word " * 9000, purposes=[PURPOSE]).cube_id)

    with pytest.raises(InvalidCommandError, match="that the base model reads"):
        owner.inject([cube])


def test_injection_writes_no_tensor_to_the_data_folder(
    folder: Path, owner: Actor, cubes: list[str]
) -> None:
    """What is kept, is kept in this process only."""
    owner.inject(cubes)

    assert not (folder / "tensors").exists()
