"""Run the sandbox exchange: its market, its WebSocket port and its REST port."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

from aiohttp import web
from msgspec import Meta, Struct, field
from picows import ws_create_server

from openoutcry.core.intervals import DAY, INTERVALS, SECOND
from openoutcry.errors import BadRequestError
from openoutcry.sandbox.customers import Customers, amounts
from openoutcry.sandbox.faults import Fault, Faults, load_faults
from openoutcry.sandbox.floor import Floor
from openoutcry.sandbox.listing import DEFAULT_SYMBOLS
from openoutcry.sandbox.live import LiveFeed
from openoutcry.sandbox.market import MadeUpMarket
from openoutcry.sandbox.recording import Recording, read
from openoutcry.sandbox.replay import Replay, Speed
from openoutcry.sandbox.rest import Controls, Desk, Rest
from openoutcry.sandbox.signed import Till
from openoutcry.venues.binance_server_data import MarketData, Span

DEFAULT_KEYS = ("sandbox:sandbox",)
DEFAULT_BALANCES = ("100000 USDT", "2 BTC", "40 ETH", "1000 SOL")

TICK = 0.003
"""Seconds between two looks at the clock: the longest a trade waits."""


class SandboxOptions(Struct, frozen=True, kw_only=True):
    """How to run the sandbox exchange. Port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: int = 8010
    """REST and control port."""
    ws_port: int = 8011
    """WebSocket port."""
    symbols: Annotated[list[str], Meta(min_length=1)] = field(
        default_factory=lambda: list(DEFAULT_SYMBOLS)
    )
    """Symbols of the made-up market, in any case."""
    seed: int = 7
    rate: Annotated[float, Meta(gt=0)] = 6.0
    """Trades a second, all symbols together, on average."""
    replay: Path | None = None
    """A recording to play instead of making a market up."""
    speed: Speed = "1"
    """How fast to replay."""
    state_file: Path | None = None
    """Where a made-up market remembers its rates and holes."""
    faults_file: Path | None = None
    """Faults to start with."""
    keys: list[str] = field(default_factory=lambda: list(DEFAULT_KEYS))
    """API keys that may trade, each with its secret: `key:secret`."""
    balances: list[str] = field(default_factory=lambda: list(DEFAULT_BALANCES))
    """What each of them has to begin with, such as `100000 USDT`."""
    max_connection_seconds: Annotated[float, Meta(gt=0)] = 86_400.0
    """Lifetime of a WebSocket connection."""


class Addresses(Struct, frozen=True):
    """Where the exchange listens."""

    rest_url: str
    ws_url: str


async def serve(
    options: SandboxOptions,
    stop: asyncio.Event,
    ready: Callable[[Addresses], None] | None = None,
    clock: Callable[[], int] | None = None,
) -> None:
    """Run until `stop` is set; `ready` is called when both ports listen.

    `clock` gives µs since 1970. Raises ConfigError for options that cannot be used, OSError if a
    port is taken, and whatever broke a background task.
    """
    exchange = Exchange(options, clock or _clock)
    await exchange.open()
    try:
        if ready is not None:
            ready(exchange.addresses)
        await exchange.run(stop)
    finally:
        await exchange.close()


def _clock() -> int:
    return time.time_ns() // 1000


class Exchange:
    """Holds the parts together and carries out what controls and faults ask for."""

    def __init__(self, options: SandboxOptions, clock: Callable[[], int]) -> None:
        self._options = options
        self._clock = clock
        self._started = clock()
        self._faults = Faults(options.seed)
        self._floor = Floor(clock, self._faults, round(options.max_connection_seconds * SECOND))
        self._made_up: MadeUpMarket | None = None
        self._recording: Recording | None = None
        self._replay: Replay | None = None
        if options.replay is not None:
            self._recording = Recording(read(options.replay))
            self._replay = Replay(self._recording, self._floor, self._faults, options.speed)
        else:
            self._made_up = MadeUpMarket(
                options.symbols, options.seed, options.rate, clock, options.state_file
            )
        for fault in load_faults(options.faults_file):
            self._add_fault(fault)
        self._customers: Customers | None = None
        till: Till | None = None
        if self._made_up is not None:
            self._customers = Customers(options.keys, amounts(options.balances))
            till = Till(self._customers, self._made_up.listings_now)
        self._rest = Rest(
            self.market, self._faults, clock, self._controls(), Desk.of(till, self._customers)
        )
        self._runner = web.AppRunner(
            # A call that a fault lets hang must not hold up the end.
            self._rest.application(),
            access_log=None,
            shutdown_timeout=0.5,
        )
        self._ws: asyncio.Server | None = None
        self._pending: set[asyncio.Task[None]] = set()
        self.addresses = Addresses("", "")

    @property
    def market(self) -> MarketData:
        """The data source: made up or recorded."""
        market = self._made_up or self._recording
        assert market is not None  # noqa: S101 - the constructor made one of them
        return market

    def _controls(self) -> Controls:
        return Controls(
            stats=self._stats,
            add_fault=self._add_fault,
            set_rate=self._made_up.set_rate if self._made_up else None,
            start_replay=self._replay.start if self._replay else None,
            play_until=self._replay.play_until if self._replay else None,
        )

    async def open(self) -> None:
        """Listen on both ports."""
        host = self._options.host
        await self._runner.setup()
        await web.TCPSite(self._runner, host, self._options.port).start()
        self._ws = await ws_create_server(
            self._floor.open, host, self._options.ws_port, enable_auto_pong=False
        )
        rest_port = self._runner.addresses[0][1]
        ws_port = self._ws.sockets[0].getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.addresses = Addresses(f"http://{shown}:{rest_port}", f"ws://{shown}:{ws_port}")

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the market going until `stop` is set."""
        async with asyncio.TaskGroup() as group:
            works: list[Coroutine[Any, Any, None]] = [self._beats()]
            if self._made_up is not None:
                on_trades = self._customers.on_trades if self._customers else None
                feed = LiveFeed(self._made_up, self._floor, self._faults, self._clock(), on_trades)
                works += [self._ticks(feed), self._seconds(feed.second), self._warm(self._made_up)]
            if self._replay is not None:
                works += [self._replay.run(), self._seconds(self._replay.second)]
            tasks = [group.create_task(work) for work in works]
            await stop.wait()
            for task in tasks:
                task.cancel()

    async def close(self) -> None:
        """Close every connection and both ports."""
        for task in self._pending:
            task.cancel()
        self._floor.cut(self._floor.connections, farewell=True)
        if self._ws is not None:
            self._ws.close()
        await self._runner.cleanup()

    async def _ticks(self, feed: LiveFeed) -> None:
        while True:
            feed.tick(self._clock())
            await asyncio.sleep(TICK)

    async def _seconds(self, second: Callable[[int], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(1.002 - self._clock() % SECOND / SECOND)
            await second(self._clock())

    async def _warm(self, market: MadeUpMarket) -> None:
        """Fold the history before anybody asks for it."""
        for symbol in market.tapes:
            await market.bars(symbol, INTERVALS["1d"], Span(limit=2))
            await market.window(symbol, market.now() - DAY, market.now())

    async def _beats(self) -> None:
        while True:
            now = self._clock()
            self._floor.beat(now, self.market.now())
            for fault in self._faults.due(now):
                self._carry_out(fault)
            await asyncio.sleep(0.2)

    def _add_fault(self, fault: Fault) -> None:
        if fault.kind == "skip_ids":
            if self._made_up is None:
                raise BadRequestError("A replay cannot skip ids: its trades are what they are.")
            if fault.symbol and fault.symbol.upper() not in self._made_up.tapes:
                raise BadRequestError(f"Symbol {fault.symbol} does not trade here.")
        self._faults.add(fault, self._clock())
        for deed in self._faults.due(self._clock()):
            self._carry_out(deed)

    def _carry_out(self, fault: Fault) -> None:
        if fault.kind == "cut":
            chosen = [
                connection
                for connection in self._floor.connections
                if not fault.symbol
                or any(
                    stream.symbol == fault.symbol.upper()
                    for stream in connection.session.streams.values()
                )
            ]
            self._floor.cut(chosen, farewell=fault.frame)
        elif fault.kind == "skip_ids" and self._made_up is not None:
            symbols = [fault.symbol.upper()] if fault.symbol else list(self._made_up.tapes)
            for symbol in symbols:
                self._made_up.skip_ids(symbol, fault.count or 1)
        elif fault.kind == "shutdown":
            self._floor.notice(self._clock())
            task = asyncio.create_task(self._shut_down(fault.seconds or 0.0))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def _shut_down(self, seconds: float) -> None:
        noticed = list(self._floor.connections)
        await asyncio.sleep(seconds)
        still = [connection for connection in noticed if connection in self._floor.connections]
        self._floor.cut(still, farewell=True)

    def _stats(self) -> dict[str, Any]:
        now = self._clock()
        stats = self._floor.stats
        return {
            "uptime_seconds": (now - self._started) / SECOND,
            "connections": len(self._floor.connections),
            "connections_total": stats.connections,
            "connections_refused": stats.refused,
            "connections_too_slow": stats.slow,
            "messages_sent": stats.messages,
            "streams": sorted(stream.name for stream in self._floor.streams()),
            **self._market_stats(now),
        }

    def _market_stats(self, now: int) -> dict[str, Any]:
        if self._made_up is not None:
            last = {name: tape.last_id(now) for name, tape in self._made_up.tapes.items()}
            return {"mode": "made-up", "rate": self._made_up.rate, "last_trade_id": last}
        assert self._recording is not None  # noqa: S101 - the constructor made one of them
        return {
            "mode": "replay",
            "position": self._recording.position,
            "messages": len(self._recording.messages.wrapped),
            "last_trade_id": self._recording.last_ids(),
        }
