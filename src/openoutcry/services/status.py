"""What the system says of itself: each role reports once a second, anybody collects the whole."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import structlog
from msgspec import Struct
from redis.asyncio import Redis

from openoutcry.adapters.postgres.figures_reader import (
    StoreFigures,
    StreamPosition,
    SymbolFigures,
    read_figures,
    read_revision,
)
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.adapters.postgres.readiness import newest_revision
from openoutcry.adapters.postgres.replica import ReplicaStatus
from openoutcry.adapters.tasks import sleep
from openoutcry.adapters.valkey.status_board import (
    StreamFigures,
    ping,
    read_statuses,
    read_streams,
    remove_status,
    write_status,
)
from openoutcry.config import Settings
from openoutcry.core.rates import Rate
from openoutcry.errors import StoreUnavailableError
from openoutcry.model import RoleStatus

Provider = Callable[[], tuple[dict[str, float], dict[str, float], dict[str, int]]]
"""What a role counts: counters, gauges, and each symbol's last venue time (µs)."""

T = TypeVar("T")

_PATIENCE: Final = 2.0
_PERIOD: Final = 1.0
_EMPTY: Final = StoreFigures(symbols=[], positions=[], gaps_open=0, trades_missing=0)

_log = structlog.get_logger(__name__)


class EngineStatus(Struct, frozen=True, rename="camel"):
    """Whether an engine answers, how fast (ms), and if not, why; never an address or a secret."""

    name: str
    ok: bool
    latency_ms: float
    reason: str = ""


class RoleReport(Struct, frozen=True, rename="camel"):
    """A `model.RoleStatus` as the API writes it."""

    role: str
    instance: str
    pid: int
    host: str
    started_time: int
    updated_time: int
    state: str
    counters: dict[str, float]
    gauges: dict[str, float]
    symbols: dict[str, int]
    notes: dict[str, str] = {}


class StreamStatus(Struct, frozen=True, rename="camel"):
    """A trade stream, and how far the store is behind its newest entry (None: nothing stored)."""

    stream: str
    entries: int
    newest_id: str
    committed_id: str | None
    trades_committed: int
    seconds_behind: float | None


class SymbolStatus(Struct, frozen=True, rename="camel"):
    """One symbol's last trade, and until when nothing of it can be missing (venue times, µs)."""

    symbol: str
    last_trade_id: int
    last_trade_time: int
    heard_until: int


class SystemStatus(Struct, frozen=True, rename="camel"):
    """The whole system at `time` (µs). Parts that need an engine that is down are empty.

    `replica` is null where none is configured.
    """

    time: int
    engines: list[EngineStatus]
    roles: list[RoleReport]
    streams: list[StreamStatus]
    symbols: list[SymbolStatus]
    gaps_open: int
    trades_missing: int
    trades_per_second: float
    replica: ReplicaStatus | None = None

    def engine(self, name: str) -> EngineStatus:
        """Return the engine called `name`."""
        return next(engine for engine in self.engines if engine.name == name)


async def collect(
    pool: Pool, valkey: Redis, settings: Settings, replica: ReplicaStatus | None = None
) -> SystemStatus:
    """Return the status of everything; an engine that does not answer is a line in it, no error.

    `replica` is what this process knows of its read replica.
    """
    postgres, bus = await asyncio.gather(check_postgres(pool), check_valkey(valkey))
    figures, roles, streams = _EMPTY, list[RoleStatus](), list[StreamFigures]()
    if postgres.ok:
        postgres, figures = await _guard(postgres, read_figures(pool), _EMPTY)
    if bus.ok:
        bus, roles = await _guard(bus, read_statuses(valkey), [])
        bus, streams = await _guard(bus, read_streams(valkey, settings.stream_shards), [])
    positions = {position.stream: position for position in figures.positions}
    return SystemStatus(
        time=time.time_ns() // 1000,
        engines=[postgres, bus],
        roles=[RoleReport(**_fields(role)) for role in roles],
        streams=[_stream(stream, positions.get(stream.stream)) for stream in streams],
        symbols=[_symbol(symbol) for symbol in figures.symbols],
        gaps_open=figures.gaps_open,
        trades_missing=figures.trades_missing,
        trades_per_second=_stored_per_second(roles),
        replica=replica,
    )


def _stored_per_second(roles: Sequence[RoleStatus]) -> float:
    return sum(
        role.gauges.get("trades_per_second", 0.0) for role in roles if role.role == "recorder"
    )


async def check_postgres(pool: Pool) -> EngineStatus:
    """Return whether PostgreSQL answers and has the schema that this version needs."""
    revision: list[str | None] = []

    async def ask() -> None:
        revision.append(await read_revision(pool))

    status = await _timed("postgres", ask)
    if status.ok and revision[0] != (wanted := newest_revision()):
        reason = f"schema is at {revision[0] or 'nothing'}, {wanted} is needed: run the migrations"
        return EngineStatus("postgres", ok=False, latency_ms=status.latency_ms, reason=reason)
    return status


async def check_valkey(valkey: Redis) -> EngineStatus:
    """Return whether Valkey answers."""
    return await _timed("valkey", lambda: ping(valkey))


async def report(
    role: str,
    provider: Provider,
    valkey: Redis,
    stop: asyncio.Event,
    notes: Callable[[], dict[str, str]] = dict,
) -> None:
    """Write this process's status once a second until `stop`, then take it off the board.

    `notes` are what it has to say in words. Never raises when Valkey is out: the board forgets us
    after 5 s and has us back when it returns.
    """
    host, pid = socket.gethostname(), os.getpid()
    instance = f"{host}-{pid}"
    started, reachable = time.time_ns() // 1000, True
    rate = Rate()
    while not stop.is_set():
        counters, gauges, symbols = provider()
        if "trades" in counters:
            gauges["trades_per_second"] = rate.read(time.monotonic(), counters["trades"])
        status = RoleStatus(
            role=role,
            instance=instance,
            pid=pid,
            host=host,
            started_time=started,
            updated_time=time.time_ns() // 1000,
            state="running",
            counters=counters,
            gauges=gauges,
            symbols=symbols,
            notes=notes(),
        )
        try:
            await write_status(valkey, status)
            reachable = True
        except StoreUnavailableError as error:
            if reachable:
                _log.warning("status is not reported", role=role, reason=str(error))
            reachable = False
        await sleep(_PERIOD, stop)
    try:
        async with asyncio.timeout(_PERIOD):
            await remove_status(valkey, role, instance)
    except (StoreUnavailableError, TimeoutError):
        return


async def _timed(name: str, ask: Callable[[], Awaitable[None]]) -> EngineStatus:
    began, reason = time.perf_counter(), ""
    try:
        async with asyncio.timeout(_PATIENCE):
            await ask()
    except TimeoutError:
        reason = f"no answer within {_PATIENCE:g} s"
    except StoreUnavailableError as error:
        _log.warning("engine is not available", engine=name, reason=str(error))
        reason = "cannot be reached"
    latency = round((time.perf_counter() - began) * 1000, 3)
    return EngineStatus(name, ok=not reason, latency_ms=latency, reason=reason)


async def _guard(
    engine: EngineStatus, reading: Awaitable[T], otherwise: T
) -> tuple[EngineStatus, T]:
    """Return what was read; an engine that failed meanwhile is marked as down."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return engine, await reading
    except (StoreUnavailableError, TimeoutError):
        down = EngineStatus(engine.name, ok=False, latency_ms=engine.latency_ms, reason="went away")
        return down, otherwise


def _stream(stream: StreamFigures, position: StreamPosition | None) -> StreamStatus:
    behind = None
    if position is not None:
        behind = max(0, _milliseconds(stream.newest_id) - _milliseconds(position.entry_id)) / 1000
    return StreamStatus(
        stream=stream.stream,
        entries=stream.entries,
        newest_id=stream.newest_id,
        committed_id=position.entry_id if position else None,
        trades_committed=position.trades if position else 0,
        seconds_behind=behind,
    )


def _milliseconds(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])


def _symbol(figures: SymbolFigures) -> SymbolStatus:
    return SymbolStatus(figures.symbol, figures.last_id, figures.last_time, figures.heard_until)


def _fields(role: RoleStatus) -> dict[str, Any]:
    return {name: getattr(role, name) for name in role.__struct_fields__}
