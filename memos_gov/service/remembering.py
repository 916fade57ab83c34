"""Keeping and changing memories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from memos_gov.domain import commands as c
from memos_gov.receipts import Receipt
from memos_gov.service.acting import Acting


class Remembering(Acting):
    """Keeping and changing memories."""

    def remember(
        self,
        content: str,
        *,
        subjects: Sequence[str] = (),
        label: str | None = None,
        purposes: Sequence[str] | None = None,
        basis: str | None = None,
        retention_class: str | None = None,
        region: str | None = None,
        priority: str = "normal",
        semantic_type: str = "fact",
        origin: Literal["user", "agent", "import", "inference"] = "user",
        author: str | None = None,
        conversation: str | None = None,
        position: int | None = None,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        consents: Sequence[c.Consent] = (),
        command_id: str | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Keep a memory; what is not said comes from the settings."""
        settings = self.rooms.settings
        command = c.make(
            c.RememberCube,
            content=content,
            subjects=subjects,
            label=label or settings.label,
            purposes=purposes or (self.caller.purpose,),
            basis=basis or settings.basis,
            retention_class=retention_class or settings.retention_class,
            region=region or settings.region,
            priority=priority,
            semantic_type=semantic_type,
            origin=origin,
            author=author,
            conversation=conversation,
            position=position,
            valid_from=valid_from,
            valid_to=valid_to,
            metadata={} if metadata is None else metadata,
            consents=consents,
        )
        return self.handle(command, command_id=command_id, dry_run=dry_run)

    def revise(
        self,
        cube: str,
        content: str,
        *,
        mode: Literal["overwrite", "append"] = "overwrite",
        expected_revision: int | None = None,
        metadata: Mapping[str, str] | None = None,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Give a cube new content."""
        return self._do(
            c.ReviseCube,
            dry_run=dry_run,
            cube=cube,
            content=content,
            mode=mode,
            expected_revision=expected_revision,
            metadata=metadata,
            valid_from=valid_from,
            valid_to=valid_to,
        )

    def freeze(self, cube: str, *, dry_run: bool = False) -> Receipt:
        """Admit no change to a cube."""
        return self._do(c.FreezeCube, dry_run=dry_run, cube=cube)

    def thaw(self, cube: str, *, dry_run: bool = False) -> Receipt:
        """Admit changes again."""
        return self._do(c.ThawCube, dry_run=dry_run, cube=cube)

    def archive(self, cube: str, *, dry_run: bool = False) -> Receipt:
        """Keep a cube, but recall it no longer."""
        return self._do(c.ArchiveCube, dry_run=dry_run, cube=cube)

    def trigger(
        self, cube: str, *, occurred_at: datetime | None = None, dry_run: bool = False
    ) -> Receipt:
        """Say when the event happened that the cube's class counts from; now by default."""
        moment = occurred_at or self.rooms.governor.clock.now()
        return self._do(c.TriggerRetention, dry_run=dry_run, cube=cube, occurred_at=moment)

    def restore(self, cube: str, *, dry_run: bool = False) -> Receipt:
        """Bring a cube back from the archive."""
        return self._do(c.RestoreCube, dry_run=dry_run, cube=cube)
