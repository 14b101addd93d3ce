"""The API with a read replica: history comes from it, and nothing is lost with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from fixtures_api import client_of
from market import add_candles, add_instrument, cover, random_candles
from openoutcry.adapters.postgres.pool import Pool, open_pool
from openoutcry.adapters.postgres.reads import RoutedReads
from openoutcry.adapters.postgres.replica import Replica
from openoutcry.config import Settings
from openoutcry.web.api.app import create_app
from replicakit import Pair

MINUTE = 60_000_000
START = 1_767_225_600_000_000  # 2026-01-01
ASK = {
    "asset": "BTC",
    "duration": "1m",
    "startTime": "2026-01-01T00:00:00Z",
    "endTime": "2026-01-01T00:59:00Z",
}


@pytest.fixture
async def primary(pair: Pair) -> AsyncIterator[Pool]:
    """A pool of the pair's primary with an hour of a market, gone afterwards."""
    pool = await open_pool(pair.database_url, application_name="test")
    instrument = await add_instrument(pool, "BTCUSDT", "BTC")
    await add_candles(pool, instrument, "1m", random_candles(5, START, 60, MINUTE, 1))
    await cover(pool, instrument, START, START + 60 * MINUTE)
    await pair.caught_up()
    yield pool
    await pool.execute("TRUNCATE instruments, candles_1m, watermarks CASCADE")
    pool.terminate()


@pytest.fixture
async def reads(pair: Pair, primary: Pool) -> AsyncIterator[RoutedReads]:
    """Reads that go to the standby, watched as the role watches it."""
    replica = await Replica.open(pair.standby.url, pair.database_url, most_lag=5)
    stop = asyncio.Event()
    watching = asyncio.create_task(replica.watch(stop))
    reads = RoutedReads(primary, replica)
    await until(reads, ok=True)
    yield reads
    stop.set()
    await asyncio.wait_for(watching, 30)
    await replica.close()


@pytest.fixture
async def client(
    primary: Pool, valkey: Redis, reads: RoutedReads, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API that has a replica."""
    app = create_app(
        primary, valkey, Settings(), version="1", static=tmp_path / "none", ttl=0, reads=reads
    )
    async with client_of(app) as opened:
        yield opened


async def until(reads: RoutedReads, *, ok: bool) -> None:
    """Wait until the replica is seen to be up, or not."""
    async with asyncio.timeout(30):
        while (status := reads.status()) is None or status.ok is not ok:
            await asyncio.sleep(0.05)


async def metrics(client: httpx.AsyncClient) -> dict[str, float]:
    """Return what `/metrics` says of the replica."""
    text = (await client.get("/metrics")).text
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("outcry_replica")
    }


async def test_history_with_and_without_the_replica(
    pair: Pair, client: httpx.AsyncClient, reads: RoutedReads
) -> None:
    """The replica answers for the past; when it dies the same bytes come from the primary."""
    first = await client.get("/candles", params=ASK)
    assert (first.status_code, len(first.json()["candles"])) == (200, 60)
    assert reads.by_replica > 0
    by_primary, by_replica = reads.by_primary, reads.by_replica
    pair.standby.kill()
    for _ in range(5):
        again = await client.get("/candles", params=ASK)
        assert (again.status_code, again.content) == (200, first.content)
    assert reads.by_primary >= by_primary + 5
    assert reads.by_replica == by_replica


async def test_a_replaced_candle_is_seen_at_once(primary: Pool, client: httpx.AsyncClient) -> None:
    """A trade that comes late changes the past: the next answer has it."""
    for volume in range(1, 30):
        await primary.execute(
            "UPDATE candles_1m SET volume = $1 WHERE bucket = $2", volume, START + 5 * MINUTE
        )
        body = (await client.get("/candles", params=ASK)).json()
        assert body["candles"][5]["volume"] == volume


async def test_a_lost_replica_is_degraded_not_unready(
    pair: Pair, client: httpx.AsyncClient, reads: RoutedReads
) -> None:
    """Health stays ready and says what is lost; status and metrics say it too, and that it is back."""
    body = (await client.get("/health/ready")).json()
    assert (body["ready"], body["replica"]["ok"], body["degraded"]) == (True, True, [])
    told = await metrics(client)
    assert told["outcry_replica_up"] == 1
    assert told["outcry_replica_lag_seconds"] < 5
    pair.standby.kill()
    await until(reads, ok=False)
    answer = await client.get("/health/ready")
    body = answer.json()
    assert (answer.status_code, body["ready"], body["message"]) == (200, True, "ready")
    assert body["degraded"] == ["read replica: cannot be reached"]
    status = (await client.get("/api/v1/status")).json()
    assert status["replica"] == {
        "ok": False,
        "reason": "cannot be reached",
        "lagSeconds": None,
        "lagBytes": None,
    }
    assert await metrics(client) == {"outcry_replica_up": 0.0}
    await pair.standby.start()
    await until(reads, ok=True)
    assert (await client.get("/health/ready")).json()["degraded"] == []


async def test_without_a_replica(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Where none is configured nothing is said of it, and the primary answers."""
    assert await store.fetchval("SELECT NOT pg_is_in_recovery()")
    body = (await api.get("/health/ready")).json()
    assert (body["replica"], body["degraded"]) == (None, [])
    assert await metrics(api) == {}
