"""Housekeeping on native partitions: room ahead, nothing kept too long, nothing lost by it."""

from __future__ import annotations

import asyncio
import datetime as dt
import time

import asyncpg
import pytest
from redis.asyncio import Redis

import tape
from openoutcry.adapters.valkey.trade_stream import TradeStream
from openoutcry.core.intervals import DAY, SECOND
from openoutcry.services import maintenance as maintenance_module
from openoutcry.services import recorder as recorder_module
from openoutcry.services.maintenance import maintain, maintain_once
from openoutcry.services.recorder import Recorder
from tape import Print, frame_of, until

NOW = 1_723_161_599_000_000  # 2024-08-08 23:59:59
KEEP = {"trades": 0, "candles_1s": 0}


async def days(db: asyncpg.Connection, table: str) -> list[str]:
    """Return the days that a table has partitions for."""
    rows = await db.fetch(
        "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = $1::regclass ORDER BY 1",
        table,
    )
    return [row[0].removeprefix(f"{table}_") for row in rows]


@pytest.mark.parametrize("table", ["trades", "candles_1s"])
async def test_room_is_made_for_today_and_three_days_more(
    db: asyncpg.Connection, table: str
) -> None:
    """Four partitions from today on; doing it again adds nothing, the next day adds one."""
    await maintain_once(db, KEEP, NOW)
    ahead = ["20240808", "20240809", "20240810", "20240811"]
    assert await days(db, table) == ahead
    await maintain_once(db, KEEP, NOW)
    assert await days(db, table) == ahead
    await maintain_once(db, KEEP, NOW + SECOND)
    assert await days(db, table) == [*ahead, "20240812"]


async def test_a_trade_of_every_day_ahead_fits(db: asyncpg.Connection) -> None:
    """The partitions meet at midnight: no microsecond of the coming days is without room."""
    await maintain_once(db, KEEP, NOW)
    start = dt.datetime(2024, 8, 8, tzinfo=dt.UTC)
    micro = dt.timedelta(microseconds=1)
    edges = [start + dt.timedelta(days=n) + d for n in range(4) for d in (0 * micro, 1 * micro)]
    edges.append(start + dt.timedelta(days=4) - micro)
    for edge in edges:
        await db.execute("INSERT INTO trades VALUES (1, $1, $1, 1, 1, 1, 1)", edge)
    with pytest.raises(asyncpg.CheckViolationError):
        await db.execute("INSERT INTO trades VALUES (1, $1, $1, 1, 1, 1, 1)", start - micro)
    assert await db.fetchval("SELECT count(*) FROM trades") == 9


async def test_what_is_too_old_goes_by_whole_days(db: asyncpg.Connection) -> None:
    """A day is dropped when all of it is older than asked; other tables keep their own time."""
    for n in range(6):
        await maintain_once(db, KEEP, NOW - n * DAY)
    assert (await days(db, "trades"))[0] == "20240803"
    await maintain_once(db, {"trades": 2, "candles_1s": 0}, NOW)
    assert (await days(db, "trades"))[0] == "20240806"
    assert (await days(db, "candles_1s"))[0] == "20240803"
    await maintain_once(db, {"trades": 2, "candles_1s": 4}, NOW + SECOND)
    assert (await days(db, "trades"))[0] == "20240807"
    assert (await days(db, "candles_1s"))[0] == "20240805"


async def test_two_at_once_are_harmless(db: asyncpg.Connection, database_url: str) -> None:
    """Several processes may keep house at the same time."""

    async def keep() -> None:
        connection = await asyncpg.connect(database_url)
        for n in range(5):
            await maintain_once(connection, {"trades": 30, "candles_1s": 30}, NOW + n * DAY)
        await connection.close()

    await asyncio.gather(*(keep() for _ in range(4)))
    assert await days(db, "trades") == await days(db, "candles_1s")
    assert len(await days(db, "trades")) == 8


async def test_it_is_done_at_once_and_stops_at_once(
    db: asyncpg.Connection, database_url: str
) -> None:
    """The first round does not wait ten minutes, nor does the end; a database away puts it off."""
    refused = False

    async def reluctant() -> asyncpg.Connection:
        nonlocal refused
        if not refused:
            refused = True
            raise ConnectionRefusedError("away")
        return await asyncpg.connect(database_url)

    stop = asyncio.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maintenance_module, "_PERIOD_SECONDS", 0.05)
        task = asyncio.create_task(maintain(reluctant, KEEP, stop))

        async def kept() -> bool:
            return bool(await days(db, "trades"))

        await until(kept)
        stop.set()
        await asyncio.wait_for(task, 30)
    today = dt.datetime.fromtimestamp(time.time(), dt.UTC)
    assert f"{today:%Y%m%d}" in await days(db, "trades")
    assert refused
    stop = asyncio.Event()
    task = asyncio.create_task(maintain(lambda: asyncpg.connect(database_url), KEEP, stop))
    await asyncio.sleep(0.2)
    stop.set()
    await asyncio.wait_for(task, 30)


async def test_a_recorder_outlives_retention(
    db: asyncpg.Connection,
    database_url: str,
    valkey: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Old trades go on being stored though housekeeping has just dropped their day's partition."""
    monkeypatch.setattr(recorder_module, "_WAIT_MS", 10)
    await db.execute(
        "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
        " VALUES ('binance', 'C1USDT', 'C1', 'USDT', 2, 5)"
    )
    stop = asyncio.Event()
    recorder = Recorder(
        0,
        lambda: asyncpg.connect(database_url),
        TradeStream(valkey, 0, "a"),
        lambda *_: None,
        1000,
    )
    task = asyncio.create_task(recorder.run(stop))
    await tape.put(valkey, frame_of([Print(1, 1, NOW)]))
    await until(lambda: tape.drained(valkey))
    await maintain_once(db, {"trades": 1, "candles_1s": 1}, NOW + 40 * DAY)
    assert "20240808" not in await days(db, "trades")
    await tape.put(valkey, frame_of([Print(1, 2, NOW + 1)]))
    await until(lambda: tape.drained(valkey))
    stop.set()
    await asyncio.wait_for(task, 30)
    assert await tape.stored(db) == [(1, 2)]
    assert await db.fetchval("SELECT trades FROM candles_1d") == 2
    assert recorder.stats.dead_letters == 0
