"""
The vault against the log: the state of every key against the state of its cube.

A content key that a record names opens its payload as long as the cube lives;
once the cube's facts say `erased`, no key of any of its revisions may be left,
also not one of a record that was repeated or rejected, since the log keeps
what it sealed. Keys that no decided record names are counted: they wait in a
pool, or a process ended with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from memos_gov.destroyer import read_followed
from memos_gov.domain import ids
from memos_gov.domain.codec import Envelope
from memos_gov.domain.events import Event
from memos_gov.domain.facts import GovernanceFacts
from memos_gov.errors import CorruptionError, NotFoundError
from memos_gov.fsck.payloads import Payloads
from memos_gov.fsck.report import DESTROY, REBUILD, RESTORE, Findings
from memos_gov.fsck.walk import Seen
from memos_gov.ports import EventLog, KeyStore, Tables
from memos_gov.sealing import MONTH


def check_vault(keys: KeyStore, findings: Findings) -> None:
    """Open every key, secret and name of the vault."""
    for place in keys.damaged():
        message = "is not as it was written: the vault was changed, or is of another log"
        findings.add(f"vault.db {place}", "vault", message, RESTORE)


def check_followed(log: EventLog, keys: KeyStore, findings: Findings) -> None:
    """Compare the destroyer's checkpoint, which lies in the vault, with the log."""
    for partition in range(log.partitions):
        with findings.guarded("vault.db", "vault", RESTORE):
            read_followed(log, partition, keys.checkpoint(partition))


class KeyCheck:
    """Every sealed payload of every record, opened and forgotten at once."""

    def __init__(self, keys: KeyStore, tables: Tables, findings: Findings) -> None:
        self._keys = keys
        self._tables = tables
        self._findings = findings
        self._named = 0
        self._counts = Counter[str]()

    def see(self, batch: Sequence[Seen]) -> None:
        """Check the payloads of records in order of the log."""
        erased = self._erased(batch)
        payloads = Payloads(self._keys, _named_by(batch))
        for seen in batch:
            record = seen.parsed.record
            if record is None or seen.state == "unreadable":
                continue
            events = seen.parsed.events or [None] * len(record.data.events)
            for env, event in zip(record.data.events, events, strict=True):
                if env.sealed is not None and env.key_id is not None:
                    self._check(seen, env, event, erased, payloads)

    def end(self) -> None:
        """Count the keys that nothing decided names."""
        self._findings.counts.update(self._counts)
        self._findings.counts["spare_keys"] = max(self._keys.count() - self._named, 0)

    def _erased(self, batch: Sequence[Seen]) -> frozenset[str]:
        """Return the governance streams, of cubes named by a batch, that say `erased`."""
        records = [seen.parsed.record for seen in batch if seen.parsed.record is not None]
        named = {_governance_of(env) for record in records for env in record.data.events}
        facts: Mapping[str, tuple[int, object]] = {}
        with (
            self._findings.guarded("tables facts", "damaged", REBUILD),
            self._tables.snapshot() as snapshot,
        ):
            facts = snapshot.facts(sorted(named - {""}))
        return frozenset(
            stream
            for stream, (_, found) in facts.items()
            if isinstance(found, GovernanceFacts) and found.state == "erased"
        )

    def _check(
        self,
        seen: Seen,
        env: Envelope,
        event: Event | None,
        erased: frozenset[str],
        payloads: Payloads,
    ) -> None:
        """Compare one payload's key with what became of its record and its cube."""
        assert seen.parsed.record is not None
        assert env.key_id is not None
        tenant = seen.parsed.record.data.tenant
        is_kept = not env.key_id.startswith(MONTH) and payloads.has_key(tenant, env.key_id)
        if _governance_of(env) in erased:
            if is_kept:
                self._named += not seen.repeats
                place, cube = f"vault.db key {env.key_id}", env.stream.split("/")[2]
                message = f"a key of {cube}, which was erased, is still there"
                self._findings.add(place, "key_alive", message, DESTROY, tenant=tenant)
            else:
                self._counts["erased_payloads"] += 1
        elif event is not None and seen.intact and seen.outcome is not None and seen.outcome.final:
            self._named += is_kept
            self._open(seen, env, event, payloads)
        elif not seen.repeats and is_kept:
            self._named += 1
            self._counts["keys_of_rejected"] += 1

    def _open(self, seen: Seen, env: Envelope, event: Event, payloads: Payloads) -> None:
        """Open a payload that counts."""
        assert seen.parsed.record is not None
        assert env.sealed is not None
        assert env.key_id is not None
        command_id, tenant = seen.parsed.record.id, seen.parsed.record.data.tenant
        place, message = seen.parsed.at.position.place, ""
        try:
            payloads.open(
                event,
                env.sealed,
                env.key_id,
                tenant=tenant,
                command_id=command_id,
                version=env.version,
            )
            self._counts["payloads"] += 1
        except NotFoundError:
            message = f"the key {env.key_id} of a payload is not in the vault"
        except (CorruptionError, ValueError):
            message = f"a payload does not open with its key {env.key_id}"
        if message:
            self._findings.add(place, "key", message, RESTORE, tenant=tenant)


def _named_by(batch: Sequence[Seen]) -> Iterator[tuple[str, str]]:
    """Yield tenant and key of every payload of a batch."""
    for seen in batch:
        if seen.parsed.record is not None:
            data = seen.parsed.record.data
            yield from ((data.tenant, env.key_id) for env in data.events if env.key_id is not None)


def _governance_of(env: Envelope) -> str:
    """Return the governance stream of the cube that a sealed payload is about; "" for none."""
    match env.stream.split("/"):
        case [tenant, "cube", cube, *_] if env.key_id is not None:
            return ids.governance_stream(tenant, cube)
        case _:
            return ""
