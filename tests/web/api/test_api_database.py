"""What admins may see of the store: figures of PostgreSQL, the volume's trend, alerts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from accounts import make_user, sign_in
from fixtures_api import client_of
from market import add_candles, add_instrument, random_candles
from openoutcry.adapters.postgres.token_store import apply
from openoutcry.adapters.valkey.alert_board import AlertBoard
from openoutcry.config import Settings
from openoutcry.core.alerts import Alert, Condition, Severity
from openoutcry.model import Role
from openoutcry.web.api.app import create_app
from tokenkit import block, created, trade

MINUTE = 60_000_000
HOUR = 60 * MINUTE
START = 1_767_225_600_000_000
ADMIN_ONLY = ("/api/admin/database", "/api/admin/volume-trend", "/api/admin/alerts")
CHAIN = Settings(chain_rpc_urls=["http://127.0.0.1:1"], launchpads=["outcry@0x" + "1" * 40])


@pytest.fixture
async def with_tokens(
    store: asyncpg.Pool, valkey: Redis, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that follows a chain."""
    app = create_app(store, valkey, CHAIN, version="1", static=tmp_path / "none", ttl=0)
    async with client_of(app) as client:
        yield client


async def as_admin(api: httpx.AsyncClient, store: asyncpg.Pool, path: str) -> httpx.Response:
    """Ask as an admin."""
    await make_user(store, "root", Role.ADMIN)
    return await api.get(path, headers=await sign_in(api, "root"))


@pytest.mark.parametrize("path", ADMIN_ONLY)
async def test_for_admins_only(api: httpx.AsyncClient, store: asyncpg.Pool, path: str) -> None:
    """Nobody else may see it, signed in or not."""
    await make_user(store)
    assert (await api.get(path)).status_code == 401
    answer = await api.get(path, headers=await sign_in(api))
    assert (answer.status_code, answer.json()["success"]) == (403, False)


async def test_figures_of_tables_and_indexes(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Partitions count for their table, indexes for theirs; memory's share is a percentage."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    seconds = random_candles(5, START, 400, 1_000_000, 1)
    await add_candles(store, instrument, "1s", seconds)
    await store.execute("ANALYZE")
    await store.execute("SELECT pg_stat_force_next_flush()")
    body = (await as_admin(api, store, "/api/admin/database")).json()
    assert body["success"] is True
    data = body["data"]
    tables = {each["name"]: each for each in data["tables"]}
    candles = tables["candles_1s"]
    assert candles["partitions"] >= 1
    assert candles["rows"] == 400
    assert candles["bytes"] > candles["indexBytes"] > 0
    assert not [name for name in tables if name.startswith("candles_1s_")]
    assert {"instruments", "bots", "tokens", "token_trades"} <= set(tables)
    named = {each["name"]: each for each in data["indexes"]}
    assert named["bots_pkey"]["unique"] is True
    assert named["bots_pkey"]["table"] == "bots"
    assert 0 < data["cacheHitPercent"] <= 100
    assert data["server"]["bytes"] > 1_000_000
    assert data["server"]["connections"] >= 1
    assert data["replica"] is None


async def test_statements_and_their_times(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Those that took most time come first, with their text but no values of ours."""
    if not await store.fetchval("SELECT to_regclass('pg_stat_statements') IS NOT NULL"):
        pytest.skip("this PostgreSQL does not count statements")
    for _ in range(4):
        await store.execute("SELECT pg_sleep($1), 'a secret value'", 0.05)
    data = (await as_admin(api, store, "/api/admin/database")).json()["data"]
    slow = next(each for each in data["statements"] if "pg_sleep" in each["query"])
    assert slow["calls"] == 4
    assert slow["totalMs"] >= 200
    assert slow["meanMs"] >= 50
    assert "secret value" not in slow["query"]
    assert data["hint"] is None
    totals = [each["totalMs"] for each in data["statements"]]
    assert totals == sorted(totals, reverse=True)


async def test_where_nothing_is_counted(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Without the extension the rest is there, and the answer says how to have it."""
    await store.execute("DROP EXTENSION IF EXISTS pg_stat_statements")
    data = (await as_admin(api, store, "/api/admin/database")).json()["data"]
    assert data["statements"] is None
    assert "shared_preload_libraries" in data["hint"]
    assert data["tables"]
    assert not [each for each in await samples(api) if each.startswith("outcry_statement")]


async def test_metrics_have_the_database(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Sizes by table, use by index, what memory answered; texts of statements nowhere."""
    await store.execute("SELECT pg_sleep(0.001)")
    found = await samples(api)
    assert found["outcry_database_size_bytes"][0][1] > 1_000_000
    assert found["outcry_database_blocks_hit_total"][0][1] > 0
    assert "token_trades" in {labels["table"] for labels, _ in found["outcry_table_size_bytes"]}
    assert {"table": "bots", "index": "bots_pkey"} in [
        labels for labels, _ in found["outcry_index_scans_total"]
    ]
    if "outcry_statement_seconds_total" in found:
        assert all(
            labels["query"].lstrip("-").isdigit()
            for labels, _ in found["outcry_statement_seconds_total"]
        )
        assert len(found["outcry_statement_calls_total"]) <= 20
    assert "pg_sleep" not in (await api.get("/metrics")).text


async def test_the_volume_trend(with_tokens: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Hour by hour in ETH, exact to the wei, each beside the day before."""
    now = time.time_ns() // 1000
    hour = now - now % HOUR
    eth = 10**18
    async with store.acquire() as db:
        await apply(
            db,
            [
                block(1, created(0, 1), time=hour - 26 * HOUR),
                block(2, trade(0, 1, 2, 2 * eth), time=hour - 25 * HOUR),
                block(3, trade(0, 1, 2, 3 * eth + 1), trade(1, 1, 2, -eth), time=hour - HOUR),
            ],
        )
    answer = await as_admin(with_tokens, store, "/api/admin/volume-trend?hours=4")
    data = answer.json()["data"]
    assert answer.headers["cache-control"] == "no-store"
    assert len(data["hours"]) == 4
    # An hour may have begun since.
    (traded,) = [each for each in data["hours"] if each["trades"]]
    assert traded == {
        "time": (hour - HOUR) // 1000,
        "volume": "4.000000000000000001",
        "trades": 2,
        "buys": 1,
        "buyVolume": "3.000000000000000001",
        "change": 100.0,
    }
    assert (data["lastDay"], data["busiest"]) == ("4.000000000000000001", traded["time"])


@pytest.mark.parametrize("hours", ["0", "745", "x", "-1", "١٢", "99999999"])
async def test_wrong_hours(with_tokens: httpx.AsyncClient, store: asyncpg.Pool, hours: str) -> None:
    """What is no number of hours is told what would be right."""
    answer = await as_admin(with_tokens, store, f"/api/admin/volume-trend?hours={hours}")
    assert answer.status_code == 400
    assert "from 1 to 744" in answer.json()["message"]


async def test_no_chain_no_trend(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Where no chain is followed the answer names the setting."""
    answer = await as_admin(api, store, "/api/admin/volume-trend")
    assert answer.status_code == 404
    assert "OUTCRY_CHAIN_RPC_URLS" in answer.json()["message"]


async def test_alerts_are_listed(
    api: httpx.AsyncClient, store: asyncpg.Pool, valkey: Redis
) -> None:
    """What fires first, with its figures; who looks after them need not be this process."""
    board = AlertBoard(valkey, "another process")
    assert await board.hold()
    wrong = Condition("disk_low", "", Severity.WARNING, "little is free", 8.7654321, 10.0)
    away = Condition("role_missing", "hub", Severity.CRITICAL, "no hub", 0, 1)
    alerts = {
        away.key: Alert(away, 5_000_000, 6_000_000),
        wrong.key: Alert(wrong, 7_000_000, 8_000_000, firing=True, told=9_000_000, times=1),
    }
    await board.save(alerts)
    body = (await as_admin(api, store, "/api/admin/alerts")).json()
    assert [each["state"] for each in body["data"]["alerts"]] == ["firing", "pending"]
    assert body["data"]["alerts"][0] == {
        "rule": "disk_low",
        "subject": "",
        "state": "firing",
        "severity": "warning",
        "summary": "little is free",
        "value": 8.765,
        "threshold": 10.0,
        "since": 7000,
        "seenAt": 8000,
        "toldAt": 9000,
        "timesTold": 1,
    }


async def samples(api: httpx.AsyncClient) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Return every sample of `/metrics` by its name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families((await api.get("/metrics")).text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found
