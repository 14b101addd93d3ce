"""The feed against a WebSocket server: what it hears it passes on, whatever the server does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from openoutcry.core.backoff import Backoff
from openoutcry.core.frames import FrameKind, decode
from openoutcry.core.scales import to_decimal
from openoutcry.model import Instrument
from openoutcry.services.feed import Feed, FeedOptions
from openoutcry.services.outlet import Outlet
from openoutcry.venues import binance
from openoutcry.venues.binance import BinanceProtocol
from openoutcry.venues.interface import VenueLimits
from tape import until
from venue_server import T0_MS, Venue, trade_message, venue_server

BTC = Instrument(1, "binance", "BTCUSDT", "BTC", "USDT", 2, 5)
PEPE = Instrument(2, "binance", "PEPEUSDT", "PEPE", "USDT", 8, 0)


class Basket(Outlet):
    """An outlet that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__(cast("Redis", None), 1, 1)
        self.frames: list[bytes] = []
        self.quotes: list[tuple[str, Any]] = []

    def put_frame(self, shard: int, data: bytes, trades: int) -> None:
        """Keep a frame."""
        assert len(decode(data).trades) == trades
        assert shard == 0
        self.frames.append(data)

    def put_quote(self, symbol: str, data: bytes) -> None:
        """Keep a quote."""
        self.quotes.append((symbol, json.loads(data)))

    async def run(self, stop: asyncio.Event) -> None:
        """Wait for the end."""
        await stop.wait()

    async def watch_room(self, stop: asyncio.Event) -> None:
        """Wait for the end."""
        await stop.wait()

    def trades(self) -> list[tuple[int, int, Decimal, Decimal]]:
        """Return instrument, id, price and size of every trade passed on, in order."""
        found = []
        for frame in map(decode, self.frames):
            scales = {int(row["instrument"]): row for row in frame.scales}
            for row in frame.trades:
                scale = scales[int(row["instrument"])]
                price = to_decimal(row["price"], int(scale["price_scale"]))
                size = to_decimal(row["size"], int(scale["size_scale"]))
                found.append((int(row["instrument"]), int(row["trade_id"]), price, size))
        return found

    def ids(self) -> list[int]:
        """Return the ids of every trade passed on, in order."""
        return [one[1] for one in self.trades()]

    def marks(self) -> list[tuple[int, int, int, int]]:
        """Return instrument, low, high and trade id of every HEARD mark."""
        heard = [f for f in map(decode, self.frames) if f.kind is FrameKind.HEARD]
        return [
            (int(m["instrument"]), int(m["low"]), int(m["high"]), int(m["trade_id"]))
            for frame in heard
            for m in frame.marks
        ]


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """A venue to connect to."""
    async with venue_server() as serving:
        yield serving


@contextlib.asynccontextmanager
async def feeding(
    venue: Venue,
    *instruments: Instrument,
    protocol: Callable[[], BinanceProtocol] = BinanceProtocol,
    silence: float = 30.0,
    frame: float = 0.005,
) -> AsyncIterator[tuple[Feed, Basket]]:
    """Run a feed that listens to the venue, and wait until it has subscribed."""
    basket = Basket()
    options = FeedOptions(venue.url, Decimal("0.001"), frame, 1, silence)
    feed = Feed(instruments or (BTC, PEPE), protocol, basket, options)
    stop = asyncio.Event()
    task = asyncio.create_task(feed.run(stop))
    try:
        if venue.answers:
            await until(lambda: connected(feed))
        yield feed, basket
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def connected(feed: Feed) -> bool:
    """Return whether every line has a subscribed connection."""
    return all(line.links and line.links[0].subscribed.is_set() for line in feed.lines)


def has(basket: Basket, count: int) -> Callable[[], Any]:
    """Return the question whether the basket has so many different trades."""

    async def ask() -> bool:
        return len(set(basket.ids())) >= count

    return ask


async def test_trades_become_frames_and_quotes(venue: Venue) -> None:
    """Exact numbers, ours for the venue's symbols; the quote is of the newest trade."""
    async with feeding(venue) as (feed, basket):
        venue.tell(
            trade_message("BTCUSDT", 7, "61837.63000000"),
            trade_message("PEPEUSDT", 8, "0.00000812", q="1234567.00"),
            trade_message("BTCUSDT", 9, "61837.64000000", m=False),
            trade_message("XYZUSDT", 1),
        )
        await until(has(basket, 3))
        assert sorted(basket.trades()) == [
            (1, 7, Decimal("61837.63"), Decimal("0.02")),
            (1, 9, Decimal("61837.64"), Decimal("0.02")),
            (2, 8, Decimal("0.00000812"), Decimal(1234567)),
        ]
        sides = {
            int(r["trade_id"]): int(r["side"]) for f in basket.frames for r in decode(f).trades
        }
        assert sides == {7: -1, 8: -1, 9: 1}
        assert (feed.stats.trades, feed.stats.unknown, feed.stats.malformed) == (3, 1, 0)
        quotes = dict(basket.quotes)
        assert quotes["BTCUSDT"]["originalPrice"] == "61837.64"
        assert quotes["PEPEUSDT"]["bidPrice"] == "0.00000811188"


async def test_subscriptions_keep_within_five_messages_a_second(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many symbols are asked for in batches, never more than the venue allows in any second."""
    monkeypatch.setattr(binance, "STREAMS_PER_MESSAGE", 10)
    many = [Instrument(n, "binance", f"C{n}USDT", f"C{n}", "USDT", 2, 2) for n in range(1, 75)]
    async with feeding(venue, *many):
        (peer,) = venue.peers
        assert len(peer.streams) == 74
        times = [when for when, _ in peer.asked]
        assert len(times) == 8
        assert min(later - first for first, later in zip(times, times[5:], strict=False)) > 1.0


async def test_a_pong_carries_the_pings_payload(venue: Venue) -> None:
    """Each ping is answered with its own bytes, and tells the venue's time."""
    async with feeding(venue) as (feed, _):
        (peer,) = venue.peers
        for payload in (b"1723161255343", b"", b"anything at all"):
            peer.ping(payload)

        async def answered() -> bool:
            return len(peer.pongs) == 3

        await until(answered)
        assert peer.pongs == [b"1723161255343", b"", b"anything at all"]
        assert feed.lines[0].links[0].event_time == 1_723_161_255_343_000


async def reconnected(venue: Venue, feed: Feed, connections: int) -> None:
    """Wait until there have been so many connections and the last one is subscribed."""

    async def so_many() -> bool:
        return len(venue.peers) >= connections and bool(venue.open) and await connected(feed)

    await until(so_many)


async def test_silence_ends_in_a_new_connection(venue: Venue) -> None:
    """A connection on which nothing comes any more is given up; the next one carries on."""
    async with feeding(venue, silence=0.3) as (feed, basket):
        await reconnected(venue, feed, 2)
        assert not venue.peers[0].open
        venue.tell(trade_message("BTCUSDT", 1))
        await until(has(basket, 1))
        assert feed.lines[0].stats.losses >= 1


@pytest.mark.parametrize("politely", [True, False])
async def test_a_closed_connection_is_made_again(venue: Venue, politely: bool) -> None:
    """With a close frame or without, the feed comes back and what it heard before is kept."""
    async with feeding(venue) as (feed, basket):
        for number in range(1, 4):
            venue.tell(trade_message("BTCUSDT", number))
            await until(has(basket, number))
            peer = venue.open[0]
            if politely:
                peer.close()
            else:
                assert peer.transport is not None
                peer.transport.disconnect(graceful=False)
            await reconnected(venue, feed, number + 1)
        assert basket.ids() == [1, 2, 3]
        assert feed.lines[0].stats.losses == 3


async def test_trades_sent_just_before_a_close_are_kept(venue: Venue) -> None:
    """What the venue wrote before it closed is passed on, not dropped with the connection."""
    async with feeding(venue, frame=0.2) as (_, basket):
        peer = venue.open[0]
        peer.send(*(trade_message("BTCUSDT", number) for number in range(1, 51)))
        peer.close()
        await until(has(basket, 50))


def test_delays_between_attempts_grow_are_capped_and_jittered() -> None:
    """Each delay is between half and all of its step, steps double up to the most; reset starts over."""
    backoff = Backoff(first=0.25, most=30.0)
    steps = [min(30.0, 0.25 * 2**n) for n in range(50)]
    delays = [backoff.next() for _ in steps]
    assert all(step / 2 <= delay <= step for step, delay in zip(steps, delays, strict=True))
    assert len(set(delays[10:])) > 30
    backoff.reset()
    assert backoff.next() <= 0.25


class Chatter:
    """Trades told to every subscriber, one after another, until enough."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self.last = 0

    async def run(self, enough: Callable[[], bool]) -> None:
        """Talk until `enough`, and a little longer."""
        more = 60
        while more:
            self.last += 1
            self._venue.tell(trade_message("BTCUSDT", self.last))
            await asyncio.sleep(0.005)
            more -= enough()


async def test_a_shutdown_notice_moves_to_a_new_connection_first(venue: Venue) -> None:
    """The new connection is subscribed before the old one goes; no trade is lost, none counts twice."""
    async with feeding(venue) as (feed, basket):
        chatter = Chatter(venue)
        old = venue.peers[0]
        old.send(b'{"e":"serverShutdown","E":1723161255343}')
        await asyncio.wait_for(chatter.run(lambda: not old.open), 45)
        await until(has(basket, chatter.last))
        assert sorted(set(basket.ids())) == list(range(1, chatter.last + 1))
        assert len(basket.ids()) == chatter.last
        assert feed.stats.overlap > 0
        assert (feed.lines[0].stats.rotations, feed.lines[0].stats.losses) == (1, 0)
        assert [e for e in venue.events if e[0] != "open"] == [
            ("subscribed", 0), ("subscribed", 1), ("closed", 0),
        ]  # fmt: skip


class ShortLived(BinanceProtocol):
    """A protocol whose connections must be renewed every half second."""

    limits = VenueLimits(
        streams_per_connection=1024, messages_per_second=5, connections_per_window=300,
        window_seconds=300, lifetime_seconds=1,
    )  # fmt: skip


async def test_connections_are_renewed_before_their_time_is_up(venue: Venue) -> None:
    """Rotation by age, several times over, loses nothing and never leaves the venue alone."""
    async with feeding(venue, protocol=ShortLived) as (feed, basket):
        chatter = Chatter(venue)
        await asyncio.wait_for(chatter.run(lambda: feed.lines[0].stats.rotations >= 2), 45)
        await until(has(basket, chatter.last))
        assert sorted(set(basket.ids())) == list(range(1, chatter.last + 1))
        assert feed.lines[0].stats.losses == 0


async def test_scales_may_grow_within_one_flush(venue: Venue) -> None:
    """A price with more places than any before keeps them; those before it stay what they were."""
    async with feeding(venue, frame=0.2) as (_, basket):
        prices = ["61837.63", "61837.12345678", "1.5", "0.000000000001"]
        peer = venue.open[0]
        for number, price in enumerate(prices):
            peer.send(trade_message("BTCUSDT", number, price))
            await asyncio.sleep(0.01)
        await until(has(basket, 4))
        assert [one[2] for one in basket.trades()] == [Decimal(price) for price in prices]


async def test_one_odd_number_harms_no_other_trade(venue: Venue) -> None:
    """What fits no scale with its neighbours is passed on alone; what fits none at all is reported."""
    async with feeding(venue, frame=0.2) as (feed, basket):
        venue.tell(
            trade_message("BTCUSDT", 1, q="0.00000001"),
            trade_message("PEPEUSDT", 2, "0.00000812", q="500000000000.00"),
            trade_message("BTCUSDT", 3, "9000000000000000000"),
            b"noise",
            trade_message("BTCUSDT", 4, "1.2.3"),
            trade_message("BTCUSDT", 5),
        )
        await until(has(basket, 3))
        assert [(one[1], one[3]) for one in basket.trades()] == [
            (1, Decimal("0.00000001")),
            (2, Decimal(500_000_000_000)),
            (5, Decimal("0.02")),
        ]
        assert feed.stats.malformed == 3


async def test_quotes_never_go_back(venue: Venue) -> None:
    """Trades that come late are passed on to the store, but quote nothing."""
    async with feeding(venue) as (_, basket):
        venue.tell(trade_message("BTCUSDT", 5, "5.00"), trade_message("BTCUSDT", 4, "4.00"))
        await until(has(basket, 2))
        venue.tell(trade_message("BTCUSDT", 3, "3.00"))
        await until(has(basket, 3))
        venue.tell(trade_message("BTCUSDT", 6, "6.00"))
        await until(has(basket, 4))
        assert [quote["originalPrice"] for _, quote in basket.quotes] == ["5", "6"]


async def test_marks_say_how_far_nothing_was_missed(venue: Venue) -> None:
    """From the first message after subscribing to a second before the newest, by the venue's clock."""
    async with feeding(venue) as (_, basket):
        venue.tell(trade_message("BTCUSDT", 1))
        await until(has(basket, 1))
        venue.peers[0].ping(str(T0_MS + 10_000).encode())

        async def marked() -> bool:
            return bool(basket.marks())

        await until(marked)
        start, end = (T0_MS + 1) * 1000, (T0_MS + 10_000 - 1_000) * 1000
        assert basket.marks()[:2] == [(1, start, end, 1), (2, start, end, -1)]


async def test_a_lost_connection_starts_a_new_stretch(venue: Venue) -> None:
    """What was not heard while the connection was away is not called heard."""
    async with feeding(venue) as (feed, basket):
        venue.tell(trade_message("BTCUSDT", 1))
        await until(has(basket, 1))
        venue.open[0].close()
        await reconnected(venue, feed, 2)
        venue.tell(trade_message("BTCUSDT", 5_000))
        await until(has(basket, 2))
        venue.open[0].ping(str(T0_MS + 20_000).encode())

        async def marked() -> bool:
            return any(high > (T0_MS + 5_000) * 1000 for _, _, high, _ in basket.marks())

        await until(marked)
        assert basket.marks()[-1][1] == (T0_MS + 5_000) * 1000


async def test_a_venue_that_is_not_there_is_waited_for(venue: Venue, free_port: int) -> None:
    """Stopping works while there is nobody to connect to."""
    venue.answers = False
    venue.url = f"ws://127.0.0.1:{free_port}"
    async with feeding(venue) as (feed, _):
        await asyncio.sleep(0.3)
        assert feed.lines[0].links == []
