"""
A CubeIndex in Weaviate: one Weaviate tenant for each of ours, ranked by our own relevance.

Weaviate's BM25 finds the cubes within a scope that have a word of the query; they are
ranked by `relevance.py` with statistics over that scope, as every index is. Of
a content it keeps stems and counts, in order of the alphabet; the schema is
explicit, and vectors of our own have their place in it.

Weaviate has no transactions: `apply` writes objects first and the position
last, so a crash between them applies the same batch again, and a search beside
`apply` may see a part of a batch. One writer at a time is the rule.

What was removed is found by nothing once `apply` has returned. Its bytes stay
in segments of Weaviate's store until compaction merges them, at no promised
time; they are gone for certain when the tenant's last entry is removed, or by
`clear`, since both delete the tenant's folder.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import grpc
import httpx
from weaviate import WeaviateClient
from weaviate.classes.init import AdditionalConfig, Auth, Timeout
from weaviate.connect import ConnectionParams
from weaviate.exceptions import WeaviateBaseError

from memos_gov.backends.weaviate.finding import (
    Finding,
    Most,
    Nearest,
    Search,
    Totals,
    beside,
    has_author,
    inside,
    nearness,
)
from memos_gov.backends.weaviate.layout import laid_out
from memos_gov.backends.weaviate.objects import (
    PAGE,
    digest_of,
    indexed_cube,
    object_id,
    pieces,
    properties_of,
)
from memos_gov.backends.weaviate.store import OpenedStore
from memos_gov.domain.verdicts import Scope
from memos_gov.errors import SettingsError, UnavailableError
from memos_gov.ports import Akin, Candidate, IndexedCube, IndexEntry, Meaning
from memos_gov.relevance import terms_of

CANDIDATES_MAX = 1_000
CHOSEN_MAX = 256  # of a larger scope; more takes longer than it finds
_AWAY = (
    "Retry later; what is not in the index is put there then. If it never answers, check that"
    " Weaviate runs, and engines.weaviate.url and grpc_port."
)
_CONNECT_S_MAX = 2
_COLLECTION = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeaviateServer:
    """
    Where Weaviate answers, and how it is spoken to; the key shows in no `repr`.

    `url` is `http://host:port` or `https://host:port`; gRPC is spoken to the
    same host, with TLS where the url has it. `collection` names what is kept
    there, so that several instances may share a server.
    """

    url: str
    grpc_port: int = 50051
    api_key: str | None = field(default=None, repr=False)
    collection: str = "MemosGovCubes"


class WeaviateCubeIndex:
    """
    CubeIndex in one multi-tenant collection of a Weaviate server, connected at first use.

    Threads may share one index. Where a scope has `candidates_max` texts or more,
    Weaviate's own BM25 chooses CHOSEN_MAX of those that match; these are ranked, and
    the others follow in order of their ids.
    """

    supports_transactions = False
    supports_sweeping = False

    def __init__(
        self,
        server: WeaviateServer,
        *,
        timeout_s: float = 10.0,
        candidates_max: int = CANDIDATES_MAX,
    ) -> None:
        if not _COLLECTION.fullmatch(server.collection):
            msg = "weaviate: the collection's name must be letters and digits, the first a capital"
            raise SettingsError(msg)
        self._server = server
        self._address = _address(server.url)
        self._timeout_s = timeout_s
        self._most = Most(candidates_max, min(candidates_max, CHOSEN_MAX))
        self._lock = threading.RLock()
        self._open: OpenedStore | None = None
        self._totals = Totals()

    def apply(
        self,
        position: int,
        put: Sequence[IndexEntry],
        remove: Iterable[tuple[str, str]] = (),
        *,
        partition: int = 0,
    ) -> None:
        """
        Replace and remove entries, then advance to `position` in `partition`.

        What is both put and removed ends removed; of two entries of one cube
        the last counts.

        Raises:
            UnavailableError: Not all was written, and the position stayed:
                apply the same again.
            SettingsError: The collection is not one of this program's.
        """
        gone = set(remove)
        entries = {(e.tenant, e.cube_id): e for e in put}
        kept = [entry for key, entry in entries.items() if key not in gone]
        with self._opened() as opened:
            if position <= opened.position(partition):
                return
            for tenant in sorted({e.tenant for e in kept}):
                opened.put(tenant, [e for e in kept if e.tenant == tenant])
            for tenant in sorted({tenant for tenant, _ in gone}):
                opened.remove(tenant, [cube for of, cube in gone if of == tenant])
            opened.advance(partition, position, changed=bool(kept or gone))

    def position(self, partition: int = 0) -> int:
        """Return how far this index has come in a partition; -1 before the first `apply`."""
        with self._opened() as opened:
            return opened.position(partition)

    def search(
        self,
        tenant: str,
        query: str,
        scope: Scope,
        now: int,
        akin: Mapping[str, Sequence[Akin]] | None = None,
    ) -> Iterator[Candidate]:
        """
        Yield all matching cubes within `scope` that are valid `now`, most relevant first.

        Raises:
            UnavailableError: No answer; ask again.
            SettingsError: The collection is not one of this program's.
        """
        terms = tuple(terms_of(query, akin))
        if not terms or inside(scope) is None:
            return
        with self._opened() as opened:
            cubes = opened.tenant(tenant)
            if cubes is None:
                return
            asked = Search(tenant, opened.standing(), terms, scope, now)
            found = Finding(cubes, asked, self._totals, self._most)
            candidates = [*found.ranked()]
        yield from candidates
        if not found.is_whole:
            yield from self._others(found)

    def nearest(self, tenant: str, meaning: Meaning, scope: Scope, now: int) -> Iterator[Candidate]:
        """See `CubeIndex.nearest`; a page at a time, exact where few enough are in scope."""
        if inside(scope) is None:
            return
        offset = 0
        while True:
            with self._opened() as opened:
                cubes = opened.tenant(tenant)
                page = [] if cubes is None else Nearest(cubes, meaning, scope, now).page(offset)
            if not page:
                return
            yield from page
            offset += len(page)

    def nearness(self, tenant: str, cubes: Collection[str], meaning: Meaning) -> dict[str, float]:
        """See `CubeIndex.nearness`; from one query for each few hundred."""
        found: dict[str, float] = {}
        with self._opened() as opened:
            kept = opened.tenant(tenant)
            for piece in pieces(object_id(tenant, cube) for cube in cubes):
                found |= {} if kept is None else nearness(kept, piece, meaning)
        return found

    def beside(
        self, tenant: str, places: Collection[tuple[str, int]], scope: Scope, now: int
    ) -> list[Candidate]:
        """See `CubeIndex.beside`; a hundred places a query."""
        with self._opened() as opened:
            cubes = opened.tenant(tenant)
            return [] if cubes is None else sorted(beside(cubes, places, scope, now))

    def authors(self, tenant: str, authors: Collection[str], scope: Scope) -> set[str]:
        """See `CubeIndex.authors`; a query each."""
        with self._opened() as opened:
            cubes = opened.tenant(tenant)
            if cubes is None:
                return set()
            return {author for author in authors if has_author(cubes, author, scope)}

    def _others(self, found: Finding) -> Iterator[Candidate]:
        after = ""
        while True:
            with self._opened():
                page = found.page(after)
            yield from (each for each in page if each.cube not in found.seen)
            if len(page) < PAGE:
                return
            after = page[-1].cube

    def entries(self) -> Iterator[IndexedCube]:
        """See `CubeIndex.entries`; a tenant's digests are held at once."""
        with self._opened() as opened:
            tenants = opened.tenants()
        for tenant in tenants:
            with self._opened() as opened:
                kept = sorted(indexed_cube(tenant, o) for o in opened.objects(tenant))
            yield from kept

    def digest(self, entry: IndexEntry) -> bytes:
        """See `CubeIndex.digest`."""
        return digest_of(entry.tenant, properties_of(entry), sealed=bool(entry.model))

    def damaged(self) -> Iterator[str]:
        """See `CubeIndex.damaged`; an object must lie under its own id, its words counted."""
        with self._opened() as opened:
            found = [*opened.contradictions()]
        yield from found

    def present(self, tenant: str, cubes: Iterable[str]) -> set[str]:
        """See `CubeIndex.present`; from one query for each few hundred."""
        named = {object_id(tenant, cube): cube for cube in cubes}
        with self._opened() as opened:
            return {named[each] for each in opened.present(tenant, named)}

    def clear(self) -> None:
        """Remove every entry and every position; the folders of all tenants are deleted."""
        with self._opened() as opened:
            opened.clear()

    def drop(self) -> None:
        """Remove the collection with everything in it; the next call makes it anew."""
        with self._opened() as opened:
            opened.drop()
        self.close()

    def close(self) -> None:
        """Release the connections; nothing is lost, and the next call opens them again."""
        with self._lock:
            if self._open is not None:
                self._open.client.close()
                self._open = None

    @contextmanager
    def _opened(self) -> Iterator[OpenedStore]:
        with _translated(self._server.url):
            with self._lock:
                if self._open is None:
                    self._open = self._connected()
                opened = self._open
            # The client would wait a minute for gRPC; this fails at once where nobody listens.
            _knock(self._address[1], self._server.grpc_port)
            yield opened

    def _connected(self) -> OpenedStore:
        scheme, host, port = self._address
        secure, server = scheme == "https", self._server
        client = WeaviateClient(
            ConnectionParams.from_params(
                http_host=host,
                http_port=port,
                http_secure=secure,
                grpc_host=host,
                grpc_port=server.grpc_port,
                grpc_secure=secure,
            ),
            auth_client_secret=Auth.api_key(server.api_key) if server.api_key else None,
            additional_config=AdditionalConfig(
                timeout=Timeout(
                    init=_CONNECT_S_MAX, query=self._timeout_s, insert=3 * self._timeout_s
                ),
                trust_env=False,
            ),
            skip_init_checks=True,  # they ask a package index for a newer client
        )
        try:
            client.connect()
            client.get_meta()
            _knock(host, server.grpc_port)
            return OpenedStore(client, *laid_out(client, server.collection))
        except BaseException:
            client.close()
            raise


def _address(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        msg = "weaviate: the address must be http://host:port or https://host:port"
        raise SettingsError(msg)
    return parts.scheme, host, port


def _knock(host: str, port: int) -> None:
    """Find at once that nobody listens for gRPC; the client would try for a minute."""
    with socket.create_connection((host, port), timeout=_CONNECT_S_MAX):
        pass


@contextmanager
def _translated(place: str) -> Iterator[None]:
    try:
        yield
    except (WeaviateBaseError, grpc.RpcError, httpx.HTTPError, OSError) as error:
        # Its text may hold what was asked or written.
        message = f"the index at {place} did not answer ({type(error).__name__})"
        raise UnavailableError(message, backend="index", remedy=_AWAY) from error
