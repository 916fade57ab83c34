"""
Memories into a base model: one read of all of them, and only then their KV cache.

    cubes -> read accepted, each allowed -> texts as the caller may see them ->
    prefix in canonical order -> KV cache, kept for a minute, in a file, or computed

Whoever asks again about the same memories reads them again, under policy and
on record, and spares the computing. What policy masks for a caller is masked in
what is computed. A revision, another label or another policy is another set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from memos_gov.activation.kv_caches import KvCaches, Served, Wanted
from memos_gov.activation.members import Member, ordered
from memos_gov.base_model import registered
from memos_gov.domain import commands as c
from memos_gov.domain import ids
from memos_gov.domain.facts import ContentFacts, Source
from memos_gov.domain.questions import Caller
from memos_gov.errors import ConflictError, OvertakenError, UnavailableError
from memos_gov.governor import Governor
from memos_gov.opened import OPENED_S_MAX, elapsed_s
from memos_gov.ports import KvCache, LanguageModel
from memos_gov.ports.language_model import BETWEEN
from memos_gov.recall import Hit, Reader, Reading

PREPARE = "Run `memos-gov model prepare`; `memos-gov audit base-model` shows which one counts."


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """
    Memories as a base model takes them in, and the read that gave them.

    Attributes:
        cubes: Which, at which revision, in the order in which they stand.
        text: What they say together, as the caller may see it.
        tokens: What the base model reads of it: a whole system turn, to which
            the tokens of the next turn are added.
        restored: Whether tensors were there already.
        reused: How many tokens were not computed again.
        written: Whether the tensors were written into a file just now.
    """

    index: int
    verdict_id: str
    cubes: tuple[Source, ...]
    text: str = field(repr=False)
    tokens: tuple[int, ...] = field(repr=False)
    restored: bool
    reused: int
    written: bool
    _give: Callable[[], Any] = field(repr=False)
    _until: float = field(repr=False)

    def past_key_values(self) -> Any:
        """
        Return the tensors as transformers takes them; a new one each time, since use makes it grow.

        Raises:
            UnavailableError: The read was over OPENED_S_MAX (60) seconds ago.
        """
        if elapsed_s() >= self._until:
            msg = f"what was read {OPENED_S_MAX:.0f} seconds ago is not given any more"
            raise UnavailableError(msg, backend="base model", remedy="Inject the memories again.")
        return self._give()


class Injector:
    """Injects memories for callers."""

    def __init__(
        self,
        governor: Governor,
        reader: Reader,
        language_model: LanguageModel,
        kv_caches: KvCaches,
    ) -> None:
        self._governor = governor
        self._reader = reader
        self._language_model = language_model
        self._kv_caches = kv_caches

    def inject(self, caller: Caller, command: c.ReadCubes, *, store: bool = False) -> Injection:
        """
        Return memories as the base model takes them in, after their read was accepted.

        Args:
            store: Write the tensors into a file, where there is none that fits.

        Raises:
            SettingsError: The base model is not installed, not prepared, or unusable.
            ConflictError: It is not the one that the tenant has; nothing was read.
            DeniedError, NotFoundError, PolicyUnavailableError: Policy refuses at
                least one memory; recorded.
            InvalidCommandError: More tokens than the base model can read.
            UnavailableError: As `Reader.read`, or the file cannot be written.
        """
        self.require_registered(caller.tenant)
        reading = self._reader.read(caller, command)
        until = elapsed_s() + OPENED_S_MAX
        wanted = self._wanted(caller, reading)
        served = self._kv_caches.build(wanted) if store else self._kv_caches.serve(wanted)
        self._keep_what_stands(caller.tenant)
        return self._injection(reading, wanted.members, served, until)

    def _keep_what_stands(self, tenant: str) -> None:
        """
        Drop tensors of what ended while they were computed, which may take long.

        What ends from here on finds them: whoever ends it looks through all that is kept.
        """
        self._governor.leasing.hold()
        with self._governor.tables.snapshot(tenant=tenant) as snapshot:
            self._kv_caches.review(snapshot, tenant)

    def require_registered(self, tenant: str) -> None:
        """
        Refuse to compute with another base model than the tenant's.

        Raises:
            SettingsError: The one of the settings cannot be used.
            ConflictError: It is another one.
        """
        found = self._language_model.fingerprint()
        with self._governor.tables.snapshot(tenant=tenant) as snapshot:
            known = registered(snapshot, tenant)
        if known is None or known.fingerprint != found:
            msg = "the base model on this machine is not the one that the tenant has"
            raise ConflictError(msg, remedy=PREPARE)

    def _wanted(self, caller: Caller, reading: Reading) -> Wanted:
        """
        Return what was read as a set, each cube with the key of the revision that was read.

        Raises:
            OvertakenError: A cube was revised or erased since.
        """
        tenant = caller.tenant
        streams = {ids.content_stream(tenant, hit.cube_id): hit for hit in reading.hits}
        with self._governor.tables.snapshot(tenant=tenant) as snapshot:
            policy = self._governor.attempt(snapshot, caller).policy.active
            facts = {stream: found for stream, (_, found) in snapshot.facts(streams).items()}
        labels = self._governor.words(policy).labels
        members = []
        for stream, hit in streams.items():
            content = facts.get(stream)
            if not isinstance(content, ContentFacts) or content.revision != hit.revision:
                raise OvertakenError
            members.append(_member(hit, content, labels))
        return Wanted(tenant=tenant, policy=policy, members=ordered(members))

    def _injection(
        self, reading: Reading, members: tuple[Member, ...], served: Served, until: float
    ) -> Injection:
        kv_cache: KvCache = served.kv_cache
        return Injection(
            index=reading.index,
            verdict_id=reading.verdict_id,
            cubes=tuple(member.source for member in members),
            text=BETWEEN.join(member.text.strip() for member in members),
            tokens=kv_cache.tokens,
            restored=served.restored,
            reused=served.reused,
            written=served.written,
            _give=lambda: self._language_model.restored(kv_cache),
            _until=until,
        )


def _member(hit: Hit, content: ContentFacts, labels: Mapping[str, int]) -> Member:
    return Member(
        cube=hit.cube_id,
        revision=hit.revision,
        key_id=content.key_id,
        rank=labels.get(hit.label, len(labels)),
        text=hit.content or "",
    )
