"""
Examination from outside the live tables: does everything here follow from the log?

`examine` replays the log into fresh tables and compares; `verify` reads the
log alone, which is quick. Neither writes a byte of what is examined: live
tables are looked at as a copy that is brought to the end of the log first.
What cannot be read is a finding with its place, and the rest goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from memos_gov.certify import parse
from memos_gov.domain.events import LogFounded
from memos_gov.fsck.artefacts import check_followed, check_index, check_policies, check_vault
from memos_gov.fsck.records import Records, check_records
from memos_gov.fsck.report import REBUILD, RESTORE, Finding, Findings, FsckReport
from memos_gov.fsck.tables import certify_again, compare
from memos_gov.ports import CubeIndex, EventLog, KeyStore, PolicyBundles, Tables

__all__ = ["Examined", "Finding", "Findings", "FsckReport", "examine", "verify"]

LOG_KINDS = frozenset({"gap", "leaf", "tenant"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """
    What could be opened of a folder; None what could not, with a finding.

    `live` is a copy of the tables in use, `fresh` is empty; both are thrown
    away afterwards.
    """

    log: EventLog | None
    keys: KeyStore | None
    live: Tables | None
    fresh: Tables | None
    index: CubeIndex | None
    bundles: PolicyBundles


def verify(at: Examined, findings: Findings) -> FsckReport:
    """Check the log, its outcomes and its trees; no payload is opened."""
    if at.log is None:
        findings.skipped.append("everything: there is no log to read")
        return findings.report()
    keys = _own_keys(at.log, at.keys, findings)
    live = _caught_up(at.log, keys, at.live, findings)
    _check_log(at.log, keys, live, findings, opens_payloads=False)
    return findings.report()


def examine(at: Examined, findings: Findings) -> FsckReport:
    """Check everything, as far as it can be opened."""
    if at.log is None:
        findings.skipped.append("everything: there is no log to read")
        return findings.report()
    keys = _own_keys(at.log, at.keys, findings)
    if at.keys is not None:
        with findings.guarded("vault.db", "vault", RESTORE):
            check_vault(at.keys, findings)
    if keys is not None:
        with findings.guarded("vault.db", "vault", RESTORE):
            check_followed(at.log, keys, findings)
    live = _caught_up(at.log, keys, at.live, findings)
    _check_log(at.log, keys, live, findings, opens_payloads=True)
    if LOG_KINDS & findings.found.keys():
        findings.skipped.append("tables: the log itself was changed")
        return findings.report()
    _check_rows(at.log, keys, live, at.fresh, findings)
    _check_artefacts(at, live, findings)
    return findings.report()


def _own_keys(log: EventLog, keys: KeyStore | None, findings: Findings) -> KeyStore | None:
    """Return the vault if it is this log's."""
    if keys is None:
        findings.skipped.append("seals and payloads: there is no vault to read")
        return None
    with findings.guarded("log offset 0", "control", RESTORE):
        found = log.read(0, 0, 1)
        events = parse(found[0]).events if found else ()
        if not events or not isinstance(events[0], LogFounded):
            findings.add("log offset 0", "control", "the log has no control record", RESTORE)
            return None
        if keys.instance == events[0].instance:
            return keys
        findings.add("vault.db", "vault", "the vault belongs to another log", RESTORE)
    findings.skipped.append("seals and payloads: the vault is not this log's")
    return None


def _caught_up(
    log: EventLog, keys: KeyStore | None, live: Tables | None, findings: Findings
) -> Tables | None:
    """Return the copy of the live tables, brought to the end of the log."""
    if live is None or keys is None:
        return live
    before = sum(findings.found.values())
    with findings.guarded("tables", "damaged", REBUILD):
        certify_again(log, log.end(0), keys, live, findings)
    if sum(findings.found.values()) == before:
        return live
    findings.skipped.append("tables: they do not go on where the log does")
    return None


def _check_log(
    log: EventLog,
    keys: KeyStore | None,
    live: Tables | None,
    findings: Findings,
    *,
    opens_payloads: bool,
) -> None:
    with findings.guarded("log.db", "damaged", RESTORE):
        end = log.end(0)
        at = Records(log=log, end=end, tables=live, keys=keys, opens_payloads=opens_payloads)
        check_records(at, findings)


def _check_rows(
    log: EventLog,
    keys: KeyStore | None,
    live: Tables | None,
    fresh: Tables | None,
    findings: Findings,
) -> None:
    if keys is None or live is None or fresh is None:
        return
    with findings.guarded("log.db", "replay", RESTORE):
        certify_again(log, log.end(0), keys, fresh, findings)
        compare(live, fresh, findings)


def _check_artefacts(at: Examined, live: Tables | None, findings: Findings) -> None:
    """Check policies and index against the tables made from the log."""
    made = at.fresh if findings.counts["rows"] else live
    if at.log is None or made is None:
        return
    with findings.guarded("policies", "policy", RESTORE):
        check_policies(made, at.bundles, findings)
    if at.index is not None:
        with findings.guarded("index.db", "index", REBUILD):
            check_index(at.log, at.log.end(0), made, at.index, findings)
