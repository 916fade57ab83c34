"""Policies against their digests: every bundle that decided, and every other one that is kept."""

from __future__ import annotations

from collections.abc import Iterator

from memos_gov.domain import ids
from memos_gov.domain.facts import PolicyFacts
from memos_gov.fsck.report import RESTORE, Findings
from memos_gov.ports import PolicyBundles, Tables


def check_policies(tables: Tables | None, bundles: PolicyBundles, findings: Findings) -> None:
    """Read every bundle, which checks its digest; what `tables` name must be there."""
    needed: set[str] = set()
    if tables is not None:
        needed = {facts for _, found in policies(tables) for facts in (*found.former, found.active)}
    for digest in sorted(needed | set(bundles.digests())):
        with findings.guarded(f"policies/{digest}", "policy", RESTORE):
            bundles.get(digest)
            findings.counts["policies"] += 1
        findings.progress("policies", 1, 1)


def policies(tables: Tables) -> Iterator[tuple[str, PolicyFacts]]:
    """Yield each tenant with its policy, in order."""
    with tables.snapshot() as snapshot:
        for tenant in snapshot.tenants():
            guard = ids.guard_stream(tenant, "policy")
            _, facts = snapshot.facts([guard]).get(guard, (0, None))
            if isinstance(facts, PolicyFacts):
                yield tenant, facts
