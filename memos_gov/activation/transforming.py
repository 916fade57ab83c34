"""
Cubes into activation: an accepted event that says so, and then the file.

    verdict on each -> accepted CubesTransformed -> read of all -> file

The file is made of the log, keys and base model, and can be made again, as the
index can: nothing tells of it but the event. It is found by whoever injects the
same cubes, in whatever process; it goes when one of them changes or ends.
"""

from __future__ import annotations

import msgspec

from memos_gov.activation.injecting import Injection, Injector
from memos_gov.domain import commands as c
from memos_gov.domain import ids
from memos_gov.domain.questions import Caller
from memos_gov.governor import Governor
from memos_gov.receipts import Receipt


class Transformed(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of a transformation: the event, and the read by which the file was made.

    `built` says that the file was made just now; else it was there, or (a dry run)
    nothing was done and there is no read.
    """

    artefact: str
    cubes: tuple[str, ...]
    tokens: int
    built: bool
    read_index: int | None
    receipt: Receipt


def transform(
    governor: Governor,
    injector: Injector,
    caller: Caller,
    command: c.TransformCubes,
    *,
    dry_run: bool = False,
) -> Transformed:
    """
    Keep cubes as activation too.

    Raises:
        SettingsError, ConflictError: The base model is not there, or not the
            tenant's; nothing was written.
        DeniedError, NotFoundError: Policy refuses at least one; recorded.
        UnavailableError: The event stands and the file is not there: transform
            again. Until then the cubes are computed when they are injected.
    """
    injector.require_registered(caller.tenant)
    receipt = governor.handle(caller, command, dry_run=dry_run)
    found: Injection | None = None
    if not dry_run:
        read = c.make(c.ReadCubes, cubes=command.cubes)
        found = injector.inject(caller, read, store=True)
    return Transformed(
        artefact=ids.artefact_id_of(receipt.command_id),
        cubes=command.cubes if found is None else tuple(x.cube for x in found.cubes),
        tokens=0 if found is None else len(found.tokens),
        built=found is not None and found.written,
        read_index=None if found is None else found.index,
        receipt=receipt,
    )
