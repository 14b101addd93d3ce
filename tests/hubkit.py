"""A hub on a free port, fed by a bus in the test's hands, and clients for it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from msgspec import structs

from openoutcry.core.coverage import Coverage
from openoutcry.errors import StoreUnavailableError
from openoutcry.model import Candle, Side, Trade
from openoutcry.venues.binance_server_data import Bar, Print
from openoutcry.web.hub.meter import Meter
from openoutcry.web.hub.server import APP_PATH, Accounts, HubOptions, Server
from openoutcry.web.hub.sources import Sink
from openoutcry.web.hub.tickers import KnownTickers
from openoutcry.web.hub.tokens import TokenStore

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def quote(symbol: str, number: int) -> bytes:
    """Return a quote as it comes over the bus."""
    return (
        f'{{"symbol":"{symbol}","originalPrice":"{number}","bidPrice":"{number}.1",'
        f'"askPrice":"{number}.2","timestamp":{time.time_ns() // 1_000_000}}}'
    ).encode()


class LocalBus:
    """A bus whose messages are the test's calls of `say`."""

    def __init__(self) -> None:
        self.connected = True
        self.wanted: dict[str, int] = {}
        self.quotes: dict[str, bytes] = {}
        self.tickers: KnownTickers | None = None
        self.books: dict[str, bytes] = {}
        self.stats: bytes | None = None
        self.sink: Sink | None = None

    def want(self, channel: str) -> None:
        """Count a listener."""
        self.wanted[channel] = self.wanted.get(channel, 0) + 1

    def unwant(self, channel: str) -> None:
        """Count a listener out."""
        self.wanted[channel] -= 1
        if not self.wanted[channel]:
            del self.wanted[channel]

    async def heard(self, channel: str) -> None:
        """Return at once."""
        assert channel in self.wanted
        await asyncio.sleep(0)

    async def last_quotes(self) -> dict[str, bytes]:
        """Return what the test put there."""
        return self.quotes

    async def last_books(self, symbols: Sequence[str]) -> list[bytes]:
        """Return what the test put there."""
        return [self.books[symbol] for symbol in symbols if symbol in self.books]

    async def known_tickers(self) -> KnownTickers | None:
        """Return what the test put there."""
        return self.tickers

    async def last_stats(self) -> bytes | None:
        """Return what the test put there."""
        return self.stats

    async def run(self, sink: Sink) -> None:
        """Remember who listens."""
        self.sink = sink
        await sink.on_connected()
        await asyncio.Event().wait()

    def say(self, channel: str, data: bytes) -> None:
        """Publish a message."""
        assert self.sink is not None
        self.sink.on_message(channel, data)


class LocalStore:
    """A store with the rows that the test puts there."""

    def __init__(self) -> None:
        self.rows: list[Candle] = []
        self.coverage = Coverage()
        self.trades: list[Trade] = []
        self.bars: dict[str, Bar] = {}
        self.asked: list[tuple[str, ...]] = []
        self.away = False
        self.gate: asyncio.Event | None = None
        self.reads = 0

    async def recent(
        self, symbol: str, base: str, start_us: int, end_us: int | None = None
    ) -> tuple[list[Candle], Coverage]:
        """Return the rows in the range."""
        del symbol, base
        await self._ready()
        end = float("inf") if end_us is None else end_us
        return [row for row in self.rows if start_us <= row.bucket < end], self.coverage

    async def newest_trades(self, symbol: str, since_us: int, count: int) -> list[Trade]:
        """Return the last trades."""
        del symbol, since_us
        await self._ready()
        return self.trades[-count:]

    async def trades_between(
        self, symbol: str, first: int, last: int, since_us: int, until_us: int
    ) -> list[Trade]:
        """Return the trades with these ids."""
        del symbol, since_us, until_us
        await self._ready()
        return [trade for trade in self.trades if first <= trade.trade_id <= last]

    async def newest(self, symbols: Sequence[str]) -> dict[str, Print]:
        """Return the last trade, for every symbol."""
        await self._ready()
        if not self.trades:
            return {}
        last = self.trades[-1]
        bought = last.side is Side.BUY
        one = Print(last.trade_id, last.price, last.size, last.venue_time, bought)
        return dict.fromkeys(symbols, one)

    async def windows(self, symbols: Sequence[str], start_us: int, end_us: int) -> dict[str, Bar]:
        """Return the bars that the test put there, in the window that was asked for."""
        await self._ready()
        self.asked.append(tuple(symbols))
        return {
            symbol: structs.replace(self.bars[symbol], start=start_us, end=end_us)
            for symbol in symbols
            if symbol in self.bars
        }

    async def _ready(self) -> None:
        self.reads += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise StoreUnavailableError("away")


class Talk:
    """A client of the channels' path that reads JSON."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, type_: str, channel: str | None = None, **more: Any) -> None:
        """Send a command."""
        message = {"type": type_, **({"channel": channel} if channel else {}), **more}
        await self.socket.send_str(json.dumps(message))

    async def next(self) -> Any:
        """Return the next message."""
        return json.loads(await self.socket.receive_str(timeout=20))

    async def until(self, type_: str) -> Any:
        """Return the next message of a type."""
        while (message := await self.next())["type"] != type_:
            pass
        return message

    async def subscribe(self, channel: str) -> Any:
        """Subscribe and return the snapshot."""
        await self.ask("subscribe", channel)
        return (await self.until("subscribed"))["data"]


class Hub:
    """A running hub and its collaborators."""

    def __init__(
        self,
        options: HubOptions,
        bus: Any,
        store: Any,
        accounts: Accounts | None = None,
        tokens: TokenStore | None = None,
    ) -> None:
        self.bus, self.store, self.meter = bus, store, Meter()
        self.server = Server(options, bus, store, self.meter, accounts, tokens=tokens)
        self.url = f"http://127.0.0.1:{options.port}"
        self.port = options.port
        self.stop = asyncio.Event()
        self.running: asyncio.Task[None] | None = None

    async def end(self) -> None:
        """Stop the hub."""
        self.stop.set()
        if self.running is not None:
            await self.running

    async def connect(
        self, session: aiohttp.ClientSession, path: str = APP_PATH, **kwargs: Any
    ) -> Any:
        """Open a connection."""
        return await session.ws_connect(self.url + path, **kwargs)

    @asynccontextmanager
    async def talk(self, **kwargs: Any) -> AsyncIterator[Talk]:
        """Open a connection to the channels and read its greeting."""
        async with aiohttp.ClientSession() as session:
            talk = Talk(await self.connect(session, **kwargs))
            assert (await talk.next())["type"] == "system"
            yield talk


StartHub = Callable[..., Awaitable[Hub]]


@pytest.fixture
async def start_hub(free_port: int) -> AsyncIterator[StartHub]:
    """A function that starts a hub with other options, bus or store; all end with the test."""
    running = []

    async def start(
        bus: Any = None,
        store: Any = None,
        accounts: Accounts | None = None,
        tokens: TokenStore | None = None,
        **options: Any,
    ) -> Hub:
        chosen: dict[str, Any] = {"symbols": SYMBOLS, "port": free_port} | options
        hub_options = HubOptions(**chosen)
        hub = Hub(hub_options, bus or LocalBus(), store or LocalStore(), accounts, tokens)
        hub.running = asyncio.create_task(hub.server.run(hub.stop))
        running.append(hub)
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", hub_options.port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                break
        return hub

    yield start
    for hub in running:
        await hub.end()


@pytest.fixture
async def hub(start_hub: StartHub) -> Hub:
    """A hub with default options."""
    return await start_hub()
