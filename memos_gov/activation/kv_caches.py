"""
KV caches of sets of cubes: found and verified, or computed from the longest known beginning.

Whatever is wrong with a file (cut, changed, another set's, another tenant's,
another base model's, of a newer program, its key gone), it is refused and
counted, and the texts are read again: a caller waits longer and is told no lie.
Whether somebody may use a set is decided before it comes here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

import msgspec

from memos_gov.activation.kept import Kept
from memos_gov.activation.members import MEMBERS_MAX, SECRET, Member, address, chain, ordered
from memos_gov.activation.sealed_file import (
    HEADER_BYTES_MAX,
    Header,
    file_key,
    header_of,
    opened,
    require_equal,
    sealed,
)
from memos_gov.activation.standing import is_current, stands
from memos_gov.errors import (
    CorruptionError,
    GovernanceError,
    InvalidCommandError,
    NotFoundError,
    SettingsError,
    UnavailableError,
)
from memos_gov.ports import KeyStore, KvCache, LanguageModel, Snapshot, TensorStore

Refusal = Literal["corrupt", "newer", "key_gone"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A set of cubes of a tenant, in any order, and the digest of the policy in force."""

    tenant: str
    policy: str
    members: tuple[Member, ...]


class Served(NamedTuple):
    """
    A KV cache, and what it cost: `restored` from its file, or computed but for `reused` tokens.

    `refused` says why a file that was there was not used, `written` that there is a new one.
    """

    kv_cache: KvCache
    address: str
    restored: bool
    reused: int
    refused: Refusal | None = None
    written: bool = False


class KvCaches:
    """
    The KV caches of all tenants.

    Attributes:
        counts: How often a set was `kept` in this process, `restored` from its file or
            `computed`, and its file refused, by reason.
    """

    def __init__(
        self,
        language_model: LanguageModel,
        store: TensorStore,
        keys: KeyStore,
        kept: Kept | None = None,
    ) -> None:
        self._language_model = language_model
        self._store = store
        self._keys = keys
        self._kept = kept
        self.counts: Counter[str] = Counter()

    def serve(self, wanted: Wanted) -> Served:
        """
        Return the KV cache of a set: out of its file, or computed; nothing is written.

        Raises:
            InvalidCommandError: Names `members`: none, too many, or too long together.
            SettingsError: The base model cannot be used.
        """
        header, tokens = self._expected(wanted)
        return self._served(header, tokens)

    def build(self, wanted: Wanted) -> Served:
        """
        Return the KV cache of a set, which is in its file afterwards; errors as `serve`.

        Raises:
            NotFoundError: The content of a member was erased meanwhile.
            UnavailableError: It cannot be written; nothing is left behind.
        """
        header, tokens = self._expected(wanted)
        served = self._served(header, tokens)
        if self._is_stored(header, tokens):
            return served
        self._store.remove(wanted.tenant, header.address)
        raw = sealed(header, served.kv_cache, self._key_of(header))
        return served._replace(written=self._store.put(wanted.tenant, header.address, raw))

    def _is_stored(self, header: Header, tokens: tuple[int, ...]) -> bool:
        """Whether there is a file that opens as what it should be."""
        raw = self._store.get(header.tenant, header.address)
        try:
            return raw is not None and self._opened(raw, header, tokens).tokens == tokens
        except (CorruptionError, SettingsError, NotFoundError):
            return False

    def review(self, snapshot: Snapshot | None, tenant: str | None = None) -> None:
        """
        Remove every file, and drop everything kept, that does not stand as it was made.

        Args:
            snapshot: What stands now; of None, what is kept goes and files stay.
            tenant: Look at this one's only.
        """
        if self._kept is not None:
            self._kept.review(snapshot, tenant)
        if snapshot is None:
            return
        for name in [tenant] if tenant else snapshot.tenants():
            # A folder that cannot be read stops nobody: no file of what ended opens, and an
            # erasure is not complete before it was looked through.
            with suppress(UnavailableError):
                self._review_files(name, snapshot)

    def _review_files(self, tenant: str, snapshot: Snapshot) -> None:
        for name, header in self._files(tenant):
            if header is None or not (stands(header, snapshot) and is_current(header, snapshot)):
                self._store.remove(tenant, name)

    def cubes_of_files(self, tenant: str) -> Iterator[frozenset[str]]:
        """
        Yield of which cubes each file of a tenant says that it is.

        Raises:
            UnavailableError: The files cannot be looked through.
        """
        for _, header in self._files(tenant):
            if header is not None:
                yield frozenset(member.cube for member in header.members)

    def _files(self, tenant: str) -> Iterator[tuple[str, Header | None]]:
        """Yield the name and the header of each file; None where it has none that reads."""
        for name in self._store.names(tenant):
            raw = self._store.get(tenant, name, HEADER_BYTES_MAX)
            try:
                yield name, None if raw is None else header_of(raw, name)
            except (CorruptionError, SettingsError):
                yield name, None

    def _expected(self, wanted: Wanted) -> tuple[Header, tuple[int, ...]]:
        """Return what the file of a set must say, but for its key, and the tokens in it."""
        members = ordered(wanted.members)
        if not 0 < len(members) <= MEMBERS_MAX:
            msg = f"members: there must be 1 to {MEMBERS_MAX} (MEMBERS_MAX)"
            raise InvalidCommandError(msg, field="members")
        secret = self._keys.secret(wanted.tenant, SECRET, create=True)
        assert secret is not None
        fingerprint = self._language_model.fingerprint()
        sources = tuple(member.source for member in members)
        tokens = self._language_model.prefix([member.text for member in members])
        links = chain(secret, fingerprint, wanted.policy, sources)
        header = Header(
            address=address(secret, links, tokens),
            tenant=wanted.tenant,
            members=sources,
            chain=links,
            fingerprint=fingerprint,
            policy=wanted.policy,
            tokens=len(tokens),
            key_ids=tuple(member.key_id for member in members),
        )
        return header, tokens

    def _served(self, header: Header, tokens: tuple[int, ...]) -> Served:
        kept = None if self._kept is None else self._kept.get(header.tenant, header.address)
        if kept is not None and kept.tokens == tokens:
            self.counts["kept"] += 1
            served = Served(kept, header.address, restored=True, reused=len(tokens))
        else:
            served = self._restored(header, tokens)
        if self._kept is not None:
            self._kept.put(header, served.kv_cache)
        return served

    def _restored(self, header: Header, tokens: tuple[int, ...]) -> Served:
        """Return a KV cache out of its file, or computed."""
        refused = None
        raw = self._store.get(header.tenant, header.address)
        if raw is not None:
            try:
                kv_cache = self._opened(raw, header, tokens)
            except (CorruptionError, SettingsError, NotFoundError) as error:
                refused = _reason(error)
                self.counts[f"refused_{refused}"] += 1
            else:
                self.counts["restored"] += 1
                return Served(kv_cache, header.address, restored=True, reused=len(tokens))
        begun = self._longest(header)
        kv_cache = self._language_model.prefill(tokens, begun)
        self.counts["computed"] += 1
        reused = 0 if begun is None else _common(begun.tokens, tokens)
        return Served(kv_cache, header.address, restored=False, reused=reused, refused=refused)

    def _opened(self, raw: bytes, header: Header, tokens: tuple[int, ...]) -> KvCache:
        kv_cache = self._unsealed(raw, header)
        if kv_cache.tokens != tokens:
            msg = f"the KV cache {header.address} holds other tokens"
            raise CorruptionError(msg, place=header.address)
        return kv_cache

    def _unsealed(self, raw: bytes, expected: Header) -> KvCache:
        """
        Return what a file holds that is the expected one.

        Raises:
            NotFoundError: A key of its cubes was destroyed.
            CorruptionError, SettingsError: As `sealed_file.opened`.
        """
        require_equal(header_of(raw, expected.address), expected, expected.address)
        return opened(raw, expected, self._key_of(expected), expected.address)

    def _key_of(self, header: Header) -> bytes:
        """
        Return the key of a file.

        Raises:
            NotFoundError: The key of one of its cubes was destroyed.
        """
        found = self._keys.open(header.tenant, header.key_ids)
        if found.keys() < {*header.key_ids}:
            raise NotFoundError(f"a key of the KV cache {header.address} was destroyed")
        return file_key([found[key_id] for key_id in header.key_ids], header.address)

    def _longest(self, header: Header) -> KvCache | None:
        """Return the KV cache with the longest beginning in common, None where there is none."""
        kept = [] if self._kept is None else self._kept.all_of(header.tenant)
        opened_already = {k.address: c for k, c in kept if _is_kin(k, header, k.address)}
        known = [*self._known(header), *(k for k, _ in kept if k.address in opened_already)]
        found = [(_common(one.chain, header.chain), one) for one in known]
        shared, best = max(found, key=lambda pair: pair[0], default=(0, None))
        if best is None or shared == 0:
            return None
        if best.address in opened_already:
            return opened_already[best.address]
        raw = self._store.get(header.tenant, best.address)
        try:
            return None if raw is None else self._unsealed(raw, best)
        except (CorruptionError, SettingsError, NotFoundError) as error:
            self.counts[f"refused_{_reason(error)}"] += 1
            return None

    def _known(self, header: Header) -> Iterator[Header]:
        """Yield what the tenant's other files say that they are, of the same base model."""
        for name, known in self._files(header.tenant):
            if known is not None and _is_kin(known, header, name):
                yield known


def _is_kin(known: Header, header: Header, name: str) -> bool:
    """Whether a file may have a beginning in common, as far as its header can be believed."""
    same = (known.tenant, known.fingerprint, known.policy, known.adapter)
    return same == (header.tenant, header.fingerprint, header.policy, header.adapter) and (
        known.address == name != header.address
    )


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    """Return how long the beginning is that two sequences have in common."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _reason(error: GovernanceError) -> Refusal:
    match error:
        case SettingsError():
            return "newer"
        case NotFoundError():
            return "key_gone"
        case _:
            return "corrupt"
