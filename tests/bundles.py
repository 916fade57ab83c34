"""Bundles like the shipped one, but with other data, for tests that let another policy decide."""

from __future__ import annotations

from typing import Any

import msgspec

from memos_gov.backends.files import shipped_bundle
from memos_gov.domain.bundle import PolicyBundle


def scheduled(**classes: dict[str, Any]) -> PolicyBundle:
    """Return the shipped bundle with some fields of some retention classes changed."""
    shipped = shipped_bundle()
    whole = msgspec.json.decode(shipped.data)
    for name, changes in classes.items():
        whole["memos_gov"]["retention"]["schedule"][name.replace("_", "-")] |= changes
    return PolicyBundle({**shipped.files, "data.json": msgspec.json.encode(whole)})
