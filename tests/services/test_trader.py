"""The trader role against real engines, where nobody tells it anything."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from functools import partial

import asyncpg
import pytest
from redis.asyncio import Redis

from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.trade_reader import TradeReader
from openoutcry.services import trader as trader_module
from openoutcry.services.trader import Trader
from openoutcry.services.trader_stats import TraderRules
from storekit import record, register
from tape import T0, Print, frame_of
from tradingkit import create, open_user


def at_price(first: int, last: int, price: int) -> bytes:
    """Return a frame of big trades at one price (whole units), 10 ms apart."""
    return frame_of(
        [Print(1, n, T0 + n * 10_000, price * 100, 10_000_000) for n in range(first, last + 1)]
    )


async def test_trades_that_nobody_announced_are_found(
    store: asyncpg.Pool, valkey: Redis, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost announcement costs a bot seconds, not the trade: its order fills from the store."""
    monkeypatch.setattr(trader_module, "DOUBT_SECONDS", 0.2)
    await register(database_url, "BTCUSDT")
    await record(valkey, database_url, at_price(96, 100, 1000))
    await create(store, await open_user(store))
    rules = TraderRules(Decimal("0.001"), Decimal("0.001"))
    connect = partial(dial, database_url, application_name="trader")
    trader = Trader(connect, TradeReader(store), InstrumentReader(store), valkey, rules)
    stop = asyncio.Event()
    running = asyncio.create_task(trader.run(stop))
    async with asyncio.timeout(30):
        while await store.fetchval("SELECT min(seen) FROM bots") != 100:
            await asyncio.sleep(0.05)
        await record(valkey, database_url, at_price(101, 104, 980))
        while not await store.fetchval("SELECT count(*) FROM fills"):
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(running, 30)
    assert await store.fetchval("SELECT price FROM fills") == Decimal("980.98")
