"""Events of erasures: asked for, planned page by page, read back by custodians, completed."""

from __future__ import annotations

from typing import Literal

from memos_gov.domain.events.event import OnErasure, OnSubject
from memos_gov.domain.verdicts import Custodian, Integer


class ErasureRequested(OnErasure, frozen=True, kw_only=True):
    """
    Somebody asked for the erasure of a subject or a cube, or again after all of it was kept.

    `cubes` are the cube asked for and those derived from it; the reason is sealed beside.
    """

    subject: str | None
    cube: str | None
    cubes: tuple[str, ...]


class SubjectRestricted(OnSubject, frozen=True, kw_only=True):
    """From here nobody reads or writes about the subject, and the set of its cubes is fixed."""

    erasure: str


class ErasurePlanned(OnErasure, frozen=True, kw_only=True):
    """
    A page of the plan: the record's other events erase and keep its cubes.

    `last` is the last cube that was looked at; `state` is the erasure's after
    this page, `custodians` those who must read back at its end.
    """

    subject: str | None
    page: Integer
    erased: Integer
    kept: Integer
    last: str | None
    state: Literal["erasing", "checking", "kept"]
    custodians: tuple[Custodian, ...]


class CustodianErased(OnErasure, frozen=True, kw_only=True):
    """
    A custodian read back and found nothing left of `checked` things.

    `digest` is the SHA-256 of the sorted ids of what was checked, as canonical JSON.
    """

    custodian: Custodian
    checked: Integer
    remaining: Integer
    digest: str
    place: str
    started_at: Integer
    ended_at: Integer


class ErasureCompleted(OnErasure, frozen=True, kw_only=True):
    """Every custodian has reported; `statement` is the SHA-256 of what the certificate says."""

    erased: Integer
    kept: Integer
    statement: str


class BackupsEnded(OnErasure, frozen=True, kw_only=True):
    """
    Since a moment no backup of the vault opens what was erased: its master keys were destroyed.

    `statement` is the SHA-256 of what the certificate says from here on.
    """

    since: Integer
    statement: str
