"""Health and metrics, with engines up, down and coming back."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from fixtures_api import client_of
from market import add_gap, add_instrument
from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.status_board import write_status
from openoutcry.config import Settings
from openoutcry.engines import Engines
from openoutcry.model import RoleStatus
from openoutcry.web.api.app import create_app


def role(name: str) -> RoleStatus:
    """A status as a role would report it now."""
    now = time.time_ns() // 1000
    return RoleStatus(
        role=name,
        instance=f"host-{name}",
        pid=7,
        host="host",
        started_time=now - 1_000_000,
        updated_time=now,
        state="running",
        counters={"trades_total": 5, "frames": 2},
        gauges={"lag-seconds": 0.5},
        symbols={"BTCUSDT": now},
    )


async def test_live_asks_nobody() -> None:
    """The process is live although neither engine can be reached."""
    async with _unreachable() as client:
        answer = await client.get("/health/live")
        assert (answer.status_code, answer.json()) == (200, {"live": True})


async def test_ready_names_engines_and_roles(api: httpx.AsyncClient, valkey: Redis) -> None:
    """Engines carry their latency, roles that report are up, missing ones are listed."""
    await write_status(valkey, role("feed"))
    answer = await api.get("/health/ready")
    body = answer.json()
    assert (answer.status_code, body["ready"]) == (200, True)
    assert [engine["name"] for engine in body["engines"]] == ["postgres", "valkey"]
    assert all(engine["ok"] and engine["latencyMs"] > 0 for engine in body["engines"])
    roles = {each["name"]: each for each in body["roles"]}
    assert (roles["feed"]["ok"], roles["feed"]["instances"]) == (True, 1)
    assert roles["recorder"]["ok"] is False
    assert roles["recorder"]["reason"]


async def test_a_required_role_that_is_missing(store: asyncpg.Pool, valkey: Redis) -> None:
    """A role that is configured as required makes the system unready until it reports."""
    settings = Settings(required_roles=["recorder"])
    async with client_of(create_app(store, valkey, settings, version="1", ttl=0)) as client:
        missing = await client.get("/health/ready")
        assert missing.status_code == 503
        assert "recorder" in missing.json()["message"]
        await write_status(valkey, role("recorder"))
        assert (await client.get("/health/ready")).status_code == 200


async def test_an_indexer_is_listed_where_there_is_a_chain(
    store: asyncpg.Pool, valkey: Redis
) -> None:
    """With a chain configured, an indexer that is missing is named; fatal only where required."""
    chain = {"chain_rpc_urls": ["http://127.0.0.1:1/KEY"], "launchpads": ["outcry@0x" + "1" * 40]}
    settings = msgspec.convert(chain, Settings)
    async with client_of(create_app(store, valkey, settings, version="1", ttl=0)) as client:
        answer = await client.get("/health/ready")
        assert answer.status_code == 200
        missing = [each for each in answer.json()["roles"] if each["name"] == "indexer"]
        assert [each["ok"] for each in missing] == [False]
    required = msgspec.structs.replace(settings, required_roles=["indexer"])
    async with client_of(create_app(store, valkey, required, version="1", ttl=0)) as client:
        answer = await client.get("/health/ready")
        assert answer.status_code == 503
        assert "indexer" in answer.json()["message"]
        assert "KEY" not in answer.text
        await write_status(valkey, role("indexer"))
        assert (await client.get("/health/ready")).status_code == 200


async def test_schema_behind(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """A database at another revision cannot be served from, and the reason says so."""
    await store.execute("UPDATE alembic_version SET version_num = '0000'")
    answer = await api.get("/health/ready")
    assert answer.status_code == 503
    assert "migrations" in answer.json()["message"]


async def test_engines_out_of_reach() -> None:
    """With both engines gone: 503 everywhere in the one shape, status still answers; none hangs."""
    async with _unreachable() as client, asyncio.timeout(60):
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["success"] is False
        assert [engine["ok"] for engine in ready.json()["engines"]] == [False, False]
        assert "127.0.0.1" not in ready.text
        config = await client.get("/api/v1/config")
        assert (config.status_code, config.json()["success"]) == (503, False)
        assert config.headers["retry-after"] == "1"
        assert (await client.get("/api/v1/status")).status_code == 200
        metrics = await client.get("/metrics")
        assert 'outcry_engine_up{engine="postgres"} 0.0' in metrics.text
        assert "outcry_gaps_open" not in metrics.text


async def test_postgres_stops_and_returns(engines: Engines, api: httpx.AsyncClient) -> None:
    """Killed PostgreSQL makes it unready; back again, the same process serves again."""
    assert (await api.get("/health/ready")).status_code == 200
    assert engines.postgres is not None
    await engines.postgres.stop()
    try:
        down = await api.get("/health/ready")
        assert down.status_code == 503
        assert "postgres" in down.json()["message"]
        assert (await api.get("/api/v1/config")).status_code == 503
    finally:
        await engines.postgres.start()
    assert (await api.get("/health/ready")).status_code == 200
    assert (await api.get("/api/v1/config")).status_code == 200


async def test_metrics_parse(api: httpx.AsyncClient, store: asyncpg.Pool, valkey: Redis) -> None:
    """Prometheus' own parser reads every family, with roles, streams, gaps and our requests."""
    btc = await add_instrument(store, "BTCUSDT", "BTC")
    await add_gap(store, btc, 0, 1)
    await write_status(valkey, role("feed"))
    await write_status(valkey, role("recorder"))
    await valkey.xadd("trades_stream:{0}", {"f": b"x"})
    await api.get("/api/v1/config")
    await api.get("/no/such/path")
    answer = await api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {each.name: each for each in text_string_to_metric_families(answer.text)}

    def value(family: str, **labels: str) -> float:
        return next(
            sample.value
            for sample in families[family].samples
            if labels.items() <= sample.labels.items()
        )

    assert value("outcry_gaps_open") == 1
    assert value("outcry_engine_up", engine="valkey") == 1
    assert value("outcry_stream_entries", stream="trades_stream:{0}") == 1
    assert value("outcry_role_trades", role="feed") == 5
    assert value("outcry_role_lag_seconds", role="recorder") == 0.5
    assert value("outcry_http_requests", route="/api/v1/config", status="200") == 1
    assert "/no/such/path" not in answer.text


async def test_garbage_on_the_board_is_left_out(api: httpx.AsyncClient, valkey: Redis) -> None:
    """A status that cannot be read does not hide the others."""
    await valkey.set("status:feed:x", b"{not json")
    await valkey.set("status:feed:y", msgspec.json.encode({"role": "feed"}))
    await write_status(valkey, role("hub"))
    roles = (await api.get("/api/v1/status")).json()["roles"]
    assert [each["role"] for each in roles] == ["hub"]


class _unreachable:  # noqa: N801 - used like a function
    """A client of an application whose engines nobody runs."""

    async def __aenter__(self) -> httpx.AsyncClient:
        self._pool = await open_pool("postgresql://x@127.0.0.1:1/x", application_name="t")
        self._valkey = connect("redis://127.0.0.1:1/0")
        self._client = client_of(
            create_app(self._pool, self._valkey, Settings(), version="1", ttl=0)
        )
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()
        await self._valkey.aclose()
        self._pool.terminate()
