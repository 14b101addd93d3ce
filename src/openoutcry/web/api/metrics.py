"""`/metrics` for Prometheus: the figures of roles, streams and gaps, and of our own requests."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any, Final

from litestar import Response, get
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from openoutcry.services.account_events import AccountEvents
from openoutcry.services.database_figures import KnownFigures
from openoutcry.services.status import RoleReport, SystemStatus
from openoutcry.web.api.access import FOR_ALL
from openoutcry.web.api.database_metrics import DatabaseCollector
from openoutcry.web.api.status_cache import StatusCache

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_OTHER: Final = re.compile(r"[^a-zA-Z0-9_]+")
_ROLE: Final = ["role", "instance"]


class RequestMetrics:
    """Counts and times the requests of one app, by route (never by path: paths have no end)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.total = 0
        self._requests = Counter(
            "outcry_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "outcry_http_request_seconds",
            "Time from request to the last byte handed to the server.",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        # Finding a series by its labels costs more than adding to it.
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.total += 1
        known = self._known.get((method, route, status))
        if known is None:
            known = self._requests.labels(method, route, str(status)), self._seconds.labels(route)
            self._known[method, route, status] = known
        known[0].inc()
        known[1].observe(seconds)


def instrument(app: ASGIApp, metrics: RequestMetrics) -> ASGIApp:
    """Return `app`, observed; outermost, so that errors and unknown paths are counted as well."""

    async def observed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, watch)
        finally:
            route: Any = scope.get("path_template") or "unknown"
            asked = str(scope.get("method"))
            method = asked if asked in _METHODS else "other"
            metrics.observe(method, route, status, time.perf_counter() - began)

    return observed


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class SystemCollector(Collector):
    """A system's status as Prometheus metrics."""

    def __init__(self, status: SystemStatus) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family of the status."""
        status = self._status
        up = GaugeMetricFamily("outcry_engine_up", "1 if the engine answers.", labels=["engine"])
        latency = GaugeMetricFamily(
            "outcry_engine_latency_seconds", "Time of one question.", labels=["engine"]
        )
        for engine in status.engines:
            up.add_metric([engine.name], float(engine.ok))
            latency.add_metric([engine.name], engine.latency_ms / 1000)
        entries = GaugeMetricFamily(
            "outcry_stream_entries", "Frames on a trade stream.", labels=["stream"]
        )
        behind = GaugeMetricFamily(
            "outcry_stream_behind_seconds",
            "Newest frame less the last committed one.",
            labels=["stream"],
        )
        for stream in status.streams:
            entries.add_metric([stream.stream], stream.entries)
            if stream.seconds_behind is not None:
                behind.add_metric([stream.stream], stream.seconds_behind)
        last = GaugeMetricFamily(
            "outcry_last_trade_timestamp_seconds", "Venue time.", labels=["symbol"]
        )
        for symbol in status.symbols:
            last.add_metric([symbol.symbol], symbol.last_trade_time / 1e6)
        yield from (up, latency, entries, behind, last)
        yield from _replica(status)
        yield from _totals(status)
        yield from _roles(status.roles)


def _replica(status: SystemStatus) -> Iterator[Metric]:
    replica = status.replica
    if replica is None:
        return
    up = "1 if the read replica may be read from."
    yield GaugeMetricFamily("outcry_replica_up", up, float(replica.ok))
    # What is not known is not told.
    if replica.lag_seconds is not None:
        age = "How long ago the primary was where the replica is."
        yield GaugeMetricFamily("outcry_replica_lag_seconds", age, replica.lag_seconds)
    if replica.lag_bytes is not None:
        lacks = "What the replica has not replayed yet."
        yield GaugeMetricFamily("outcry_replica_lag_bytes", lacks, replica.lag_bytes)


def _totals(status: SystemStatus) -> Iterator[Metric]:
    # Without the store the figures are unknown, not zero.
    if not status.engine("postgres").ok:
        return
    yield GaugeMetricFamily("outcry_gaps_open", "Suspected gaps.", status.gaps_open)
    yield GaugeMetricFamily(
        "outcry_trades_missing", "Trade ids in suspected gaps.", status.trades_missing
    )
    yield GaugeMetricFamily(
        "outcry_trades_per_second", "Stored, over the last ten seconds.", status.trades_per_second
    )


def _roles(roles: list[RoleReport]) -> Iterator[Metric]:
    up = GaugeMetricFamily("outcry_role_up", "1 for each process that reports.", labels=_ROLE)
    started = GaugeMetricFamily(
        "outcry_role_start_time_seconds", "When the process started.", labels=_ROLE
    )
    families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for role in roles:
        labels = [role.role, role.instance]
        up.add_metric(labels, 1)
        started.add_metric(labels, role.started_time / 1e6)
        for name, value in role.counters.items():
            known = _family(name.removesuffix("_total"))
            families.setdefault(
                f"{known}_total", CounterMetricFamily(known, f"Counter {name}.", labels=_ROLE)
            ).add_metric(labels, value)
        for name, value in role.gauges.items():
            known = _family(name)
            families.setdefault(
                known, GaugeMetricFamily(known, f"Gauge {name}.", labels=_ROLE)
            ).add_metric(labels, value)
    yield from (up, started, *families.values())


def _family(name: str) -> str:
    """Return a metric name in a namespace of its own, so that a role cannot shadow ours."""
    return f"outcry_role_{_OTHER.sub('_', name).strip('_').lower()}"


class AccountCollector(Collector):
    """What happened to accounts in this process, as a Prometheus counter."""

    def __init__(self, events: AccountEvents) -> None:
        self._events = events

    def collect(self) -> Iterator[Metric]:
        """Yield the one family."""
        family = CounterMetricFamily(
            "outcry_account_events", "Sign-ins, refreshes and refused keys.", labels=["event"]
        )
        for event, count in self._events.counts.items():
            family.add_metric([event.value], count)
        yield family


def metrics_routes(
    cache: StatusCache,
    own: RequestMetrics,
    events: AccountEvents | None = None,
    database: KnownFigures | None = None,
) -> list[HTTPRouteHandler]:
    """Return the route of `/metrics`."""

    @get(
        "/metrics",
        summary="Metrics for Prometheus",
        opt=FOR_ALL,
        description=(
            "Text format 0.0.4. Figures of every role that reports, of PostgreSQL, and of this process."
        ),
        tags=["operations"],
        media_type="text/plain",
    )
    async def metrics() -> Response[bytes]:
        system = CollectorRegistry()
        status = await cache.get()
        system.register(SystemCollector(status))
        if events is not None:
            system.register(AccountCollector(events))
        if database is not None and status.engine("postgres").ok:
            figures = await database.try_get()
            if figures is not None:
                system.register(DatabaseCollector(figures))
        return Response(
            generate_latest(system) + generate_latest(own.registry),
            headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"},
            media_type=CONTENT_TYPE,
        )

    return [metrics]
