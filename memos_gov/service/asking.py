"""Questions of evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from memos_gov.domain.as_of import AsOf
    from memos_gov.erasure import Erasure
    from memos_gov.proving import Proof
    from memos_gov.queries.asking import Evidence
    from memos_gov.queries.audits import Audit
    from memos_gov.queries.cases import Case
    from memos_gov.queries.explain import Explanation
    from memos_gov.queries.history import History
    from memos_gov.queries.log_pages import Entry, WholeEntry
    from memos_gov.queries.principals import Principal
    from memos_gov.queries.proving import SignedHead
    from memos_gov.queries.standing import Identity


from memos_gov.service.acting import Acting


class Asking(Acting):
    """Questions of evidence."""

    def history(
        self, cube: str, *, as_of: AsOf | datetime | int | None = None, diff: bool = False
    ) -> History:
        """
        Return every change of a cube, oldest first; headers, never content.

        With `diff` also its revisions and how each differs from the one before,
        as far as the content may be read: that is a read of its own.
        """
        if diff:
            from memos_gov.domain.as_of import as_of as moment_of
            from memos_gov.timeline import timeline

            return timeline(self._evidence, self.rooms.reader, cube, moment_of(as_of))
        from memos_gov.queries.history import history

        return history(self._evidence.as_of(as_of), cube)

    def explain(self, verdict_id: str) -> Explanation:
        """Return why a verdict was given; `<command id>[/<target>]`, or an index."""
        from memos_gov.queries.explain import explain

        return explain(self._evidence, verdict_id)

    def audit(
        self, name: str, *, as_of: AsOf | datetime | int | None = None, **about: object
    ) -> Audit:
        """Answer a question of auditors by name, about a `subject` or a `cube`."""
        from memos_gov.queries.audits import audit

        return audit(self._evidence, name, as_of=as_of, **about)

    def erasure(self, erasure: str) -> Erasure:
        """Return an erasure as it stands; ids and reasons, never content."""
        from memos_gov.queries.erasures import erasure as answered

        return answered(self._evidence, erasure)

    def cases(self) -> tuple[Case, ...]:
        """Return the review cases that are open, oldest first."""
        from memos_gov.queries.cases import cases

        return cases(self._evidence)

    def principals(self) -> tuple[Principal, ...]:
        """Return who may act in the tenant, by name; the question is recorded."""
        from memos_gov.queries.principals import principals

        return principals(self._evidence)

    def log_tail(self, count: int = 20) -> tuple[Entry, ...]:
        """Return the newest decided records of the tenant, oldest first."""
        from memos_gov.queries.log_pages import log_tail

        return log_tail(self._evidence, count)

    def log_show(self, index: int) -> WholeEntry:
        """Return one decided record whole, its payloads as ciphertext."""
        from memos_gov.queries.log_pages import log_show

        return log_show(self._evidence, index)

    def log_export(self) -> Iterator[WholeEntry]:
        """Yield every decided record of the tenant; refused at once, not at the first one."""
        from memos_gov.queries.log_pages import log_export

        return log_export(self._evidence)

    def checkpoint(self) -> SignedHead:
        """Sign the head of the tenant's log as it stands; the question is part of it."""
        from memos_gov.queries.proving import log_checkpoint

        return log_checkpoint(self._evidence, self.rooms.notary)

    def prove(self, index: int) -> Proof:
        """Return the proof that a record stands in the log, for whoever has the verifier key."""
        from memos_gov.queries.proving import log_prove

        return log_prove(self._evidence, self.rooms.prover, index)

    @property
    def vkey(self) -> str:
        """The verifier key of the tenant's log, to be handed out; nothing is recorded."""
        return str(self.rooms.notary.signer(self.caller.tenant).vkey)

    def whoami(self) -> Identity:
        """Return who this is, as the log knows it; nothing is recorded."""
        from memos_gov.queries.standing import whoami

        return whoami(self.rooms.governor, self.caller, self.name)

    @property
    def _evidence(self) -> Evidence:
        from memos_gov.queries.asking import Evidence

        rooms = self.rooms
        return Evidence(
            governor=rooms.governor,
            follower=rooms.follower,
            bundles=rooms.bundles,
            caller=self.caller,
        )
