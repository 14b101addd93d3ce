"""The feed's side streams: every symbol's ticker, and real best prices, beside the trades.

They have connections of their own, which open when the trades are subscribed: a burst of tickers never
stands in the way of a trade. What comes goes out as it is, conflated to the newest of each symbol.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.adapters.venue_rest import VenueRest
from openoutcry.core.backoff import Backoff
from openoutcry.core.keys import (
    LAST_BOOKS,
    TICKERS,
    TICKERS_SECONDS,
    TICKERS_SNAPSHOT,
    book_channel,
)
from openoutcry.core.tickers import MOST_SYMBOLS, BookTop, Ticker, is_sensible
from openoutcry.errors import OutcryError
from openoutcry.services.feed_line import ConnectionGate, Line, Link
from openoutcry.venues import binance_rest
from openoutcry.venues.binance_side import EVERY_TICKER, BinanceSideProtocol, SideEvents
from openoutcry.venues.interface import ControlKind

log = structlog.get_logger(__name__)

GATHER_SECONDS: Final = 0.1
"""How long messages are gathered: books go out this often at most."""
WHOLE_SECONDS: Final = 10.0
"""How often the merged whole is written."""

SideLink = Link[BinanceSideProtocol]
Seed = Callable[[], Awaitable[list[Ticker]]]
BookSeed = Callable[[], Awaitable[list[BookTop]]]


async def every_ticker(rest: VenueRest) -> list[Ticker]:
    """Return every ticker that makes sense, asked over REST. Raises VenueError, ProtocolError."""
    body = await rest.get(binance_rest.every_ticker())
    return [ticker for ticker in binance_rest.parse_tickers(body) if is_sensible(ticker)]


async def every_book(rest: VenueRest, symbols: list[str]) -> list[BookTop]:
    """Return the best prices of `symbols`, asked over REST. Raises VenueError, ProtocolError."""
    body = await rest.get(binance_rest.every_book(symbols))
    return binance_rest.parse_books(body, time.time_ns() // 1000)


class SideStats(Struct):
    """What the side streams have heard, sent and lost since they started."""

    messages: int = 0
    tickers: int = 0
    books: int = 0
    published: int = 0
    conflated: int = 0
    malformed: int = 0


class SideStreams:
    """Carries tickers and books from the venue to Valkey.

    `seed` returns every ticker at once, over REST: the stream tells only what changes, so the whole
    begins with it, once for each connection. `book_seed` does the same for the books: a quiet symbol's
    best prices may not change for an hour. Policy while Valkey is away: the newest of each symbol
    is kept, everything older is left out and counted as conflated.
    """

    def __init__(
        self,
        streams: Sequence[str],
        valkey: Redis,
        *,
        url: str,
        gate: ConnectionGate,
        silence_seconds: float,
        seed: Seed | None = None,
        book_seed: BookSeed | None = None,
    ) -> None:
        self._valkey = valkey
        self._seed = seed if EVERY_TICKER in streams else None
        self._book_seed = book_seed if any(name != EVERY_TICKER for name in streams) else None
        self._heard_books: set[str] = set()
        self._waiting: list[SideLink] = []
        self._timer: asyncio.TimerHandle | None = None
        self._changed: dict[str, Ticker] = {}
        self._books: dict[str, BookTop] = {}
        self._whole: dict[str, Ticker] = {}
        self._whole_at = float("-inf")
        self._fresh = False
        self._wake = asyncio.Event()
        self.stats = SideStats()
        step = BinanceSideProtocol.limits.streams_per_connection
        self.lines = [
            Line(
                streams[at : at + step],
                url=url,
                make_protocol=BinanceSideProtocol,
                gate=gate,
                silence_seconds=silence_seconds,
                on_data=self._on_data,
                on_ping=lambda _link, _payload: None,
                carries="side streams",
            )
            for at in range(0, len(streams), step)
        ]

    def figures(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return counters and gauges for the status board, their names beginning with `side_`."""
        stats = self.stats
        counters: dict[str, float] = {
            "side_messages": stats.messages,
            "side_tickers": stats.tickers,
            "side_books": stats.books,
            "side_published": stats.published,
            "side_conflated": stats.conflated,
            "side_malformed": stats.malformed,
            "side_connects": sum(line.stats.connects for line in self.lines),
            "side_losses": sum(line.stats.losses for line in self.lines),
        }
        gauges: dict[str, float] = {
            "side_connections": sum(line.stats.connected for line in self.lines),
            "side_symbols": len(self._whole),
        }
        return counters, gauges

    async def run(self, stop: asyncio.Event, ready: Callable[[], bool]) -> None:
        """Carry until `stop`; the connections open once `ready` says that the trades are heard."""
        while not (ready() or stop.is_set()):
            await asyncio.sleep(0.05)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_all(stop))
            seeding = [
                tasks.create_task(self._seed_all(stop)),
                tasks.create_task(self._seed_books(stop)),
            ]
            for line in self.lines:
                tasks.create_task(line.run(stop))
            await stop.wait()
            self._wake.set()
            for task in seeding:
                task.cancel()

    # --- in ---------------------------------------------------------------------------------------

    def _on_data(self, link: SideLink) -> None:
        self._waiting.append(link)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._take)

    def _take(self) -> None:
        self._timer = None
        links, self._waiting = self._waiting, []
        for link in links:
            assert link.socket is not None  # noqa: S101 - it has delivered data
            for received, messages in link.socket.take():
                self._keep(link, link.protocol.receive(messages, received), len(messages))

    def _keep(self, link: SideLink, events: SideEvents, messages: int) -> None:
        self.stats.messages += messages
        self.stats.malformed += events.malformed
        for control in events.controls:
            if control.kind is ControlKind.MALFORMED:
                self.stats.malformed += 1
                log.warning("a message of the venue makes no sense", detail=control.detail)
            link.control(control)
        for tickers in events.tickers:
            self.stats.tickers += len(tickers)
            self._merge(tickers)
            self._fresh = True
        for symbol, book in events.books.items():
            self.stats.books += 1
            self.stats.conflated += symbol in self._books
            self._books[symbol] = book
            self._heard_books.add(symbol)
        if self._fresh or self._books:
            self._wake.set()

    def _merge(self, tickers: Sequence[Ticker]) -> None:
        for ticker in tickers:
            symbol = ticker.symbol
            if symbol not in self._whole and len(self._whole) >= MOST_SYMBOLS:
                self.stats.conflated += 1
                continue
            self.stats.conflated += symbol in self._changed
            self._whole[symbol] = self._changed[symbol] = ticker

    async def _seed_all(self, stop: asyncio.Event) -> None:
        """After each connect, ask once for every ticker; what the stream has told since is newer."""
        seeded = 0
        while self._seed is not None and not stop.is_set():
            connects = self.lines[0].stats.connects
            if connects > seeded and self._whole:
                try:
                    for ticker in await self._seed():
                        if len(self._whole) < MOST_SYMBOLS:
                            self._whole.setdefault(ticker.symbol, ticker)
                    self._whole_at = float("-inf")
                    self._wake.set()
                except (OutcryError, RedisError, OSError) as error:
                    log.warning("not every ticker is known yet", reason=str(error))
                    await asyncio.sleep(WHOLE_SECONDS)
                    continue
                seeded = connects
            await asyncio.sleep(0.25)

    async def _seed_books(self, stop: asyncio.Event) -> None:
        """After connects, ask once for every book; what the streams have told since is newer."""
        seeded = 0
        while self._book_seed is not None and not stop.is_set():
            connects = sum(line.stats.connects for line in self.lines)
            if connects > seeded:
                self._heard_books.clear()
                try:
                    for book in await self._book_seed():
                        if book.symbol not in self._heard_books:
                            self._books[book.symbol] = book
                    self._wake.set()
                except (OutcryError, RedisError, OSError) as error:
                    log.warning("not every best price is known yet", reason=str(error))
                    await asyncio.sleep(WHOLE_SECONDS)
                    continue
                seeded = connects
            await asyncio.sleep(0.25)

    # --- out --------------------------------------------------------------------------------------

    async def _publish_all(self, stop: asyncio.Event) -> None:
        backoff = Backoff(first=0.1, most=5.0)
        # Ended by `stop`, not by a cancellation, which a driver that is connecting may swallow.
        while not stop.is_set():
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._publish()
                backoff.reset()
            except (RedisError, OSError) as error:
                delay = backoff.next()
                log.warning("Valkey is away, only the newest tickers wait", reason=str(error))
                await asyncio.sleep(delay)
                self._wake.set()
            await asyncio.sleep(GATHER_SECONDS / 2)

    async def _publish(self) -> None:
        fresh, self._fresh = self._fresh, False
        changed, self._changed = self._changed, {}
        books, self._books = self._books, {}
        pipeline = self._valkey.pipeline(transaction=False)
        if fresh:
            pipeline.publish(TICKERS, msgspec.json.encode(list(changed.values())))
        encoded: dict[Any, Any] = {s: msgspec.json.encode(book) for s, book in books.items()}
        for symbol, data in encoded.items():
            pipeline.publish(book_channel(symbol), data)
        if encoded:
            pipeline.hset(LAST_BOOKS, mapping=encoded)
        now = time.monotonic()
        whole = now - self._whole_at >= WHOLE_SECONDS and bool(self._whole)
        if whole:
            every = msgspec.json.encode(list(self._whole.values()))
            pipeline.set(TICKERS_SNAPSHOT, every, ex=TICKERS_SECONDS)
        try:
            await pipeline.execute()
        except BaseException:
            # Put back what nothing newer has replaced meanwhile.
            self.stats.conflated += len(changed.keys() & self._changed.keys())
            self.stats.conflated += len(books.keys() & self._books.keys())
            self._changed = changed | self._changed
            self._books = books | self._books
            self._fresh = self._fresh or fresh
            raise
        if whole:
            self._whole_at = now
        self.stats.published += fresh + len(books)
