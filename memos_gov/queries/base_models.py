"""Audit `base-model`: with which base model a tenant's memories become tensors, and since when."""

from __future__ import annotations

from typing import Any

from memos_gov.domain.facts import BaseModelFacts
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence

COLUMNS = (
    "base_model",
    "architecture",
    "weights",
    "config",
    "tokenizer",
    "chat_template",
    "dtype",
    "attention",
    "transformers",
    "registered_at",
    "registered_by",
    "index",
)


def base_model(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """Return the base model that the tenant has, as one row; none where none was registered."""
    about.takes()
    index = evidence.ask("base-model")
    facts = evidence.facts("guard").get("basemodel")
    if not isinstance(facts, BaseModelFacts):
        return index, []
    return index, [_row(facts, evidence.names([facts.registered_by])[facts.registered_by])]


def _row(facts: BaseModelFacts, registered_by: str) -> tuple[Any, ...]:
    found = facts.fingerprint
    return (
        facts.base_model,
        found.architecture,
        found.weights,
        found.config,
        found.tokenizer,
        found.chat_template,
        found.dtype,
        found.attention,
        found.transformers,
        facts.registered_at,
        registered_by,
        facts.index,
    )
