"""The indexer's process, all of it wired: what it reports, what wakes it, and that it ends when told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from redis.asyncio import Redis

from openoutcry.adapters.postgres.token_store import read_head
from openoutcry.adapters.tasks import end
from openoutcry.adapters.valkey.status_board import read_statuses
from openoutcry.config import Settings
from openoutcry.errors import ConfigError
from openoutcry.model import RoleStatus
from openoutcry.sandbox.anvil import Anvil
from openoutcry.sandbox.launchpad import Launchpad
from openoutcry.sandbox.node import Node, show
from openoutcry.sandbox.token_market import TokenMarket
from openoutcry.wiring.roles import run_role


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[asyncio.Event]:
    """Run the role; it has ended at the end, if it ends when it is told to."""
    stop = asyncio.Event()
    role = asyncio.create_task(run_role("indexer", settings, stop))
    try:
        yield stop
        stop.set()
        await asyncio.wait_for(role, 30)
    finally:
        await end(role)


async def reported(valkey: Redis, node: Node) -> RoleStatus:
    """Return what the role reports once it stands where the chain does, which may still go on."""
    async with asyncio.timeout(30):
        while True:
            block = await node.head()
            for status in await read_statuses(valkey):
                if status.gauges.get("block") == block and status.gauges["lag_blocks"] == 0:
                    return status
            await asyncio.sleep(0.05)


async def test_it_reports_and_is_woken(
    anvil: Anvil, launchpad: Launchpad, database_url: str, valkey_url: str, valkey: Redis
) -> None:
    """A node that tells of heads is enough: the head is hardly ever asked for, and stored at once."""
    settings = Settings(
        database_url=database_url,
        valkey_url=valkey_url,
        chain_rpc_urls=[anvil.ws_url],
        chain_poll_seconds=3600,
        launchpads=[f"outcry@{show(launchpad.address)}"],
    )
    async with running(settings):
        await reported(valkey, launchpad.node)
        market = TokenMarket(launchpad, seed=1, tokens=2, traders=6)
        await market.open()
        await market.play(10)
        status = await reported(valkey, launchpad.node)
        assert (status.role, status.gauges["owned"]) == ("indexer", 1)
        assert status.notes == {"node": anvil.ws_url}
        assert status.counters["trades"] > 3
        assert status.gauges["lag_seconds"] == 0
        assert status.gauges["block_time"] == pytest.approx(time.time(), abs=600)
    assert await read_statuses(valkey) == []


async def test_a_node_that_hangs_does_not_keep_it(
    anvil: Anvil, launchpad: Launchpad, database_url: str, valkey_url: str, valkey: Redis
) -> None:
    """Told to end while a node lets it wait, it ends within seconds, and what is stored stays."""
    settings = Settings(
        database_url=database_url,
        valkey_url=valkey_url,
        chain_rpc_urls=[anvil.url],
        chain_poll_seconds=0.1,
        launchpads=[f"outcry@{show(launchpad.address)}"],
    )
    async with running(settings) as stop:
        head = await launchpad.node.head()
        await reported(valkey, launchpad.node)
        anvil.freeze()
        await asyncio.sleep(0.5)
        began = time.monotonic()
        stop.set()
    assert time.monotonic() - began < 15
    anvil.thaw()
    db = await asyncpg.connect(database_url)
    stored = await read_head(db)
    await db.close(timeout=5)
    assert stored is not None
    assert stored.number == head


async def test_without_a_chain_it_does_not_start() -> None:
    """The setting that is missing is named; so is a launchpad that makes no sense."""
    with pytest.raises(ConfigError, match="OUTCRY_CHAIN_RPC_URLS"):
        await run_role("indexer", Settings(), asyncio.Event())
    settings = Settings(chain_rpc_urls=["http://127.0.0.1:1"], launchpads=["nobody@0x1"])
    with pytest.raises(ConfigError, match="nobody@0x1"):
        await run_role("indexer", settings, asyncio.Event())
