"""WasmPolicyEngine keeps the contract, and what only a Wasm host can get wrong."""

import stat
from importlib import metadata
from pathlib import Path

import pytest
import wasmtime

from memos_gov.backends.files import FilePolicyBundles, shipped_bundle
from memos_gov.backends.wasm import WasmPolicyEngine
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.domain.verdicts import ERROR, TIMED_OUT, UNDEFINED
from memos_gov.errors import PolicyUnavailableError, SettingsError
from tests.contracts.policy_engine import VERDICTS, PolicyEngineContract
from tests.policies.facts import an_actor, asked

MODULE = r"""
(module
  (import "env" "memory" (memory 2))
  (import "env" "opa_abort" (func $abort (param i32)))
  (import "env" "opa_builtin0" (func $builtin0 (param i32 i32) (result i32)))
  (global (export "opa_wasm_abi_version") i32 (i32.const 1))
  (global (export "opa_wasm_abi_minor_version") i32 (i32.const MINOR))
  (data (i32.const 16) "BUILTINS\00")
  (data (i32.const 64) "{\"x\": 0}\00")
  (data (i32.const 128) "ANSWER\00")
  (func (export "builtins") (result i32) i32.const 16)
  (func (export "entrypoints") (result i32) i32.const 64)
  (func (export "opa_json_dump") (param i32) (result i32) local.get 0)
  (func (export "opa_malloc") (param i32) (result i32) i32.const 4096)
  (func (export "opa_json_parse") (param i32 i32) (result i32) i32.const 4096)
  (func (export "opa_heap_ptr_get") (result i32) i32.const 8192)
  (func (export "opa_eval") (param i32 i32 i32 i32 i32 i32 i32) (result i32) BODY))
"""
ANSWERS = "i32.const 128"


def a_module(
    body: str = ANSWERS, answer: str = "[]", builtins: str = "{}", minor: str = "3"
) -> PolicyBundle:
    """Return a bundle around a module that speaks OPA's ABI and does what `body` says."""
    text = MODULE.replace("BODY", body).replace("MINOR", minor)
    text = text.replace("ANSWER", answer.replace('"', r"\"")).replace("BUILTINS", builtins)
    return PolicyBundle({"policy.wasm": bytes(wasmtime.wat2wasm(text)), "data.json": b"{}"})


@pytest.fixture
def bundles(tmp_path: Path) -> FilePolicyBundles:
    """Return a store without bundles."""
    return FilePolicyBundles(tmp_path / "bundles")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> FilePolicyBundles:
    """Return the store of the contract's bundles."""
    return FilePolicyBundles(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def loaded(kept: FilePolicyBundles, tmp_path_factory: pytest.TempPathFactory) -> WasmPolicyEngine:
    """Return one engine, so that the contract's tests follow each other on it."""
    return WasmPolicyEngine(kept, tmp_path_factory.mktemp("cache"), deadline_s=30)


class TestWasmPolicyEngine(PolicyEngineContract):
    """The contract, on the shipped bundle."""

    @pytest.fixture
    def engine(self, loaded: WasmPolicyEngine) -> WasmPolicyEngine:
        """Return the engine under test."""
        return loaded

    @pytest.fixture
    def digest(self, kept: FilePolicyBundles) -> str:
        """Return the digest of the shipped bundle."""
        return kept.put(shipped_bundle())

    @pytest.fixture
    def broken(self, kept: FilePolicyBundles) -> str:
        """Return the digest of a bundle whose module is none."""
        return kept.put(PolicyBundle({**shipped_bundle().files, "policy.wasm": b"not Wasm"}))


def outcome(bundles: FilePolicyBundles, cache: Path, bundle: PolicyBundle) -> str | bytes:
    """Return the answer of a bundle, or the reason why there is none."""
    engine = WasmPolicyEngine(bundles, cache, deadline_s=0.2)
    try:
        return engine.ask(bundles.put(bundle), "x", {})
    except PolicyUnavailableError as error:
        return error.reason


@pytest.mark.parametrize(
    ("bundle", "expected"),
    [
        (a_module(answer='[{"result":{"a":1}}]'), b'{"a":1}'),
        (a_module(answer="[]"), UNDEFINED),
        (a_module("(loop $again br $again) i32.const 0"), TIMED_OUT),
        (a_module("unreachable"), ERROR),
        (a_module("i32.const 128 call $abort i32.const 0"), ERROR),
        (a_module("i32.const 0 i32.const 0 call $builtin0"), ERROR),
        (a_module(builtins=r"{\"time.now_ns\": 0}"), ERROR),
        (a_module(minor="1"), ERROR),
    ],
    ids=["answer", "undefined", "loop", "trap", "abort", "builtin", "missing", "old"],
)
def test_module_that_ends_in_any_way_gives_its_answer_or_none(
    bundles: FilePolicyBundles, tmp_path: Path, bundle: PolicyBundle, expected: str | bytes
) -> None:
    """An answer, or one of three reasons: undefined, error, time-out."""
    assert expected == outcome(bundles, tmp_path / "cache", bundle)


def test_message_of_an_abort_is_in_the_error(bundles: FilePolicyBundles, tmp_path: Path) -> None:
    """Who must mend the policy learns what OPA said."""
    digest = bundles.put(a_module("i32.const 128 call $abort i32.const 0", answer="conflict"))

    with pytest.raises(PolicyUnavailableError, match="conflict"):
        WasmPolicyEngine(bundles, tmp_path / "cache").ask(digest, "x", {})


def test_engine_after_a_time_out_answers_the_next_question(
    bundles: FilePolicyBundles, tmp_path: Path
) -> None:
    """One runaway policy costs its own question only."""
    engine = WasmPolicyEngine(bundles, tmp_path / "cache", deadline_s=0.1)
    stuck = bundles.put(a_module("(loop $again br $again) i32.const 0"))
    sound = bundles.put(a_module(answer='[{"result":1}]'))

    for _ in range(2):
        with pytest.raises(PolicyUnavailableError):
            engine.ask(stuck, "x", {})
        assert engine.ask(sound, "x", {}) == b"1"


def test_cached_code_of_a_module_is_for_this_user_alone(
    bundles: FilePolicyBundles, tmp_path: Path
) -> None:
    """Machine code lies in a private folder, in a private file named by the digest."""
    bundle = a_module(answer='[{"result":1}]')
    outcome(bundles, tmp_path / "cache", bundle)

    (file,) = (tmp_path / "cache").iterdir()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)]
    assert file.name == f"{bundle.digest}-{metadata.version('wasmtime')}.bin"
    assert modes == [0o700, 0o600]


@pytest.mark.parametrize("spoilt", ["truncated", "readable", "link"])
def test_cached_code_that_cannot_be_trusted_is_compiled_again(
    bundles: FilePolicyBundles, tmp_path: Path, spoilt: str
) -> None:
    """Code that others could have written, or half a file, is never run."""
    bundle, cache = a_module(answer='[{"result":1}]'), tmp_path / "cache"
    outcome(bundles, cache, bundle)
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    other = outcome_of_another(bundles, tmp_path)
    if spoilt == "truncated":
        file.write_bytes(whole[:100])
    elif spoilt == "readable":
        file.write_bytes(other)
        file.chmod(0o666)
    else:
        file.unlink()
        (tmp_path / "other").write_bytes(other)
        (tmp_path / "other").chmod(0o600)
        file.symlink_to(tmp_path / "other")

    assert outcome(bundles, cache, bundle) == b"1"
    assert not file.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def outcome_of_another(bundles: FilePolicyBundles, tmp_path: Path) -> bytes:
    """Return the cached code of a module that answers differently."""
    assert outcome(bundles, tmp_path / "another", a_module(answer='[{"result":2}]')) == b"2"
    (file,) = (tmp_path / "another").iterdir()
    return file.read_bytes()


def test_cache_folder_that_others_can_write_is_refused(
    bundles: FilePolicyBundles, tmp_path: Path
) -> None:
    """A folder where others can put files holds no code for us."""
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)

    with pytest.raises(SettingsError, match="other users"):
        outcome(bundles, cache, a_module())


def test_answer_from_cached_code_equals_the_first(
    bundles: FilePolicyBundles, tmp_path: Path
) -> None:
    """A second process starts from the cache and says the same."""
    digest = bundles.put(shipped_bundle())
    question = asked(an_actor("dpo"), cubes=[])

    answers = {
        WasmPolicyEngine(bundles, tmp_path / "cache").ask(digest, VERDICTS, question)
        for _ in range(2)
    }

    assert answers == {b"{}"}
