"""
A policy bundle: Rego, data, schemas, capabilities and compiled Wasm under one digest.

The digest covers everything that can change an answer, OPA's version too, so
an old verdict can be asked again under exactly its own policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property

import msgspec

from memos_gov.domain.schedules import check_schedules

_ABOVE_ALL = 99


class Vocabulary(msgspec.Struct, frozen=True):
    """The closed words a bundle knows; `labels` and `reasons` keep their meaning beside them."""

    labels: dict[str, int]
    purposes: dict[str, tuple[str, ...]]
    bases: tuple[str, ...]
    regions: tuple[str, ...]
    retention_classes: tuple[str, ...]
    semantic_types: tuple[str, ...]
    priorities: tuple[str, ...]
    roles: dict[str, str]
    reasons: dict[str, str]

    def strictest(self, *labels: str) -> str:
        """Return the highest of some labels; one that is unknown is above all others."""
        return max(labels, key=lambda label: self.labels.get(label, _ABOVE_ALL))


class GoldenQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question that every engine must answer alike before a bundle decides."""

    entrypoint: str
    question: dict[str, object]


class _Manifest(msgspec.Struct, frozen=True):
    """What a bundle says of itself."""

    entrypoints: tuple[str, ...]
    opa: str


class PolicyBundle:
    """
    The files of one bundle by relative path, immutable.

    `policy.wasm`, `data.json`, `manifest.json` (OPA's version, entrypoints) and
    the Rego sources under `rego/` are always present; `golden.json` is missing
    from bundles that were made before there were golden questions.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(sorted(files.items()))

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, over each path and the SHA-256 of its bytes, in order of path."""
        total = hashlib.sha256()
        for path, body in self.files.items():
            total.update(f"{path}\0{hashlib.sha256(body).hexdigest()}\n".encode())
        return total.hexdigest()

    @cached_property
    def wasm(self) -> bytes:
        """The compiled module."""
        return self.files["policy.wasm"]

    @cached_property
    def data(self) -> bytes:
        """The bundle's `data` document, as JSON."""
        return self.files["data.json"]

    @cached_property
    def entrypoints(self) -> tuple[str, ...]:
        """What can be asked."""
        return self._manifest.entrypoints

    @cached_property
    def opa_version(self) -> str:
        """The OPA that compiled it, whose answers count."""
        return self._manifest.opa

    @cached_property
    def _manifest(self) -> _Manifest:
        return msgspec.json.decode(self.files["manifest.json"], type=_Manifest)

    @cached_property
    def golden(self) -> tuple[GoldenQuestion, ...]:
        """The questions that engines are compared by."""
        body = self.files.get("golden.json", b"[]")
        return msgspec.json.decode(body, type=tuple[GoldenQuestion, ...])

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words that commands may use under this bundle."""
        whole = msgspec.json.decode(self.data)
        return msgspec.convert(whole["memos_gov"]["vocabulary"], Vocabulary)

    def check(self) -> None:
        """
        Refuse data that contradict themselves, before anything is decided by them.

        Raises:
            InvalidCommandError: Names the retention class at fault.
        """
        check_schedules(msgspec.json.decode(self.data).get("memos_gov"))
