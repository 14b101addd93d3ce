"""The feed: the venue's streams, heard and passed on."""

from __future__ import annotations

import asyncio
from asyncio import TaskGroup
from contextlib import AsyncExitStack
from functools import partial

from openoutcry.config import Settings
from openoutcry.services.discovery import discover
from openoutcry.services.feed import Feed, FeedOptions
from openoutcry.services.outlet import Outlet
from openoutcry.services.side_streams import SideStreams, every_book, every_ticker
from openoutcry.services.status import report
from openoutcry.venues.binance import BinanceProtocol
from openoutcry.venues.binance_side import side_streams
from openoutcry.wiring.parts import Figures, connect, engines_answer, open_valkey, venue_rest


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Hear the venue until `stop`."""
    if not await engines_answer(settings, stop):
        return
    async with AsyncExitStack() as stack:
        valkey = await open_valkey(stack, settings)
        rest = await venue_rest(stack, settings, valkey)
        instruments = await discover(
            rest, partial(connect, settings, "feed"), settings.venue, settings.symbols, stop
        )
        if stop.is_set():
            return
        outlet = Outlet(valkey, settings.stream_shards, settings.stream_max_mb << 20)
        feed = Feed(
            instruments,
            BinanceProtocol,
            outlet,
            FeedOptions(
                url=settings.binance_ws_url,
                spread=settings.spread,
                frame_seconds=settings.frame_ms / 1000,
                shards=settings.stream_shards,
                silence_seconds=settings.silence_seconds,
            ),
        )
        books = partial(every_book, rest, list(settings.symbols))
        side = SideStreams(
            side_streams(
                settings.symbols, tickers=settings.feed_tickers, books=settings.feed_books
            ),
            valkey,
            url=settings.binance_ws_url,
            gate=feed.gate,
            silence_seconds=settings.silence_seconds,
            seed=partial(every_ticker, rest),
            # In a replay REST tells of another moment than the streams will begin with.
            book_seed=None if settings.sandbox_replay else books,
        )

        def figures() -> Figures:
            counters, gauges, symbols = feed.figures()
            more_counters, more_gauges = side.figures()
            return counters | more_counters, gauges | more_gauges, symbols

        async with TaskGroup() as tasks:
            tasks.create_task(report("feed", figures, valkey, stop))
            if side.lines:
                tasks.create_task(side.run(stop, feed.subscribed))
            await feed.run(stop)
