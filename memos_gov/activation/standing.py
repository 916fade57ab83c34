"""Whether what was computed of cubes still is of what they are, under what counts now."""

from __future__ import annotations

from memos_gov.activation.sealed_file import Header
from memos_gov.domain import ids
from memos_gov.domain.facts import BaseModelFacts, ContentFacts, GovernanceFacts, PolicyFacts
from memos_gov.ports import Snapshot


def is_current(header: Header, snapshot: Snapshot) -> bool:
    """Whether the tenant has that base model still, and that policy decides still."""
    base_model = ids.base_model_stream(header.tenant)
    policy = ids.guard_stream(header.tenant, "policy")
    facts = {s: found for s, (_, found) in snapshot.facts((base_model, policy)).items()}
    known, ruling = facts.get(base_model), facts.get(policy)
    return (
        isinstance(known, BaseModelFacts)
        and known.fingerprint == header.fingerprint
        and isinstance(ruling, PolicyFacts)
        and ruling.active == header.policy
    )


def stands(header: Header, snapshot: Snapshot) -> bool:
    """Whether every cube has the revision that was read, and may be used at all."""
    tenant = header.tenant
    content = {ids.content_stream(tenant, m.cube): m.revision for m in header.members}
    governance = [ids.governance_stream(tenant, member.cube) for member in header.members]
    facts = {s: found for s, (_, found) in snapshot.facts((*content, *governance)).items()}
    return all(
        isinstance(found := facts.get(stream), ContentFacts) and found.revision == revision
        for stream, revision in content.items()
    ) and all(_is_usable(facts.get(stream)) for stream in governance)


def _is_usable(facts: object) -> bool:
    return (
        isinstance(facts, GovernanceFacts)
        and facts.state == "activated"
        and not (facts.restricted or facts.quarantined or facts.erasing)
    )
