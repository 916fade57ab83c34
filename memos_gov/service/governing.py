"""Sharing, consent, holds, reviews, principals and policies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from memos_gov.domain import commands as c
from memos_gov.receipts import Receipt
from memos_gov.rotation import Progress, RotationReport, rotate_vault
from memos_gov.service.acting import Acting

if TYPE_CHECKING:
    from memos_gov.base_model import BaseModelReport


class Governing(Acting):
    """Sharing, consent, holds, reviews, principals and policies."""

    def share(
        self,
        cube: str,
        *,
        with_: str,
        scope: Literal["read", "write"] = "read",
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Let another principal read, or read and write, over a time."""
        return self._do(
            c.ShareCube,
            dry_run=dry_run,
            cube=cube,
            principal=with_,
            scope=scope,
            valid_from=valid_from,
            valid_to=valid_to,
        )

    def unshare(self, cube: str, *, with_: str, dry_run: bool = False) -> Receipt:
        """End a share."""
        return self._do(c.UnshareCube, dry_run=dry_run, cube=cube, principal=with_)

    def relabel(
        self,
        cube: str,
        label: str,
        *,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Give a cube another label; with `valid_to` only what is on record of the past changes."""
        return self._do(
            c.RelabelCube,
            dry_run=dry_run,
            cube=cube,
            label=label,
            valid_from=valid_from,
            valid_to=valid_to,
        )

    def rebase(
        self,
        cube: str,
        basis: str,
        *,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Put a cube on another legal basis; `valid_to` as in `relabel`."""
        return self._do(
            c.RebaseCube,
            dry_run=dry_run,
            cube=cube,
            basis=basis,
            valid_from=valid_from,
            valid_to=valid_to,
        )

    def consent(
        self,
        subject: str,
        purpose: str,
        *,
        given: bool = True,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Record a consent, or (`given=False`) a refusal or withdrawal."""
        return self._do(
            c.GiveConsent if given else c.WithdrawConsent,
            dry_run=dry_run,
            subject=subject,
            purpose=purpose,
            valid_from=valid_from,
            valid_to=valid_to,
        )

    def hold(
        self,
        *,
        matter: str,
        subject: str | None = None,
        cube: str | None = None,
        label: str | None = None,
        retention_class: str | None = None,
        recorded_from: datetime | None = None,
        recorded_to: datetime | None = None,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Hold a subject, a cube, or whatever a scope covers, for a legal matter."""
        return self._do(
            c.PlaceHold,
            dry_run=dry_run,
            matter=matter,
            subject=subject,
            cube=cube,
            label=label,
            retention_class=retention_class,
            recorded_from=recorded_from,
            recorded_to=recorded_to,
            valid_from=valid_from,
            valid_to=valid_to,
        )

    def release(
        self,
        matter: str,
        *,
        subject: str | None = None,
        cube: str | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Release everything a matter holds, or one subject or cube of it."""
        return self._do(c.ReleaseHold, dry_run=dry_run, matter=matter, subject=subject, cube=cube)

    def approve(self, case: str, *, dry_run: bool = False) -> Receipt:
        """Let an act that waits for review be done."""
        return self._do(c.ApproveReview, dry_run=dry_run, case=case)

    def reject(self, case: str, *, dry_run: bool = False) -> Receipt:
        """Refuse an act that waits for review."""
        return self._do(c.RejectReview, dry_run=dry_run, case=case)

    def add_principal(
        self,
        principal: str,
        *,
        roles: Sequence[str],
        clearance: str = "internal",
        purposes: Sequence[str] | None = None,
        regions: Sequence[str] = ("*",),
        dry_run: bool = False,
    ) -> Receipt:
        """Let somebody act, with roles and attributes."""
        return self._do(
            c.AddPrincipal,
            dry_run=dry_run,
            principal=principal,
            roles=roles,
            clearance=clearance,
            purposes=purposes or (self.caller.purpose,),
            regions=regions,
        )

    def grant(self, principal: str, *roles: str, dry_run: bool = False) -> Receipt:
        """Give roles to a principal."""
        return self._do(c.GrantRoles, dry_run=dry_run, principal=principal, roles=roles)

    def revoke(self, principal: str, *roles: str, dry_run: bool = False) -> Receipt:
        """Take roles from a principal."""
        return self._do(c.RevokeRoles, dry_run=dry_run, principal=principal, roles=roles)

    def activate_policy(self, digest: str, *, dry_run: bool = False) -> Receipt:
        """Let another kept bundle decide from here on."""
        return self._do(c.ActivatePolicy, dry_run=dry_run, policy=digest)

    def prepare_base_model(self, progress: Progress | None = None) -> BaseModelReport:
        """
        Bring the base model of the settings onto this machine and register it for the tenant.

        Doing so again finds it there and writes nothing; see `base_model.py`.

        Raises:
            SettingsError: The extra `models` is not installed, or the setting names none.
            UnavailableError: It cannot be fetched or written; nothing is left behind.
            DeniedError: Refused; recorded.
        """
        from memos_gov.base_model import prepare_base_model

        return prepare_base_model(
            self.rooms.governor, self.rooms.language_model, self.caller, progress
        )

    def rotate_vault(
        self, *, dry_run: bool = False, progress: Progress | None = None
    ) -> RotationReport:
        """
        Wrap every key anew under a fresh epoch and destroy the master keys before it.

        A backup of the vault from before opens nothing afterwards. One that
        was interrupted is finished by calling it again; see `rotation.py`.
        """
        return rotate_vault(
            self.rooms.governor,
            self.rooms.keyring,
            self.caller,
            dry_run=dry_run,
            progress=progress,
        )
