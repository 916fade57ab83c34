"""The golden questions: well formed, of every kind, answered alike by all engines."""

from pathlib import Path

import msgspec
import pytest

from memos_gov.backends.files import FilePolicyBundles, shipped_bundle
from memos_gov.backends.wasm import WasmPolicyEngine
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.domain.policy_inputs import ENTRYPOINTS
from memos_gov.errors import InvalidCommandError, PolicyUnavailableError
from memos_gov.parity import require_parity
from memos_gov.ports import PolicyEngine
from memos_gov.service import Service
from tests.policies.generated import PER_ENTRYPOINT, golden

BUNDLE = shipped_bundle()


class OtherEngine:
    """An engine by another name, as a set-up with two has."""

    def __init__(self, engine: PolicyEngine) -> None:
        self.ask = engine.ask


REGENERATE = "python -m tests.policies.generated > policies/golden.json"


def engines(folder: Path, bundle: PolicyBundle) -> dict[str, WasmPolicyEngine]:
    """Return two engines that can reach a bundle."""
    bundles = FilePolicyBundles(folder / "bundles")
    bundles.put(bundle)
    return {name: WasmPolicyEngine(bundles, folder / "cache") for name in ("one", "other")}


def test_golden_questions_of_the_checkout_are_current() -> None:
    """They are generated from the models, so a new field is asked about."""
    assert golden() == BUNDLE.files["golden.json"], f"write them with: {REGENERATE}"


def test_golden_question_of_any_entrypoint_has_its_shape() -> None:
    """Each fits the closed model of its entrypoint, and each entrypoint has as many."""
    for each in BUNDLE.golden:
        ENTRYPOINTS[each.entrypoint].model_validate(each.question)

    asked = [each.entrypoint for each in BUNDLE.golden]
    assert dict.fromkeys(ENTRYPOINTS, PER_ENTRYPOINT) == {e: asked.count(e) for e in asked}


def test_engines_that_agree_are_told_how_much_was_compared(tmp_path: Path) -> None:
    """Every question is put to every engine; one alone has nothing to differ from."""
    both = engines(tmp_path, BUNDLE)

    assert len(BUNDLE.golden) == require_parity(BUNDLE, both)
    assert 0 == require_parity(BUNDLE, {"one": both["one"]})


def test_bundle_without_a_question_to_an_entrypoint_is_refused(tmp_path: Path) -> None:
    """What was not compared is not called equal."""
    few = [each for each in BUNDLE.golden if each.entrypoint != "memos_gov/erasure/plan"]
    bundle = PolicyBundle({**BUNDLE.files, "golden.json": msgspec.json.encode(few)})

    with pytest.raises(InvalidCommandError, match="no golden question to memos_gov/erasure/plan"):
        require_parity(bundle, engines(tmp_path, bundle))


def test_engine_that_gives_no_answer_refuses_the_bundle(tmp_path: Path) -> None:
    """An engine that is away cannot be called equal either."""
    both = engines(tmp_path, BUNDLE)
    lost = WasmPolicyEngine(FilePolicyBundles(tmp_path / "nothing"), tmp_path / "cache")

    with pytest.raises(PolicyUnavailableError):
        require_parity(BUNDLE, {**both, "lost": lost})


def test_policy_that_engines_answer_differently_is_never_activated(
    gov: Service, tmp_path: Path
) -> None:
    """Where another engine gives no answer the present policy stays, and all goes on under it."""
    owner = gov.acting_as("owner", purpose="oversight")
    governor, before = gov.rooms.governor, owner.policy
    digest = gov.rooms.bundles.put(PolicyBundle({**BUNDLE.files, "note.txt": b"another digest"}))
    lost = WasmPolicyEngine(FilePolicyBundles(tmp_path / "nothing"), tmp_path / "cache")

    governor._peers = (OtherEngine(lost),)
    with pytest.raises(PolicyUnavailableError):
        owner.activate_policy(digest)
    assert before == owner.policy
    governor._peers = (OtherEngine(governor._engine),)
    owner.activate_policy(digest)

    assert digest == owner.policy
