"""What a process hears of prices: the feed's stream of tickers, and what other processes have done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Final

import msgspec
import structlog

from openoutcry.adapters.tasks import end
from openoutcry.adapters.valkey.price_board import PriceBoard, PriceNews
from openoutcry.core.keys import PRICES, TICKERS
from openoutcry.core.tickers import Ticker, merged
from openoutcry.errors import StoreUnavailableError
from openoutcry.services.price_refresh import FIRST_SECONDS, Refresher, take_shared, within
from openoutcry.services.price_shelf import Shelf

log = structlog.get_logger(__name__)

WHOLE_SECONDS: Final = 10.0
"""How often symbols that the stream has not told yet are looked for in its merged whole."""

Listen = Callable[[Callable[[str, bytes], None], Callable[[], Awaitable[None]]], Awaitable[None]]
"""Calls its first argument with each message of a bus, its second after each connect."""


class NewsDesk:
    """Keeps the shelf up with the bus."""

    def __init__(self, shelf: Shelf, board: PriceBoard, refresher: Refresher) -> None:
        self._shelf = shelf
        self._board = board
        self._refresher = refresher
        self._early: dict[str, Ticker] = {}
        """What the stream has told while we have no list to put it into."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, listen: Listen) -> None:
        """Keep what others share, warm up, and follow the stream, until cancelled."""
        self._refresher.loaded.clear()
        loading = asyncio.create_task(self._warm())
        completing = asyncio.create_task(self._complete())
        try:
            await listen(self.on_message, self._load)
        finally:
            tasks = {loading, completing, *self._tasks}
            if self._refresher.task is not None:
                tasks.add(self._refresher.task)
            await end(*tasks)

    def on_message(self, channel: str, data: bytes) -> None:
        """Take a message of the bus."""
        try:
            if channel == TICKERS:
                self._on_stream(_decode_tickers(data))
            elif channel == PRICES:
                self._on_news(_decode_news(data))
        except msgspec.MsgspecError as error:
            log.warning("a message about prices makes no sense", channel=channel, reason=str(error))

    def _on_stream(self, changed: list[Ticker]) -> None:
        self._shelf.stats.stream_messages += 1
        if self._shelf.snapshot is not None:
            self._follow(changed)
            return
        beginning = bool(self._early)
        self._early = merged(self._early, changed)
        if self._early and not beginning:
            self._start(self._begin())

    def _follow(self, changed: Iterable[Ticker]) -> None:
        shelf, now = self._shelf, self._shelf.clock()
        woken = not shelf.streaming
        shelf.heard = now
        shelf.merge(changed, now)
        if woken:
            self._start(self._fill_in())

    async def _begin(self) -> None:
        """Put what the stream has told into its merged whole: changes alone would be half a list."""
        stream = None
        with suppress(StoreUnavailableError):
            stream = await self._board.read_stream()
        early, self._early = self._early, {}
        if self._shelf.snapshot is None and stream is not None:
            whole = {ticker.symbol: ticker for ticker in stream[0]}
            self._follow(
                (whole | {s: t for s, t in early.items() if _newer(t, whole.get(s))}).values()
            )
        else:
            self._follow(early.values())

    def _on_news(self, news: PriceNews) -> None:
        shelf = self._shelf
        if news.what == "cleared":
            shelf.forget(news.until)
        elif shelf.streaming:
            return
        elif news.what == "snapshot":
            self._start(take_shared(shelf, self._board))
        else:
            shelf.note_failure(news.error, news.until)

    async def _warm(self) -> None:
        await self._load()
        with suppress(StoreUnavailableError):
            stream = await self._board.read_stream()
            if stream is not None and stream[1] < WHOLE_SECONDS + self._shelf.rules.stream:
                await within(FIRST_SECONDS, self._stream_is_heard)
        self._refresher.loaded.set()
        self._refresher.begin(self._shelf.rules.fresh)

    async def _stream_is_heard(self) -> None:
        while not self._shelf.streaming:
            await self._shelf.news.wait()

    async def _load(self) -> None:
        """Take over what others have: the newer of the shared snapshot and the stream's whole."""
        shelf = self._shelf
        await take_shared(shelf, self._board)
        with suppress(StoreUnavailableError):
            stream = await self._board.read_stream()
            if stream is not None:
                time = shelf.clock() - stream[1]
                if shelf.snapshot is None or time > shelf.snapshot.time:
                    shelf.merge(stream[0], time)

    async def _complete(self) -> None:
        """While the stream lives, now and then look for symbols that it has not told us yet."""
        while True:
            await asyncio.sleep(WHOLE_SECONDS)
            if self._shelf.streaming:
                await self._fill_in()

    async def _fill_in(self) -> None:
        shelf = self._shelf
        with suppress(StoreUnavailableError):
            stream = await self._board.read_stream()
            if stream is None or shelf.snapshot is None:
                return
            known = shelf.snapshot.tickers
            missing = [ticker for ticker in stream[0] if ticker.symbol not in known]
            if missing:
                shelf.merge(missing, shelf.snapshot.time)

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _newer(ticker: Ticker, known: Ticker | None) -> bool:
    return known is None or ticker.time >= known.time


_decode_tickers = msgspec.json.Decoder(list[Ticker]).decode
_decode_news = msgspec.json.Decoder(PriceNews).decode
