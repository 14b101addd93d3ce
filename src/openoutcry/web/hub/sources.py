"""What feeds the hub: the bus (Valkey's pub/sub) and the store's snapshots."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import structlog
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.price_board import PriceBoard
from openoutcry.core.coverage import Coverage
from openoutcry.core.keys import LAST_BOOKS, LAST_QUOTES, STATS_TRADES_LAST
from openoutcry.errors import StoreUnavailableError
from openoutcry.model import Candle, Trade
from openoutcry.venues.binance_server_data import Bar, Print
from openoutcry.web.hub.tickers import KnownTickers

CHECK_SECONDS: Final = 5.0
"""How often a quiet connection is asked whether it is there."""
SILENCE_SECONDS: Final = 15.0
"""How long a connection may answer nothing before it counts as lost."""
BACKOFF_SECONDS: Final = (0.1, 5.0)
"""Shortest and longest wait before connecting again."""

log = structlog.get_logger(__name__)


class Snapshots(Protocol):
    """Reads of the store that snapshots start from. Raises StoreUnavailableError."""

    async def recent(
        self, symbol: str, base: str, start_us: int, end_us: int | None = None
    ) -> tuple[list[Candle], Coverage]:
        """Return the stored candles of `base` in start..end (end exclusive; None: all), ascending.

        Rows and coverage are of one moment.
        """

    async def newest_trades(self, symbol: str, since_us: int, count: int) -> list[Trade]:
        """Return the newest `count` trades since `since_us`, by ascending id."""

    async def trades_between(
        self, symbol: str, first: int, last: int, since_us: int, until_us: int
    ) -> list[Trade]:
        """Return the trades with the ids first..last made in since..until, by ascending id."""

    async def newest(self, symbols: Sequence[str]) -> Mapping[str, Print]:
        """Return the newest trade of each symbol that ever had one."""

    async def windows(
        self, symbols: Sequence[str], start_us: int, end_us: int
    ) -> Mapping[str, Bar]:
        """Return by symbol the bar of all trades in start..end (end exclusive).

        A symbol that never had a trade is left out.
        """


class Sink(Protocol):
    """Who hears what the bus says."""

    def on_message(self, channel: str, data: bytes) -> None:
        """Take a message of a wanted channel."""

    async def on_connected(self) -> None:
        """Messages may have been missed: read the present state."""


class Bus(Protocol):
    """A publish/subscribe bus that survives its server's restarts."""

    @property
    def connected(self) -> bool:
        """Whether the bus can be heard just now."""

    def want(self, channel: str) -> None:
        """Start listening to a channel. Each `want` needs its `unwant`."""

    def unwant(self, channel: str) -> None:
        """Stop listening when nobody else wants the channel."""

    async def heard(self, channel: str) -> None:
        """Return when everything that is published from now on will be heard."""

    async def last_quotes(self) -> dict[str, bytes]:
        """Return the last quote of each symbol. Raises StoreUnavailableError."""

    async def last_books(self, symbols: Sequence[str]) -> list[bytes]:
        """Return the last best prices of those symbols that have them. Raises the same."""

    async def known_tickers(self) -> KnownTickers | None:
        """Return every ticker as it is kept, if any is. Raises the same."""

    async def last_stats(self) -> bytes | None:
        """Return the last figures of the trade counter, if there are any. Raises the same."""

    async def run(self, sink: Sink) -> None:
        """Carry messages to `sink` until cancelled."""


class ValkeyBus:
    """The bus on Valkey or Redis: reconnects with backoff and subscribes again."""

    def __init__(self, url: str) -> None:
        # Our own loop reconnects, because after a loss the sink must read the present state again.
        self._valkey = connect(url, retries=0)
        self._wanted: dict[str, int] = {}
        self._asked: set[str] = set()
        self._answers: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._heard = asyncio.Condition()
        self._last_heard = 0.0
        self.connected = False
        self.reconnects = 0

    def want(self, channel: str) -> None:
        """Start listening to a channel. Each `want` needs its `unwant`."""
        self._wanted[channel] = self._wanted.get(channel, 0) + 1
        self._changed.set()

    def unwant(self, channel: str) -> None:
        """Stop listening when nobody else wants the channel."""
        self._wanted[channel] -= 1
        if not self._wanted[channel]:
            del self._wanted[channel]
            self._changed.set()

    async def heard(self, channel: str) -> None:
        """Return when everything that is published from now on will be heard."""
        async with self._heard:
            await self._heard.wait_for(lambda: self._is_heard(channel))

    async def last_quotes(self) -> dict[str, bytes]:
        """Return the last quote of each symbol. Raises StoreUnavailableError."""
        try:
            found: dict[Any, Any] = await self._valkey.hgetall(LAST_QUOTES)
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(f"Valkey: {error}") from error
        return {symbol.decode(): quote for symbol, quote in found.items()}

    async def last_books(self, symbols: Sequence[str]) -> list[bytes]:
        """Return the last best prices of those symbols that have them. Raises the same."""
        try:
            found: list[Any] = await self._valkey.hmget(LAST_BOOKS, list(symbols))
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(f"Valkey: {error}") from error
        return [book for book in found if book is not None]

    async def known_tickers(self) -> KnownTickers | None:
        """Return every ticker as it is kept, the stream's or those of REST, whichever are newer."""
        board = PriceBoard(self._valkey)
        now = time.time()
        stream, shared = await board.read_stream(), await board.read()
        heard = now - stream[1] if stream else 0.0
        if shared is not None and shared.time > heard:
            return KnownTickers(shared.tickers, int(shared.time * 1e6), "rest")
        return KnownTickers(stream[0], int(heard * 1e6), "stream") if stream else None

    async def last_stats(self) -> bytes | None:
        """Return the last figures of the trade counter, if there are any. Raises the same."""
        try:
            found: Any = await self._valkey.get(STATS_TRADES_LAST)
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(f"Valkey: {error}") from error
        return None if found is None else bytes(found)

    async def run(self, sink: Sink) -> None:
        """Carry messages to `sink` until cancelled."""
        wait = BACKOFF_SECONDS[0]
        try:
            while True:
                try:
                    await self._listen(sink)
                except* (RedisError, OSError, TimeoutError) as errors:
                    log.warning("hub.bus_lost", error=str(errors.exceptions[0]))
                wait = BACKOFF_SECONDS[0] if self.connected else min(2 * wait, BACKOFF_SECONDS[1])
                self.connected = False
                self.reconnects += 1
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311  (jitter)
        finally:
            self.connected = False
            await self._valkey.aclose()

    async def _listen(self, sink: Sink) -> None:
        self._asked.clear()
        self._answers.clear()
        async with self._valkey.pubsub() as pubsub, asyncio.TaskGroup() as tasks:
            await pubsub.connect()
            await self._ask_now(pubsub)
            tasks.create_task(self._ask(pubsub))
            tasks.create_task(self._read(pubsub, sink, tasks))

    async def _ask(self, pubsub: PubSub) -> None:
        """Keep the server's subscriptions as wanted; ask a quiet server whether it is there."""
        clock = asyncio.get_running_loop().time
        self._last_heard = clock()
        while True:
            await self._ask_now(pubsub)
            try:
                await asyncio.wait_for(self._changed.wait(), CHECK_SECONDS)
            except TimeoutError:
                if clock() - self._last_heard > SILENCE_SECONDS:
                    raise TimeoutError(f"Valkey was silent for {SILENCE_SECONDS:g} s") from None
                await pubsub.ping()

    async def _ask_now(self, pubsub: PubSub) -> None:
        self._changed.clear()
        wanted = set(self._wanted)
        await self._send(pubsub.subscribe, wanted - self._asked)
        await self._send(pubsub.unsubscribe, self._asked - wanted)
        self._asked = wanted
        await self._tell()

    async def _send(self, command: Any, channels: Iterable[str]) -> None:
        ordered = sorted(channels)
        for channel in ordered:
            self._answers[channel] = self._answers.get(channel, 0) + 1
        if ordered:
            await command(*ordered)

    async def _read(self, pubsub: PubSub, sink: Sink, tasks: asyncio.TaskGroup) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            # The plain answer: `get_message` would wrap it in a dict, at twice the cost.
            answer = await pubsub.parse_response()
            self._last_heard = clock()
            if not isinstance(answer, list):
                continue  # a pong
            kind, name, *rest = answer
            if kind == b"message":
                sink.on_message(name.decode(), rest[0])
            elif kind in (b"subscribe", b"unsubscribe"):
                channel = name.decode()
                self._answers[channel] -= 1
                await self._tell()
                if not self.connected and not any(self._answers.values()):
                    self.connected = True
                    tasks.create_task(sink.on_connected())

    async def _tell(self) -> None:
        async with self._heard:
            self._heard.notify_all()

    def _is_heard(self, channel: str) -> bool:
        return channel in self._asked and channel in self._wanted and not self._answers[channel]
