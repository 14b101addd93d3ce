"""Roles report themselves and the whole is collected, on real engines."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest
from redis.asyncio import Redis

from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.status_board import read_statuses
from openoutcry.config import Settings
from openoutcry.services.status import Provider, collect, report


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
    counters, gauges, symbols = figures()
    assert (status.counters, status.symbols) == (counters, symbols)
    assert status.gauges == gauges | {"trades_per_second": 0.0}
    assert 0 < await valkey.ttl(f"status:feed:{status.instance}") <= 5
    stop.set()
    await asyncio.wait_for(task, 30)
    assert await read_statuses(valkey) == []


async def test_what_a_role_says_in_words(store: asyncpg.Pool, valkey: Redis) -> None:
    """Notes are collected with the rest."""
    stop = asyncio.Event()
    notes = {"node": "https://node.example"}
    task = asyncio.create_task(report("indexer", figures, valkey, stop, lambda: notes))
    for _ in range(200):
        await asyncio.sleep(0.02)
        if found := (await collect(store, valkey, Settings())).roles:
            break
    assert [(each.role, each.notes) for each in found] == [("indexer", notes)]
    stop.set()
    await asyncio.wait_for(task, 30)


async def test_report_outlives_valkey() -> None:
    """Without Valkey the reporter keeps trying and stops when told to."""
    valkey = connect("redis://127.0.0.1:1/0")
    stop = asyncio.Event()
    task = asyncio.create_task(report("feed", figures, valkey, stop))
    await asyncio.sleep(0.3)
    assert not task.done()
    stop.set()
    await asyncio.wait_for(task, 30)
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


async def test_trades_per_second(store: asyncpg.Pool, valkey: Redis) -> None:
    """What the recorders store together, whatever the feed hears; no recorder, no trades."""

    def counting(each_second: int) -> Provider:
        started = time.monotonic()
        return lambda: ({"trades": (time.monotonic() - started) * each_second}, {}, {})

    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(report("feed", counting(7000), valkey, stop))
        tasks.create_task(report("recorder", counting(500), valkey, stop))
        await asyncio.sleep(1.5)
        status = await collect(store, valkey, Settings())
        stop.set()
    assert status.trades_per_second == pytest.approx(500, rel=0.1)
    assert (await collect(store, valkey, Settings())).trades_per_second == 0.0
    assert all(engine.ok for engine in status.engines)
