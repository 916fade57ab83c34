"""
A CubeIndex in Weaviate: one Weaviate tenant for each of ours, ranked by our own relevance.

Weaviate's BM25 finds the cubes within a scope that have a word of the query; they are
ranked by `relevance.py` with statistics over that scope, as every index is. Of
a content it keeps stems and counts, in order of the alphabet; the schema is
explicit, and vectors of our own have their place in it.

Weaviate has no transactions: `apply` writes objects first and the position
last, so a crash between them applies the same batch again, and a search beside
`apply` may see a part of a batch. It takes whatever is sent to it, so one writer
at a time is the rule (`IndexTurns`).

What was removed is found by nothing once `apply` has returned. Its bytes stay
in segments of Weaviate's store until compaction merges them, at no promised
time; they are gone for certain when the tenant's last entry is removed, or by
`clear`, since both delete the tenant's folder.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
from memos_gov.backends.weaviate.layout import laid_out, names, owners
from memos_gov.backends.weaviate.objects import (
    PAGE,
    digest_of,
    indexed_cube,
    object_id,
    pieces,
    properties_of,
)
from memos_gov.backends.weaviate.prompt import prompt
from memos_gov.backends.weaviate.store import OpenedStore
from memos_gov.domain.verdicts import Scope
from memos_gov.errors import SettingsError, UnavailableError
from memos_gov.ports import Akin, Candidate, IndexedCube, IndexEntry, Meaning, ParkedCube
from memos_gov.relevance import terms_of

CANDIDATES_MAX = 1_000
CHOSEN_MAX = 256  # of a larger scope; more takes longer than it finds
_AWAY = (
    "Retry later; what is not in the index is put there then. If it never answers, check that"
    " Weaviate runs, and engines.weaviate.url and grpc_port."
)
_TRUST = (
    "Name the server as its certificate does (engines.weaviate.url); it must be of a public"
    " authority, since Weaviate's client trusts no other (certifi)."
)
_KEY = "Give a key that may read and write (MEMOS_GOV_ENGINES__WEAVIATE__KEY)."
# HTTP's Unauthorized and Forbidden, gRPC's PERMISSION_DENIED and UNAUTHENTICATED.
_UNKNOWN = {401, 403, 7, 16}
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

    `owner` is the instance that the collection belongs to, and is refused any
    other; None looks at anybody's, and makes none.
    """

    supports_transactions = False
    supports_sweeping = False

    def __init__(
        self,
        server: WeaviateServer,
        *,
        owner: str | None = "",
        timeout_s: float = 10.0,
        candidates_max: int = CANDIDATES_MAX,
    ) -> None:
        if not _COLLECTION.fullmatch(server.collection):
            msg = "weaviate: the collection's name must be letters and digits, the first a capital"
            raise SettingsError(msg)
        if _address(server.url)[2] == server.grpc_port:
            msg = "weaviate: the url and grpc_port must name two ports"
            raise SettingsError(msg, remedy="Check engines.weaviate.url and grpc_port.")
        self.collection = server.collection
        self._server = server
        self._owner = owner
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
        still: Callable[[], None] | None = None,
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
        with self._opened() as opened:
            before = opened.position(partition)
            if position > before:
                changed = opened.replace(put, set(remove), still or _always)
                opened.advance(partition, position, before, changed=changed)

    def mend(
        self,
        position: int,
        put: Sequence[IndexEntry],
        remove: Iterable[tuple[str, str]] = (),
        *,
        partition: int = 0,
        still: Callable[[], None] | None = None,
    ) -> bool:
        """See `CubeIndex.mend`; errors as `apply`."""
        with self._opened() as opened:
            stands = position == opened.position(partition)
            if stands:
                opened.replace(put, set(remove), still or _always)
            self._totals = Totals()
            return stands

    def remove(self, tenant: str, cubes: Iterable[str]) -> None:
        """See `CubeIndex.remove`; errors as `apply`."""
        with self._opened() as opened:
            opened.remove(tenant, cubes)
            self._totals = Totals()

    def position(self, partition: int = 0) -> int:
        """Return how far this index has come in a partition; -1 before the first `apply`."""
        with self._opened() as opened:
            return opened.position(partition)

    def version(self) -> str:
        """Return the version of the server."""
        with self._opened() as opened:
            return str(opened.client.get_meta()["version"])

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

    def parked(self) -> list[ParkedCube]:
        """See `CubeIndex.parked`; a query a tenant."""
        with self._opened() as opened:
            return sorted(opened.parked())

    def present(self, tenant: str, cubes: Iterable[str]) -> set[str]:
        """See `CubeIndex.present`; from one query for each few hundred."""
        named = {object_id(tenant, cube): cube for cube in cubes}
        with self._opened() as opened:
            return {named[each] for each in opened.present(tenant, named)}

    def clear(self) -> None:
        """Remove every entry and every position; the folders of all tenants are deleted."""
        with self._opened() as opened:
            opened.clear()

    def owners(self) -> set[str]:
        """Return whose the collections of this name are, of those that are there; makes none."""
        with self._client() as client:
            return owners(client, self._server.collection)

    def drop(self) -> None:
        """Remove the collection with everything in it, whosever; the next call makes it anew."""
        with self._client() as client:
            for each in names(self._server.collection):
                client.collections.delete(each)
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
                    self._open = self._store()
                opened = self._open
            # This fails at once where nobody listens.
            _knock(self._address[1], self._server.grpc_port)
            yield opened

    @contextmanager
    def _client(self) -> Iterator[WeaviateClient]:
        """Enter the use of a client of its own, whatever the collection is."""
        with _translated(self._server.url):
            client = self._connected()
            try:
                yield client
            finally:
                client.close()

    def _connected(self) -> WeaviateClient:
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
            prompt(client)
        except BaseException:
            client.close()
            raise
        return client

    def _store(self) -> OpenedStore:
        client = self._connected()
        try:
            return OpenedStore(client, *laid_out(client, self._server.collection, self._owner))
        except BaseException:
            client.close()
            raise


def _always() -> None:
    """Write on: nobody else writes to this index."""


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
        if _is_of_certificate(error):
            msg = f"the certificate of the index at {place} does not fit"
            raise SettingsError(msg, remedy=_TRUST) from error
        if getattr(error, "status_code", None) in _UNKNOWN:
            raise SettingsError(f"the index at {place} refuses the key", remedy=_KEY) from error
        message = f"the index at {place} did not answer ({type(error).__name__})"
        raise UnavailableError(message, backend="index", remedy=_AWAY) from error


def _is_of_certificate(error: BaseException | None) -> bool:
    """Whether a certificate that does not verify is at the bottom of an error."""
    while error is not None:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
