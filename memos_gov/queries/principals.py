"""Who may act in a tenant, with roles and attributes, as the log knows them."""

from __future__ import annotations

import msgspec

from memos_gov.domain.facts import PrincipalFacts
from memos_gov.queries.asking import Evidence


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may act: with these roles, up to this label, for these purposes, there."""

    principal: str
    roles: tuple[str, ...]
    clearance: str
    purposes: tuple[str, ...]
    regions: tuple[str, ...]


def principals(evidence: Evidence) -> tuple[Principal, ...]:
    """
    Return the principals of the tenant by name, those without a role too.

    Raises:
        DeniedError: Refused; recorded.
    """
    evidence.ask("principals")
    found = evidence.facts("principal")
    names = evidence.names(found)
    known = [
        Principal(
            principal=names[opaque],
            roles=facts.roles,
            clearance=facts.clearance,
            purposes=facts.purposes,
            regions=facts.regions,
        )
        for opaque, facts in found.items()
        if isinstance(facts, PrincipalFacts)
    ]
    return tuple(sorted(known, key=lambda known: known.principal))
