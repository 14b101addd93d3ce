"""The whole system over a real Valkey Cluster, a node of which dies in the middle of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from clusterkit import Cluster, cluster, whole_cluster
from e2e.audit import assert_whole, candle_differences, settled
from e2e.ledger import check_books
from e2e.sandboxed import remembering
from e2e.system import ALL_ROLES, System, eventually
from e2e.traders import PASSWORD, Ear, Somebody, more_fills, put_to_work
from openoutcry.client import Client, SignIn
from openoutcry.core.keys import trades_stream

__all__ = ["cluster", "whole_cluster"]
SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


async def test_a_node_dies(tmp_path: Path, cluster: Cluster) -> None:
    """Every role runs on the cluster and outlives a node: tape, candles, books and counter are right."""
    settings = remembering(
        tmp_path,
        *SYMBOLS,
        sandbox_rate=300.0,
        weight_share=1.0,
        stream_shards=3,
        spread="0.00001",
        sign_up="open",
    )
    async with System(settings, tmp_path, valkey_url=cluster.url, apart=True) as system:
        system.start(*ALL_ROLES, "trader")

        async def heard() -> bool:
            return all(system.get(f"/api/v3/trades?symbol={s}&limit=1") for s in SYMBOLS)

        await eventually("all markets", heard)
        ada = Somebody(system, "ada")
        bots = [put_to_work(system, ada, SYMBOLS[number % 2], number) for number in range(4)]
        ear = Ear(system.hub_url, SignIn(system.url, "ada", PASSWORD))
        listening = asyncio.create_task(ear.listen())
        await more_fills(system, 3, bots)
        await hear_candle(system)
        roles = {one["role"] for one in system.get("/api/v1/status")["roles"]}
        assert roles >= {"feed", "recorder", "hub", "api", "trader"}
        assert len(system.get("/api/prices/aggregated")) > 0

        (await cluster.primary_of(trades_stream(0))).kill()
        await asyncio.sleep(1)
        await cluster_serves(cluster)
        await hear_candle(system)
        before = await more_fills(system, -1, bots)
        await more_fills(system, before, bots)
        until = time.time_ns() // 1_000_000 * 1000 - 1

        connection = await asyncpg.connect(system.database_url)

        async def quiet() -> bool:
            return await settled(connection, SYMBOLS, until)

        await eventually("everything before now is recorded and repaired", quiet, 120)
        seed, market = settings.sandbox_seed, tmp_path / "market.json"
        assert await assert_whole(connection, market, SYMBOLS, seed, until) > 300
        assert await candle_differences(connection) == []
        ada.ask("POST", "/kill-switch", {"on": True})

        async def told() -> bool:
            waiting = await connection.fetchval(
                "SELECT count(*) FROM outbox WHERE published_at IS NULL"
            )
            position = await connection.fetchval("SELECT position FROM trading_accounts")
            return bool(not waiting and ear.offsets and ear.offsets[-1] == position)

        await eventually("everything is told", told)
        assert ear.offsets == list(range(ear.offsets[0], ear.offsets[-1] + 1))
        listening.cancel()
        fills = (await check_books(connection))["fills"]
        await connection.close()
        await outcry(system, "stats", "backfill")

        async def counted() -> bool:
            found = system.get("/api/public/stats/trades")["data"]["trades_30d"]
            return bool(found == fills)

        await eventually("the counter is right", counted)


async def hear_candle(system: System) -> None:
    """Wait until the hub tells a live candle, as a page would see it."""
    async with asyncio.timeout(60), Client(system.hub_url) as client:
        client.subscribe("candle:BTCUSDT:1m")
        async for message in client:
            if message.channel == "candle:BTCUSDT:1m" and message.type == "candle_update":
                return


async def cluster_serves(cluster: Cluster) -> None:
    """Wait until the dead node's replica has taken over."""

    async def serves() -> bool:
        running = next(node for node in cluster.nodes if node.running)
        info = await running.ask("CLUSTER INFO")
        return bool(info["cluster_state"] == "ok")

    await eventually("the cluster serves again", serves)


async def outcry(system: System, *words: str) -> None:
    """Run a command beside the system, as an operator does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "openoutcry", *words,
        env=system.environment(), cwd=system.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, (words, said.decode())
