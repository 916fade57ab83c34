"""
For authors of policies: OPA on a folder of Rego, and questions to what it makes.

Checking, testing and compiling need the pinned `opa`; asking does not. No
record is written here, and no data folder is opened.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from memos_gov.backends.files import FilePolicyBundles, assemble_bundle, schemas_of, shipped_bundle
from memos_gov.backends.opa_tool import OpaTool, write_compiled
from memos_gov.backends.wasm import WasmPolicyEngine
from memos_gov.bootstrap.embedded import wasm_cache
from memos_gov.domain.bundle import PolicyBundle

ANSWER_S_MAX = 10.0


def require_opa() -> None:
    """Raise SettingsError, with the way to get it, where the pinned OPA is not installed."""
    OpaTool.find()


def check_policies(folder: Path) -> None:
    """
    Check format, types and what is called against the folder's schemas, and its data.

    Raises:
        InvalidCommandError: OPA's findings, with file and line, or the retention
            class whose schedule contradicts itself.
        SettingsError: OPA or the schemas are missing.
    """
    tool = OpaTool.find()
    tool.check(folder, schemas_of(folder))
    PolicyBundle(tool.build(folder)).check()


def test_policies(folder: Path) -> float:
    """
    Run the Rego tests and return what they cover, in percent.

    Raises:
        InvalidCommandError: A test failed, or too little is covered.
        SettingsError: OPA is missing.
    """
    return OpaTool.find().test(folder)


def build_policies(folder: Path) -> PolicyBundle:
    """
    Compile a folder into its `compiled/` and return the bundle.

    Raises:
        InvalidCommandError: It does not compile, or its data contradict themselves;
            `compiled/` is as before.
        SettingsError: OPA or a part of the folder is missing.
    """
    compiled = OpaTool.find().build(folder)
    PolicyBundle(compiled).check()
    write_compiled(compiled, folder)
    return assemble_bundle(folder)


def ask_policies(folder: Path | None, entrypoint: str, question: Mapping[str, object]) -> bytes:
    """
    Return the answer of a compiled folder, or of the shipped policies, as JSON.

    Raises:
        PolicyUnavailableError: It gave none.
        SettingsError: The folder was never compiled.
    """
    bundle = shipped_bundle() if folder is None else assemble_bundle(folder)
    with tempfile.TemporaryDirectory(prefix="memos-gov-") as scratch:
        bundles = FilePolicyBundles(Path(scratch))
        engine = WasmPolicyEngine(bundles, wasm_cache(), ANSWER_S_MAX)
        return engine.ask(bundles.put(bundle), entrypoint, question)


def kept_policies(data: Path) -> list[str]:
    """Return the digests of the bundles that a data folder keeps, sorted."""
    places = (data / "policies").glob("*")
    return sorted(path.name for path in places if not path.name.startswith("."))
