"""What the store answers as a market is what the recorded trades say, worked out the slow way."""

from __future__ import annotations

import itertools
import json
import random
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from msgspec import Struct, structs
from redis.asyncio import Redis

import storekit
import tape
from openoutcry.core.intervals import DAY, HOUR, INTERVALS, MINUTE, SECOND
from openoutcry.core.keys import LAST_BOOKS, LAST_QUOTES
from openoutcry.services.store_market import StoreMarket
from openoutcry.services.store_trades import gather
from openoutcry.venues import binance_server_shapes as shapes
from openoutcry.venues.binance_server_data import Bar, Print, Span
from openoutcry.venues.binance_server_rest import answer
from storekit import Clock, bar_of, bars_of, trade_of

START = 1_723_161_599_000_000 - 40 * MINUTE
END = START + 3 * HOUR + 20 * MINUTE + 333_000
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


class Tape(Struct, frozen=True):
    """The market, and everything that was recorded of each symbol, oldest first."""

    market: StoreMarket
    clock: Clock
    trades: dict[str, list[Print]]


def prints(instrument: int, count: int, seed: int) -> list[tape.Print]:
    """Return trades in bursts of one time, some ids left out, a quiet stretch in between."""
    rng = random.Random(seed)
    made: list[tape.Print] = []
    number, time = 1000 * instrument, START + 70_000
    while len(made) < count:
        price, side = rng.randrange(6_000_000, 6_000_400), rng.choice((1, -1))
        for _ in range(rng.choice((1, 1, 1, 2, 3, 9))):
            size = rng.randrange(1, 10**7)
            made.append(tape.Print(instrument, number, time, price, size, side))
            number += 1
            price += rng.choice((0, 0, 1)) * side
        if rng.random() < 0.002:
            number += 7
        step = int(rng.expovariate(1.0) * 11_500_000 * 2000 / count) // 1000 * 1000
        time += 9 * MINUTE if len(made) in range(900, 905) else step
    return [one for one in made if one.time < END - SECOND]


@pytest.fixture
async def recorded(store: asyncpg.Pool, valkey: Redis, database_url: str) -> Tape:
    """Two markets that trade and are heard whole, and one that never traded."""
    await storekit.register(database_url, *SYMBOLS)
    made = {1: prints(1, 2000, 1), 2: prints(2, 150, 2)}
    frames = []
    for number, rows in made.items():
        half = len(rows) // 2
        frames += [tape.frame_of(rows[:half]), tape.frame_of(rows[half:])]
        ids = [row.trade_id for row in rows]
        frames += [
            tape.verified(number, before + 1, after - 1, [])
            for before, after in itertools.pairwise(ids)
            if after != before + 1
        ]
        frames.append(tape.heard(number, START, END, ids[-1]))
    await storekit.record(valkey, database_url, *frames)
    clock = Clock(END)
    market = storekit.market_of(store, valkey, clock)
    await market.listings()
    trades = {SYMBOLS[n - 1]: [trade_of(row) for row in rows] for n, rows in made.items()}
    return Tape(market, clock, trades)


async def test_listings_have_the_stores_grids(recorded: Tape) -> None:
    """Ticks and steps are one unit in the last place that the store keeps."""
    listing = (await recorded.market.listings())["ETHUSDT"]
    assert (listing.tick, listing.step) == (Decimal("0.01"), Decimal("0.00001"))
    assert (listing.base, listing.quote) == ("ETH", "USDT")


async def test_trades_by_id_are_the_tape(recorded: Tape) -> None:
    """From any id, with any limit: the recorded trades from it on, whatever ids are left out."""
    rng = random.Random(3)
    for symbol, trades in recorded.trades.items():
        ids = [one.id for one in trades]
        wanted = [0, 1, ids[0], ids[-1], ids[-1] + 1, 2**63, *rng.sample(ids, 20)]
        wanted += [one + 1 for one in rng.sample(ids, 10)]
        for from_id in wanted:
            limit = rng.choice((1, 2, 7, 500, 1000))
            found = await recorded.market.trades(symbol, from_id, limit)
            assert found == [one for one in trades if one.id >= from_id][:limit], (from_id, limit)


async def test_the_newest_trades(recorded: Tape) -> None:
    """Without an id the newest come, oldest first."""
    for symbol, trades in recorded.trades.items():
        for limit in (1, 3, 100, 1000):
            assert await recorded.market.trades(symbol, None, limit) == trades[-limit:]
    assert await recorded.market.trades("SOLUSDT", None, 5) == []
    assert await recorded.market.trades("SOLUSDT", 5, 5) == []
    newest = await recorded.market.newest(SYMBOLS)
    assert newest == {symbol: trades[-1] for symbol, trades in recorded.trades.items()}


async def test_aggregates_are_the_same_on_every_page(recorded: Tape) -> None:
    """Paged by id with any limit, from any id, by time or from the end: always the same ones."""
    rng = random.Random(4)
    for symbol, trades in recorded.trades.items():
        whole = gather([], trades)
        assert any(one.first < one.last for one in whole)
        assert sum(one.size for one in whole) == sum(one.size for one in trades)
        for limit in (1, 3, 50, 1000):
            at = rng.randrange(len(whole))
            from_id = rng.choice([whole[at].id, whole[at].last])
            for _ in range(6):
                found = await recorded.market.aggregates(symbol, from_id, Span(limit))
                assert found == [one for one in whole if one.id >= from_id][:limit]
                if not found:
                    break
                from_id = found[-1].id + 1
            start = whole[at].time + rng.choice((0, 1000))
            for end in (None, start + HOUR, start):
                found = await recorded.market.aggregates(symbol, None, Span(limit, start, end))
                inside = [one for one in whole if start <= one.time <= (end or END)]
                assert found == inside[:limit]
                if end is not None:
                    found = await recorded.market.aggregates(symbol, None, Span(limit, None, end))
                    assert found == [one for one in whole if one.time <= end][-limit:]
        assert await recorded.market.aggregates(symbol, None, Span(400)) == whole[-400:]


async def test_the_newest_aggregate_waits_until_it_is_over(recorded: Tape) -> None:
    """What may still grow is not told; half a second later it is."""
    whole = gather([], recorded.trades["BTCUSDT"])
    recorded.clock.at = whole[-1].time + 1
    assert await recorded.market.aggregates("BTCUSDT", None, Span(2)) == whole[-3:-1]
    recorded.clock.at += SECOND // 2
    assert await recorded.market.aggregates("BTCUSDT", None, Span(2)) == whole[-2:]


async def test_windows_are_exact_to_the_trade(recorded: Tape) -> None:
    """Windows that start and end anywhere hold exactly their trades, all symbols in one question."""
    rng = random.Random(5)
    for _ in range(60):
        start = rng.randrange(START - 10 * MINUTE, END)
        start = rng.choice([start, start // SECOND * SECOND, rng.choice(_times(recorded))])
        end = start + rng.choice([1, 1000, rng.randrange(1, 3 * HOUR), MINUTE, HOUR])
        found = await recorded.market.windows(SYMBOLS, start, end)
        for symbol, trades in recorded.trades.items():
            earlier = [one.price for one in trades if one.time < start]
            inside = [one for one in trades if start <= one.time < end]
            expected = bar_of(inside, start, end, earlier[-1] if earlier else None)
            assert found.get(symbol) == expected, (symbol, start, end)
        assert "SOLUSDT" not in found


def _times(recorded: Tape) -> list[int]:
    return [one.time for one in recorded.trades["BTCUSDT"]]


@pytest.mark.parametrize("name", [*INTERVALS])
async def test_bars_have_no_hole(recorded: Tape, name: str) -> None:
    """Every interval's bars, quiet ones included, equal those worked out from the trades."""
    interval, rng = INTERVALS[name], random.Random(6)
    for symbol, trades in recorded.trades.items():
        expected = [_plain(bar) for bar in bars_of(trades, interval, interval.floor(END))]
        if name == "1s":  # of the second that is forming nothing is known yet: heard up to END
            assert interval.floor(END) == expected[-1].start
        found = await recorded.market.bars(symbol, interval, Span(1000))
        assert [*found] == expected[-1000:]
        for _ in range(4):
            start = rng.randrange(START - HOUR, END)
            end, limit = start + rng.randrange(2 * HOUR), rng.choice((1, 5, 300))
            inside = [bar for bar in expected if start <= bar.start <= end]
            assert (
                await recorded.market.bars(symbol, interval, Span(limit, start, end))
                == (inside[:limit])
            )
            upto = [bar for bar in expected if bar.start <= end]
            assert (
                await recorded.market.bars(symbol, interval, Span(limit, None, end))
                == (upto[-limit:])
            )
            since = [bar for bar in expected if bar.start >= start]
            assert await recorded.market.bars(symbol, interval, Span(limit, start)) == since[:limit]
        oldest = await recorded.market.bars(symbol, interval, Span(1, 0))
        assert oldest == expected[:1]


def _plain(bar: Bar) -> Bar:
    return structs.replace(bar, before=None)


async def test_ready_klines_are_the_generic_ones_to_the_byte(recorded: Tape) -> None:
    """The rows that the database writes are those that the shapes make of the bars."""
    for name in ("1s", "1m", "3m", "1h", "1w", "1M"):
        for symbol in recorded.trades:
            ready = await recorded.market.klines(symbol, INTERVALS[name], Span(700), micro=False)
            bars = await recorded.market.bars(symbol, INTERVALS[name], Span(700))
            assert ready is not None
            rows = [shapes.kline_row(bar, micro=False) for bar in bars]
            assert ready.body.decode() == json.dumps(rows, separators=(",", ":"))


async def test_nothing_is_made_up_where_nothing_is_known(
    store: asyncpg.Pool, valkey: Redis, database_url: str
) -> None:
    """Between trades whose ids jump there is no bar; after the newest there is, as far as heard."""
    await storekit.register(database_url, "BTCUSDT")
    minute = START // MINUTE * MINUTE
    one, two = (tape.Print(1, n, minute + at * MINUTE) for n, at in ((1, 0), (9, 5)))
    await storekit.record(
        valkey,
        database_url,
        tape.frame_of([one]),
        tape.heard(1, minute, minute + 2 * MINUTE, 1),
        tape.frame_of([two]),
        tape.heard(1, minute + 4 * MINUTE, minute + 7 * MINUTE + SECOND, 9),
    )
    market = storekit.market_of(store, valkey, Clock(minute + 7 * MINUTE + 2 * SECOND))
    await market.listings()
    bars = await market.bars("BTCUSDT", INTERVALS["1m"], Span(10))
    assert [(bar.start - minute) // MINUTE for bar in bars] == [0, 5, 6, 7]
    later = storekit.market_of(store, valkey, Clock(minute + 9 * MINUTE))
    await later.listings()
    bars = await later.bars("BTCUSDT", INTERVALS["1m"], Span(10))
    assert [(bar.start - minute) // MINUTE for bar in bars] == [0, 5, 6]


async def test_books_are_the_venues_or_the_quotes(recorded: Tape, valkey: Redis) -> None:
    """A real book goes before a quote, which has no sizes; what cannot be read is left out."""
    quote = {"originalPrice": "10", "bidPrice": "9.99", "askPrice": "10.01", "timestamp": 5}
    for symbol in SYMBOLS:
        await valkey.hset(LAST_QUOTES, symbol, json.dumps({"symbol": symbol, **quote}))
    top = {"update": 77, "bid": "9.5", "bidSize": "3", "ask": "9.6", "askSize": "4", "time": 1}
    await valkey.hset(LAST_BOOKS, "BTCUSDT", json.dumps({"symbol": "BTCUSDT", **top}))
    await valkey.hset(LAST_BOOKS, "ETHUSDT", "nonsense")
    books = await recorded.market.books(SYMBOLS)
    assert books["BTCUSDT"].bid_size == 3
    assert books["SOLUSDT"].bid == Decimal("9.99")
    assert books["SOLUSDT"].bid_size == 0
    assert "ETHUSDT" not in books


async def test_a_ticker_says_what_the_trades_say(recorded: Tape, valkey: Redis) -> None:
    """`/ticker/24hr` and `/avgPrice` by Binance's definitions, from the trades themselves."""
    quote = {"bidPrice": "9.99", "askPrice": "10.01", "originalPrice": "10", "timestamp": 5}
    await valkey.hset(LAST_QUOTES, "BTCUSDT", json.dumps({"symbol": "BTCUSDT", **quote}))
    recorded.clock.at = END + DAY - 3 * HOUR
    since = recorded.clock.at - DAY
    trades = recorded.trades["BTCUSDT"]
    inside = [one for one in trades if one.time >= since]
    before = [one for one in trades if one.time < since]
    row = await _get(recorded, "ticker/24hr", symbol="BTCUSDT")
    change = inside[-1].price - inside[0].price
    quotes = sum(one.price * one.size for one in inside)
    sizes = sum(one.size for one in inside)
    assert Decimal(row["priceChange"]) == change
    assert Decimal(row["prevClosePrice"]) == before[-1].price
    assert Decimal(row["lastPrice"]) == inside[-1].price
    assert Decimal(row["lastQty"]) == inside[-1].size
    assert Decimal(row["openPrice"]) == inside[0].price
    assert Decimal(row["volume"]) == sizes
    assert Decimal(row["quoteVolume"]) == quotes
    assert Decimal(row["weightedAvgPrice"]) == round(quotes / sizes, 8)
    assert (row["firstId"], row["lastId"], row["count"]) == (
        *(inside[0].id, inside[-1].id),
        len(inside),
    )
    assert row["closeTime"] == recorded.clock.at // 1000
    recorded.clock.at = trades[-1].time + 2 * MINUTE
    mean = await _get(recorded, "avgPrice", symbol="BTCUSDT")
    last = [one for one in trades if one.time >= recorded.clock.at - 5 * MINUTE]
    value = sum(one.price * one.size for one in last) / sum(one.size for one in last)
    assert Decimal(mean["price"]) == round(value, 8)
    assert mean["closeTime"] == trades[-1].time // 1000


async def _get(recorded: Tape, path: str, **params: str) -> Any:
    reply = await answer(recorded.market, f"/api/v3/{path}", params)
    assert reply is not None
    assert reply.status == 200, reply.body
    return json.loads(reply.body)
