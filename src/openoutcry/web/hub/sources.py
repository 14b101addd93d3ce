"""What feeds the hub: the bus (Valkey's pub/sub) and the store's snapshots."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from redis.exceptions import RedisError

from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.price_board import PriceBoard
from openoutcry.adapters.valkey.subscriptions import Subscriptions
from openoutcry.core.coverage import Coverage
from openoutcry.core.keys import LAST_BOOKS, LAST_QUOTES, STATS_TRADES_LAST
from openoutcry.errors import StoreUnavailableError
from openoutcry.model import Candle, Trade
from openoutcry.venues.binance_server_data import Bar, Print
from openoutcry.web.hub.tickers import KnownTickers


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
    """The bus on Valkey or Redis, one server or a cluster: comes back after every loss."""

    def __init__(self, url: str) -> None:
        self._valkey = connect(url, retries=0)
        self._subscriptions = Subscriptions(url)
        self.want = self._subscriptions.want
        self.unwant = self._subscriptions.unwant
        self.heard = self._subscriptions.heard
        self.caught_up = self._subscriptions.caught_up

    @property
    def connected(self) -> bool:
        """Whether everything wanted can be heard just now."""
        return self._subscriptions.connected

    @property
    def reconnects(self) -> int:
        """How often a connection was lost."""
        return self._subscriptions.reconnects

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
        try:
            await self._subscriptions.run(sink.on_message, sink.on_connected)
        finally:
            await self._valkey.aclose()
