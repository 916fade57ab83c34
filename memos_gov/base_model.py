"""
The base model that a tenant's memories become tensors with: prepared, and registered.

    files on this machine -> fingerprint -> verdict -> accepted BaseModelRegistered

Files lie on a machine and are shared by all data folders of a user; which base
model counts is the tenant's own, in its history. Registering one that the tenant
has already writes nothing.
Deliberately not here: fetching and reading files (`ports/language_model.py`).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from memos_gov.domain import commands as c
from memos_gov.domain import ids
from memos_gov.domain.facts import BaseModelFacts
from memos_gov.domain.fingerprint import Fingerprint
from memos_gov.domain.questions import Caller
from memos_gov.governor import Governor
from memos_gov.ports import LanguageModel, Snapshot
from memos_gov.ports.language_model import Progress


class BaseModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    A base model that is on this machine and the tenant's.

    `made` says that its files were made just now, `registered` that the event
    at `index` was; else both were there before.
    """

    base_model: str
    fingerprint: Fingerprint
    folder: Path
    made: bool
    registered: bool
    index: int


def prepare_base_model(
    governor: Governor,
    language_model: LanguageModel,
    caller: Caller,
    progress: Progress | None = None,
) -> BaseModelReport:
    """
    Bring the base model of the settings onto this machine, and register it for the tenant.

    Raises:
        SettingsError: Something is not installed, or it cannot be a base model.
        UnavailableError: It cannot be fetched or written; nothing is left behind.
        DeniedError, PolicyUnavailableError: Refused; recorded, the files stay.
    """
    files = language_model.prepare(progress)
    found = language_model.fingerprint()
    with governor.tables.snapshot(tenant=caller.tenant) as snapshot:
        known = registered(snapshot, caller.tenant)
    is_new = known is None or known.fingerprint != found
    if is_new:
        command = c.make(c.RegisterBaseModel, **msgspec.structs.asdict(found))
        index = governor.handle(caller, command).index
    else:
        assert known is not None
        index = known.index
    return BaseModelReport(
        base_model=found.digest,
        fingerprint=found,
        folder=files.folder,
        made=files.made,
        registered=is_new,
        index=index,
    )


def registered(snapshot: Snapshot, tenant: str) -> BaseModelFacts | None:
    """Return the base model that a tenant has; None where none was registered."""
    stream = ids.base_model_stream(tenant)
    _, facts = snapshot.facts([stream]).get(stream, (0, None))
    return facts if isinstance(facts, BaseModelFacts) else None
