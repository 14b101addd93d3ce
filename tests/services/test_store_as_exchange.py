"""The same calls to the sandbox exchange and to a store that recorded it have the same answers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from exchange import SYMBOL, Exchange, exchange
from redis.asyncio import Redis

import storekit
import tape
from openoutcry.core.intervals import MINUTE, SECOND
from openoutcry.core.quotes import make_quote, to_message
from openoutcry.services.store_market import StoreMarket
from openoutcry.venues.binance_server_rest import answer
from storekit import Clock

NOW = 1_790_100_000_000_000 + 17 * MINUTE + 23 * SECOND + 456_000
RECORDED = 8000


@pytest.fixture(name="pair")
async def _pair(store: asyncpg.Pool, valkey: Redis, database_url: str) -> Any:
    """The sandbox with its clock standing still, a store of its newest trades, and their first."""
    async with exchange(valkey, database_url, NOW) as sandbox:
        newest = await sandbox.newest()
        prints = await sandbox.trades(newest - RECORDED + 1, newest)
        await sandbox.hear(prints)
        since = prints[0].time
        await tape.put(valkey, tape.heard(1, since, NOW, newest))
        await sandbox.recorded()
        market = storekit.market_of(store, valkey, Clock(NOW))
        yield sandbox, market, prints


async def both(sandbox: Exchange, market: StoreMarket, path: str, **params: Any) -> tuple[Any, Any]:
    """Return the exchange's answer and the store's."""
    text = {name: str(value) for name, value in params.items()}
    reply = await answer(market, f"/api/v3/{path}", text)
    assert reply is not None
    async with sandbox.http.get(f"{sandbox.url}/api/v3/{path}", params=text) as response:
        assert reply.status == response.status, reply.body
        return await response.json(), json.loads(reply.body)


async def test_the_same_questions_have_the_same_answers(pair: Any) -> None:
    """Endpoint by endpoint, over the time that both know."""
    sandbox, market, prints = pair
    since, span = prints[0].time, NOW - prints[0].time
    assert span > 12 * MINUTE
    asked: list[tuple[str, dict[str, Any]]] = [
        ("ping", {}),
        ("time", {}),
        ("exchangeInfo", {}),
        ("exchangeInfo", {"symbol": SYMBOL}),
        ("trades", {"symbol": SYMBOL, "limit": 1000}),
        ("ticker/price", {}),
        ("ticker/price", {"symbol": SYMBOL}),
        ("avgPrice", {"symbol": SYMBOL}),
        ("ticker", {"symbol": SYMBOL, "windowSize": "9m"}),
        ("ticker", {"symbol": SYMBOL, "windowSize": "1m", "type": "MINI"}),
        ("ticker", {"symbols": f'["{SYMBOL}"]', "windowSize": "7m"}),
        ("klines", {"symbol": SYMBOL, "interval": "7m"}),
        ("klines", {"symbol": "NOPE", "interval": "1m"}),
        ("trades", {"symbol": SYMBOL, "limit": -1}),
        ("ticker", {}),
    ]
    asked += [
        ("historicalTrades", {"symbol": SYMBOL, "fromId": from_id, "limit": 700})
        for from_id in (prints[0].trade_id, prints[4321].trade_id, prints[-1].trade_id + 1)
    ]
    for interval, step in (("1s", SECOND), ("1m", MINUTE), ("3m", 3 * MINUTE), ("5m", 5 * MINUTE)):
        first = since // step * step // 1000 + step // 1000
        query = {"symbol": SYMBOL, "interval": interval}
        newest = min(300, span // step - 1)
        asked += [
            ("klines", {**query, "limit": newest}),
            ("uiKlines", {**query, "startTime": first, "limit": 40}),
            ("klines", {**query, "startTime": first + 1, "endTime": NOW // 1000 - 60_000}),
            ("klines", {**query, "endTime": NOW // 1000 - 70_000, "limit": min(newest, 2)}),
            ("klines", {**query, "startTime": first + 10**6, "endTime": first}),
            ("klines", {**query, "startTime": NOW // 1000 + 10**6}),
        ]
    for path, params in asked:
        theirs, ours = await both(sandbox, market, path, **params)
        if interval_of(params) == "1s" and ours != theirs:
            # Of the second that is forming only a trade tells, until the next one is heard of.
            theirs = theirs[: len(ours)]
        assert ours == theirs, (path, params)


def interval_of(params: dict[str, Any]) -> str:
    return str(params.get("interval", ""))


async def test_aggregates_differ_in_their_numbers_only(pair: Any) -> None:
    """Prices, sizes, trades, times and takers are the exchange's; two of one moment may be one."""
    sandbox, market, prints = pair
    start = prints[0].time // 1000 + 5000
    for params in (
        {"startTime": start, "limit": 600},
        {"startTime": start, "endTime": start + 60_000, "limit": 1000},
        {"endTime": start + 200_000, "limit": 100},
        {"limit": 300},
    ):
        theirs, ours = await both(sandbox, market, "aggTrades", symbol=SYMBOL, **params)
        low, high = max(theirs[0]["f"], ours[0]["f"]), min(theirs[-1]["l"], ours[-1]["l"])
        theirs, ours = (
            [row for row in rows if low <= row["f"] and row["l"] <= high] for rows in (theirs, ours)
        )
        assert len(ours) > 10
        assert [row["a"] for row in ours] == [row["f"] for row in ours]
        assert joined(ours) == joined(theirs), params


def joined(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return rows with neighbours of one time, price and taker taken together."""
    found: list[list[Any]] = []
    for row in rows:
        same = [row["T"], row["p"], row["m"]]
        if found and found[-1][:3] == same and found[-1][4] + 1 == row["f"]:
            found[-1][4] = row["l"]
            found[-1][5] += Decimal(row["q"])
        else:
            found.append([*same, row["f"], row["l"], Decimal(row["q"])])
    return [tuple(one) for one in found]


async def test_quotes_stand_in_for_a_book(pair: Any, valkey: Redis) -> None:
    """Where no real book is heard the quote's prices are told, with no sizes."""
    _, market, _ = pair
    quote = to_message(make_quote(SYMBOL, Decimal(100), Decimal("0.001"), NOW))
    await valkey.hset("quotes:last", SYMBOL, storekit.encoded(quote))
    reply = await answer(market, "/api/v3/ticker/bookTicker", {"symbol": SYMBOL})
    assert reply is not None
    assert json.loads(reply.body) == {
        "symbol": SYMBOL,
        "bidPrice": "99.90000000",
        "bidQty": "0.00000000",
        "askPrice": "100.10000000",
        "askQty": "0.00000000",
    }
