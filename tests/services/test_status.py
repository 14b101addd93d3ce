"""Roles report themselves and the whole is collected, on real engines."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from redis.asyncio import Redis

from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.status_board import read_statuses
from openoutcry.config import Settings
from openoutcry.services.status import collect, report


def figures() -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
    """What a role might count."""
    return {"trades": 3}, {"lag": 0.25}, {"BTCUSDT": 7}


async def test_report_appears_expires_and_goes(valkey: Redis) -> None:
    """A reporting role is on the board with an expiry, and off it at once when it stops."""
    stop = asyncio.Event()
    task = asyncio.create_task(report("feed", figures, valkey, stop))
    statuses = []
    for _ in range(50):
        await asyncio.sleep(0.02)
        if statuses := await read_statuses(valkey):
            break
    (status,) = statuses
    assert (status.role, status.state) == ("feed", "running")
    assert (status.counters, status.gauges, status.symbols) == figures()
    assert 0 < await valkey.ttl(f"status:feed:{status.instance}") <= 5
    stop.set()
    await asyncio.wait_for(task, 2)
    assert await read_statuses(valkey) == []


async def test_report_outlives_valkey() -> None:
    """Without Valkey the reporter keeps trying and stops when told to."""
    valkey = connect("redis://127.0.0.1:1/0")
    stop = asyncio.Event()
    task = asyncio.create_task(report("feed", figures, valkey, stop))
    await asyncio.sleep(0.3)
    assert not task.done()
    stop.set()
    await asyncio.wait_for(task, 10)
    await valkey.aclose()


async def test_streams_and_lag(store: asyncpg.Pool, valkey: Redis) -> None:
    """Each shard's stream tells its length and how far behind its newest entry the store is."""
    settings = Settings(stream_shards=3)
    await valkey.xadd("trades_stream:{0}", {"f": b"1"}, id="1000-0")
    await valkey.xadd("trades_stream:{0}", {"f": b"2"}, id="3500-0")
    await valkey.xadd("trades_stream:{1}", {"f": b"1"}, id="1000-0")
    await store.execute(
        "INSERT INTO stream_positions (stream, entry_id, trades)"
        " VALUES ('trades_stream:{0}', '1000-0', 12)"
    )
    first, second = (await collect(store, valkey, settings)).streams
    assert (first.entries, first.trades_committed, first.seconds_behind) == (2, 12, 2.5)
    assert (second.entries, second.committed_id, second.seconds_behind) == (1, None, None)


@pytest.mark.parametrize("trades", [0, 50])
async def test_trades_per_second(store: asyncpg.Pool, valkey: Redis, trades: int) -> None:
    """The rate is that of the last ten whole seconds."""
    if trades:
        await store.execute(
            "SELECT outcry_make_room('candles_1s', now() - interval '1 day', now())"
        )
        await store.execute(
            "INSERT INTO candles_1s SELECT 1, date_trunc('second', now()) - interval '5 seconds',"
            " 1, 1, 1, 1, 1, 1, $1::bigint, 1, 1, 1, 2",
            trades,
        )
    status = await collect(store, valkey, Settings())
    assert status.trades_per_second == trades / 10
    assert all(engine.ok for engine in status.engines)
