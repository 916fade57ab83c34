"""
Rotating the vault: a new master key, everything wrapped under it, the old ones destroyed.

    verdict -> accepted VaultRotated -> new epoch in keys/kek -> everything new
    under it -> everything old under it -> old epochs out of keys/kek -> vault.db
    written anew

After that a backup of the vault from before opens nothing. Nothing is touched
before the event is accepted. Each step is durable before the next begins and
changes nothing when it is done again, so the next rotation finishes one that
was killed; until then everything opens, under the old key or the new one.

One vault serves all tenants, so the order of one rotates the keys of all.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from memos_gov.domain import commands as c
from memos_gov.domain import ids
from memos_gov.domain.facts import VaultFacts
from memos_gov.domain.questions import Caller
from memos_gov.governor import Governor
from memos_gov.ports import Clock, Keyring, KeyStore, Rotation, Snapshot
from memos_gov.receipts import Receipt

BATCH_KEYS = 500
Progress = Callable[[str, int, int], None]


class VaultStanding(msgspec.Struct, frozen=True, kw_only=True):
    """
    The epoch that everything new is wrapped under, and since when, in milliseconds.

    `unfinished` says what a rotation that was interrupted has left to do; ""
    when there is none.
    """

    epoch: int
    began_ms: int
    unfinished: str


class RotationReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    A rotation that was done, or with `dry_run` would be, by whose order.

    `ended` are the epochs whose master keys are destroyed, `moved` counts the
    keys, secrets and names that were wrapped anew; of a dry run, those that
    would be. `resumed` says that it finished one that was interrupted.
    """

    epoch: int
    ended: tuple[int, ...]
    moved: int
    resumed: bool
    dry_run: bool
    receipt: Receipt


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    epoch: int
    ends: tuple[int, ...]
    resumes: bool


def standing(keys: KeyStore, keyring: Keyring, snapshot: Snapshot) -> VaultStanding:
    """Return how the vault and its master keys stand, and whether they agree with the log."""
    epochs = keys.epochs()
    newest, live = epochs[-1], [epoch for epoch in epochs if epoch.ended_ms is None]
    held, ordered = set(keyring.master().epochs), _ordered(snapshot)
    unfinished = ""
    if ordered > newest.number:
        unfinished = f"epoch {ordered} was ordered and has not begun"
    elif len(live) > 1:
        unfinished = f"not everything is under epoch {newest.number} yet"
    elif held != {newest.number}:
        unfinished = f"keys/kek holds master keys besides that of epoch {newest.number}"
    return VaultStanding(epoch=newest.number, began_ms=newest.began_ms, unfinished=unfinished)


def _ordered(snapshot: Snapshot) -> int:
    """Return the newest epoch that any tenant's accepted history orders."""
    streams = [ids.guard_stream(tenant, "vault") for tenant in snapshot.tenants()]
    found = (facts for _, facts in snapshot.facts(streams).values())
    return max((facts.epoch for facts in found if isinstance(facts, VaultFacts)), default=0)


def rotate_vault(
    governor: Governor,
    keyring: Keyring,
    caller: Caller,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> RotationReport:
    """
    Rotate the vault, or finish a rotation that was interrupted.

    Raises:
        DeniedError, PolicyUnavailableError: Refused; recorded, nothing was touched.
        UnavailableError: Another process rotates, or a file did not answer:
            what was done stays, and rotating again goes on from there.
        CorruptionError: A key does not open; the old master keys stay.
    """
    keys = governor.keys
    vault = keys.rotation()
    with keyring.rotating(), vault.alone():
        with governor.tables.snapshot() as snapshot:
            plan = _plan(keys, keyring, snapshot)
        command = c.make(c.RotateVault, epoch=plan.epoch, ended=plan.ends)
        receipt = governor.handle(caller, command, dry_run=dry_run)
        if dry_run:
            moved = vault.left(plan.epoch)
        else:
            moved = _carry_out(keys, vault, keyring, governor.clock, plan.epoch, progress)
    return RotationReport(
        epoch=plan.epoch,
        ended=plan.ends,
        moved=moved,
        resumed=plan.resumes,
        dry_run=dry_run,
        receipt=receipt,
    )


def _plan(keys: KeyStore, keyring: Keyring, snapshot: Snapshot) -> _Plan:
    """Return which epoch is to be the only one: that of an unfinished rotation, or a new one."""
    found, held = standing(keys, keyring, snapshot), keyring.master()
    resumes = bool(found.unfinished)
    epoch = max(found.epoch, held.current, _ordered(snapshot)) + (not resumes)
    live = {e.number for e in keys.epochs() if e.ended_ms is None} | held.epochs.keys()
    return _Plan(epoch=epoch, ends=tuple(sorted(live - {epoch})), resumes=resumes)


def _carry_out(
    keys: KeyStore,
    vault: Rotation,
    keyring: Keyring,
    clock: Clock,
    epoch: int,
    progress: Progress | None,
) -> int:
    """Do every step that is not done yet; return how many keys, secrets and names moved."""
    keyring.begin(epoch)
    vault.begin(epoch, _milliseconds(clock))
    moved, total = 0, vault.left(epoch)
    while count := vault.rewrap(BATCH_KEYS):
        moved += count
        if progress is not None:
            progress("vault", moved, max(total, moved))
    keyring.end(before=epoch)
    vault.end(_milliseconds(clock))
    keys.sweep()
    keys.forget_opened()
    return moved


def _milliseconds(clock: Clock) -> int:
    return round(clock.now().timestamp() * 1000)
