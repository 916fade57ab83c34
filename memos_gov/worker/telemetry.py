"""
How a worker stands: `/healthz` for whoever restarts it, `/metrics` for Prometheus.

Lags are read from log and tables when they are asked for. Labels are duties,
partitions, tenants and codes; nothing here names a cube or a person.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from memos_gov.errors import UnavailableError
from memos_gov.queries.waiting import waiting
from memos_gov.service import Rooms

STALE_S = 30.0
SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)


class Standing(msgspec.Struct):
    """How a duty stands: when a step last succeeded, and since when it fails with what."""

    stepped: float
    failing: str = ""


class Telemetry:
    """What a worker tells about itself; safe to use from many threads at once."""

    def __init__(self, rooms: Rooms, duties: Iterable[str]) -> None:
        self.registry = CollectorRegistry()
        self._standing = {name: Standing(monotonic()) for name in duties}
        self._done = Counter(
            "memos_gov_done", "Records or cubes a duty dealt with", ["duty"], registry=self.registry
        )
        self._failures = Counter(
            "memos_gov_failures", "Steps that failed", ["duty", "code"], registry=self.registry
        )
        self._verdicts = Histogram(
            "memos_gov_verdict_seconds",
            "Time that policy took to answer a question",
            ["entrypoint"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Lags(rooms))
        self._backlog = _Backlog(rooms)
        rooms.engine.listener = self._answered

    def stepped(self, duty: str, done: int) -> None:
        """Note a step that succeeded."""
        self._standing[duty] = Standing(monotonic())
        self._done.labels(duty).inc(done)

    def failed(self, duty: str, code: str) -> None:
        """Note a step that failed."""
        self._standing[duty].failing = code
        self._failures.labels(duty, code).inc()

    def _answered(self, entrypoint: str, seconds: float) -> None:
        self._verdicts.labels(entrypoint).observe(seconds)

    def health(self) -> tuple[bool, dict[str, dict[str, str | float]]]:
        """
        Return whether every duty is well, and how each stands.

        Unwell is a duty that fails, one without a step for STALE_S (`stuck`), and a
        certifier before which records stand undecided for STALE_S (`behind`).
        """
        now, duties = monotonic(), dict[str, dict[str, str | float]]()
        for name, standing in self._standing.items():
            idle_s = round(now - standing.stepped, 3)
            well = not standing.failing and idle_s < STALE_S
            state = "well" if well else standing.failing or "stuck"
            if well and name == "certifier" and self._backlog.is_stuck(now):
                state = "behind"
            duties[name] = {"state": state, "last_step_s": idle_s}
        return all(duty["state"] == "well" for duty in duties.values()), duties

    @contextmanager
    def served(self, host: str, port: int) -> Iterator[str]:
        """
        Answer `/healthz` and `/metrics` until the `with` ends; enters as the address.

        Raises:
            UnavailableError: The address is taken or cannot be listened on.
        """
        try:
            server = ThreadingHTTPServer((host, port), self._handler())
        except (OSError, OverflowError) as error:
            msg = f"cannot listen on {host}:{port}"
            remedy = "Name another with --listen HOST:PORT, or end what listens there."
            raise UnavailableError(msg, backend="http", remedy=remedy) from error
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        telemetry = self

        class Handler(BaseHTTPRequestHandler):
            """Two pages; nothing is written and nobody is named."""

            def do_GET(self) -> None:
                self._answer(*telemetry.page(self.path))

            def log_message(self, *_: object) -> None:
                """Say nothing: the journal does."""

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler

    def page(self, path: str) -> tuple[int, str, bytes]:
        """Return status, content type and body of a page."""
        if path == "/healthz":
            well, duties = self.health()
            return 200 if well else 503, "application/json", msgspec.json.encode(duties)
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self.registry)
        return 404, "text/plain", b"/healthz or /metrics\n"


class _Backlog:
    """Whether records stand undecided before a certifier that does not move."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._since: dict[int, tuple[int, float]] = {}

    def is_stuck(self, now: float) -> bool:
        """
        Look; True where a partition has stood at one undecided record for STALE_S.

        A store that does not answer is no backlog: its duty fails, and says so.
        """
        try:
            behind = self._behind()
        except UnavailableError:
            return False
        since = self._since
        self._since = {
            partition: since[partition]
            if partition in since and since[partition][0] == offset
            else (offset, now)
            for partition, offset in behind.items()
        }
        return any(now - begun >= STALE_S for _, begun in self._since.values())

    def _behind(self) -> dict[int, int]:
        """Return partition -> the first undecided offset, where there is such a record."""
        log = self._rooms.governor.log
        with self._rooms.governor.tables.snapshot() as snapshot:
            reached = {p: snapshot.certified(p) for p in range(log.partitions)}
        return {p: offset for p, offset in reached.items() if offset < log.end(p)}


class _Lags:
    """How far everything is behind the log, read when it is asked for."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def collect(self) -> Iterator[Metric]:
        """Yield the lags; none while a store does not answer, which `/healthz` tells."""
        try:
            index = self._rooms.index
            partitions = range(self._rooms.governor.log.partitions)
            seen = {partition: index.position(partition) for partition in partitions}
            yield from self._by_partition(seen)
            yield from self._by_tenant(seen)
        except UnavailableError:
            return

    def _by_partition(self, seen: Mapping[int, int]) -> Iterator[Metric]:
        lag = GaugeMetricFamily(
            "memos_gov_certifier_lag_records", "Records not decided yet", labels=["partition"]
        )
        unseen = GaugeMetricFamily(
            "memos_gov_index_lag_records", "Records the index has not seen", labels=["partition"]
        )
        rooms = self._rooms
        with rooms.governor.tables.snapshot() as snapshot:
            for partition, offset in seen.items():
                end = rooms.governor.log.end(partition)
                lag.add_metric([str(partition)], max(end - snapshot.certified(partition), 0))
                unseen.add_metric([str(partition)], max(end - offset - 1, 0))
        yield lag
        yield unseen

    def _by_tenant(self, seen: Mapping[int, int]) -> Iterator[Metric]:
        decided = GaugeMetricFamily(
            "memos_gov_decided_records", "Records of a tenant's history", labels=["tenant"]
        )
        unsigned = GaugeMetricFamily(
            "memos_gov_unsigned_records", "Records since the newest signed head", labels=["tenant"]
        )
        erasing = GaugeMetricFamily(
            "memos_gov_erasures_open", "Erasures not completed yet", labels=["tenant"]
        )
        effects = GaugeMetricFamily(
            "memos_gov_effects_waiting",
            "Decided records of a tenant that the index has not seen",
            labels=["tenant"],
        )
        parked = GaugeMetricFamily(
            "memos_gov_parked_cubes",
            "Cubes whose entry could not be made: their words find nothing",
            labels=["tenant"],
        )
        rooms = self._rooms
        for each in waiting(rooms.governor.tables, seen, rooms.index.parked()):
            decided.add_metric([each.tenant], each.decided)
            unsigned.add_metric([each.tenant], each.unsigned)
            erasing.add_metric([each.tenant], each.erasures)
            effects.add_metric([each.tenant], each.effects or 0)
            parked.add_metric([each.tenant], each.parked or 0)
        yield from (decided, unsigned, erasing, effects, parked)
