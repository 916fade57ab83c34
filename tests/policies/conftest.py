"""The shipped policies, ready to be asked."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from memos_gov.backends.files import FilePolicyBundles, shipped_bundle
from memos_gov.backends.opa_tool import OpaTool
from memos_gov.backends.wasm import WasmPolicyEngine
from memos_gov.errors import SettingsError

Ask = Callable[[str, dict[str, Any], Any], Any]


@pytest.fixture(scope="session")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Return a function that asks the shipped policies and decodes the answer."""
    folder = tmp_path_factory.mktemp("policies")
    bundles = FilePolicyBundles(folder / "bundles")
    digest = bundles.put(shipped_bundle())
    engine = WasmPolicyEngine(bundles, folder / "cache")

    def put(entrypoint: str, question: dict[str, Any], answer: Any) -> Any:
        body = engine.ask(digest, f"memos_gov/{entrypoint}", question)
        return msgspec.json.decode(body, type=answer)

    return put


@pytest.fixture(scope="session")
def opa() -> OpaTool:
    """Return the pinned OPA; skip where it is absent and may be."""
    try:
        return OpaTool.find()
    except SettingsError as error:
        if os.environ.get("MEMOS_GOV_REQUIRE_OPA") == "1":
            raise
        pytest.skip(f"{error}: {error.remedy}")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Return the root of the checkout."""
    return Path(__file__).resolve().parents[2]
