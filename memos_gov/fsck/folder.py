"""
The small files of a folder: its keys and its defaults, against log, vault and policies.

A key file is right when somebody knows it: the vault opens with `kek`, it
keeps the value of `operator`, and tenants were founded with the public halves
of `verifier` and `recovery`. A default is right when a command could use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

from memos_gov.domain import ids
from memos_gov.domain.facts import PolicyFacts
from memos_gov.domain.vocabulary import check_words
from memos_gov.errors import GovernanceError, InvalidCommandError
from memos_gov.fsck.policies import policies
from memos_gov.fsck.report import BRING_KEY, CORRECT, Findings
from memos_gov.ports import KeyStore, PolicyBundles, Tables

OPERATOR = "operator"
DEFAULTS = "memos-gov.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallFiles:
    """
    What could be read of the small files.

    `public` has the public half, in hex, of each key file by its name;
    `operator` is None where it could not be read; `defaults` are the settings
    of the folder as its file and the program give them.
    """

    public: Mapping[str, str] = field(default_factory=dict)
    operator: bytes | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)


def check_folder(
    files: SmallFiles,
    tables: Tables | None,
    keys: KeyStore | None,
    bundles: PolicyBundles,
    findings: Findings,
) -> None:
    """Compare the small files with what log and vault know of them."""
    if keys is not None and files.operator is not None:
        known = keys.secret(ids.INSTANCE, OPERATOR)
        findings.counts["key_files"] += 1
        if known is not None and known != files.operator:
            message = "is not the key that this folder was made with"
            findings.add("keys/operator", "key_file", message, BRING_KEY)
    if tables is None:
        return
    founded = dict(policies(tables))
    _check_public(files, founded.values(), findings)
    if keys is not None and files.defaults:
        _check_defaults(files.defaults, founded, tables, keys, bundles, findings)


def _check_public(files: SmallFiles, founded: Iterable[PolicyFacts], findings: Findings) -> None:
    known: dict[str, set[str]] = {"verifier": set(), "recovery": set()}
    for facts in founded:
        known["verifier"].add(facts.verifier_key)
        known["recovery"].add(facts.recovery_key)
    for name, public in sorted(files.public.items()):
        findings.counts["key_files"] += 1
        if public not in known[name.removesuffix(".pub")]:
            message = "belongs to no tenant of this folder"
            findings.add(f"keys/{name}", "key_file", message, BRING_KEY)


def _check_defaults(
    defaults: Mapping[str, str],
    founded: Mapping[str, PolicyFacts],
    tables: Tables,
    keys: KeyStore,
    bundles: PolicyBundles,
    findings: Findings,
) -> None:
    """Find the default that no command could use."""
    tenant, principal = defaults["tenant"], defaults["principal"]
    facts = founded.get(tenant)
    if facts is None:
        findings.add(DEFAULTS, "settings", "tenant: there is no such tenant", CORRECT)
        return
    opaque = keys.refer(tenant, "principal", [principal]).get(principal, "")
    stream = ids.principal_stream(tenant, opaque)
    with tables.snapshot() as snapshot:
        if not opaque or not snapshot.facts([stream]):
            findings.add(DEFAULTS, "settings", "principal: there is no such principal", CORRECT)
    try:
        words = bundles.get(facts.active).vocabulary
    except GovernanceError:
        findings.skipped.append(f"words of {DEFAULTS}: the policy of {tenant} cannot be read")
        return
    findings.counts["defaults"] += len(defaults)
    try:
        check_words(SimpleNamespace(**defaults), words)
    except InvalidCommandError as error:
        findings.add(DEFAULTS, "settings", f"{error}, under the policy of {tenant}", CORRECT)
