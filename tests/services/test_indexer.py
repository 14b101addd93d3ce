"""The indexer on a real chain and a real store: one at work, nothing lost, nothing hidden."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import asyncpg
import pytest
from redis.exceptions import ConnectionError as ValkeyConnectionError

from chainkit import Gate
from openoutcry.adapters.chain.nodes import Identity, NodeRules, Nodes, make_callers
from openoutcry.adapters.chain.rpc import RpcLimits
from openoutcry.adapters.postgres import token_index, token_reader, token_store
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.token_store import LOCK, Stored, bind_chain
from openoutcry.adapters.tasks import end
from openoutcry.core.chain.follow import Rules
from openoutcry.core.chain.steps import Apply
from openoutcry.errors import ConfigError
from openoutcry.sandbox.anvil import Anvil
from openoutcry.sandbox.launchpad import Launchpad
from openoutcry.sandbox.node import show
from openoutcry.sandbox.token_market import TokenMarket
from openoutcry.services import launchpads
from openoutcry.services.indexer import Indexer, portions
from openoutcry.services.indexer_news import News
from openoutcry.services.indexer_stats import figures
from tokenkit import block, trade


class Heard:
    """News that are kept; the first ones fail if told so."""

    def __init__(self, failing: int = 0) -> None:
        self.told: list[Stored] = []
        self._failing = failing

    async def tell(self, stored: Stored) -> None:
        if self._failing:
            self._failing -= 1
            raise ValkeyConnectionError("away")
        self.told.append(stored)

    @property
    def trades(self) -> int:
        return sum(len(stored.trades) for stored in self.told)


class Bench:
    """A launchpad with a market, a store, and as many indexers as a test wants."""

    def __init__(self, database_url: str, launchpad: Launchpad, gate: Gate) -> None:
        self.database_url = database_url
        self.launchpad = launchpad
        self.node = launchpad.node
        self.gate = gate
        self.market = TokenMarket(launchpad, seed=3, tokens=3, traders=8)
        self.running: list[asyncio.Task[None]] = []

    async def dial(self) -> asyncpg.Connection:
        return await dial(self.database_url, application_name="test indexer")

    @asynccontextmanager
    async def indexer(
        self, news: News | None = None, *, depth: int = 64, url: str = ""
    ) -> AsyncIterator[Indexer]:
        """Run an indexer beside the test; what ends it by itself is raised."""
        stop = asyncio.Event()
        async with aiohttp.ClientSession() as session:
            limits = RpcLimits(timeout=5.0, retries=0)

            def nodes(identity: Identity | None) -> Nodes:
                callers = make_callers(session, [url or self.gate.url], limits)
                rules = NodeRules(rest=0.05, rest_wrong=0.05)
                return Nodes(callers, identity=identity, rules=rules)

            made = Indexer(
                self.dial,
                nodes,
                launchpads.load([f"outcry@{show(self.launchpad.address)}"]),
                Rules(depth=depth),
                news=news,
                poll_seconds=0.05,
            )
            running = asyncio.create_task(made.run(stop))
            windows = asyncio.create_task(made.run_windows(stop))
            self.running.append(running)
            try:
                yield made
                stop.set()
                await asyncio.wait_for(running, 30)
            finally:
                await end(running, windows)

    async def trade(self, blocks: int = 2) -> None:
        """Let the market move, so many blocks long."""
        for _ in range(blocks):
            await self.market.play(8)
            await self.node.mine()


@pytest.fixture
async def bench(database_url: str, launchpad: Launchpad, anvil: Anvil) -> AsyncIterator[Bench]:
    """A market that is open, on a chain that makes blocks when it is told to."""
    gate = Gate(anvil.port)
    await gate.open()
    made = Bench(database_url, launchpad, gate)
    await made.market.open()
    await made.node.mine_on_demand()
    yield made
    await gate.cut()


async def until(check: Any, what: str, seconds: float = 60.0) -> None:
    """Wait until a check, maybe a coroutine function, is true."""
    async with asyncio.timeout(seconds):
        while True:
            found = check()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.05)
    raise AssertionError(what)


async def same_head(bench: Bench, db: asyncpg.Connection) -> bool:
    """Whether the store stands where the chain does."""
    head = await bench.node.ask("eth_getBlockByNumber", "latest", False)
    stored = await token_store.read_head(db)
    return stored is not None and show(stored.hash) == head["hash"]


async def volumes(bench: Bench, store: asyncpg.Connection) -> dict[bytes, int]:
    """Return the total volume of each token, by the store."""
    tokens = await bench.launchpad.tokens()
    found = await token_reader.read_tokens(store, tokens, 4 * 10**15)
    return {token: one.volumes.total for token, one in found.items()}


async def chain_volumes(bench: Bench) -> dict[bytes, int]:
    """Return the same by the chain's logs."""
    # Imported here: the whole-system tests' own helper.
    from e2e.truth import of_chain

    truth = await of_chain(
        bench.launchpad, bench.market.traders, await bench.node.head(), 4 * 10**15
    )
    return {token: one.volumes.total for token, one in truth.items()}


async def test_it_follows_and_tells(bench: Bench, db: asyncpg.Connection) -> None:
    """Blocks are stored as they come, each commit is told; figures say block, lag and node.

    News that cannot be told cost nothing but themselves.
    """
    news = Heard(failing=1)
    async with bench.indexer(news) as indexer:
        await until(partial(same_head, bench, db), "the past is stored")
        await bench.trade(3)
        await until(partial(same_head, bench, db), "the present is stored")
        assert indexer.stats.untold == 1
        counters, gauges, _ = figures(indexer.stats, indexer.watch, indexer.source)
        assert gauges["block"] == await bench.node.head()
        assert gauges["owned"] == 1
        assert gauges["lag_blocks"] == gauges["lag_seconds"] == 0
        assert counters["trades"] == await db.fetchval("SELECT count(*) FROM token_trades")
        assert indexer.notes() == {"node": bench.gate.url}
    assert news.trades == counters["trades"] > 10
    store = await bench.dial()
    assert await volumes(bench, store) == await chain_volumes(bench)
    await store.close()


async def test_reorgs_are_undone_and_counted(bench: Bench, db: asyncpg.Connection) -> None:
    """Blocks that are replaced cease to count; the figures say how many."""
    news = Heard()
    async with bench.indexer(news) as indexer:
        await bench.trade(4)
        await until(partial(same_head, bench, db), "stored")
        await bench.node.reorg(3)
        await bench.trade(1)
        await until(partial(same_head, bench, db), "stored after the reorg")
        assert (indexer.stats.reorgs, indexer.stats.undone) == (1, 3)
    assert sum(len(stored.undone) for stored in news.told) == 3
    store = await bench.dial()
    assert await volumes(bench, store) == await chain_volumes(bench)
    await store.close()


async def test_another_takes_over(bench: Bench, db: asyncpg.Connection) -> None:
    """One is at work; when its connection ends, the other goes on within seconds, without a gap."""
    async with bench.indexer() as first:
        await until(lambda: first.stats.owned, "the first is at work")
        async with bench.indexer() as second:
            await until(partial(same_head, bench, db), "stored")
            await asyncio.sleep(1.0)
            assert not second.stats.owned
            assert second.progress is None
            assert second.notes() == {"state": "standing by"}
            owner = await db.fetchval(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2"
                " AND classid = $1 AND objid = 1",
                LOCK,
            )
            await db.execute("SELECT pg_terminate_backend($1)", owner)
            await bench.trade(2)
            await until(partial(same_head, bench, db), "stored by whoever has taken over")
            # The one whose connection was ended may learn of it later than the other takes over.
            await until(lambda: first.stats.owned + second.stats.owned == 1, "one is at work")


async def test_it_waits_for_somebody_who_rebuilds(bench: Bench, db: asyncpg.Connection) -> None:
    """While another holds the writer's lock for long, it stands by its work and then goes on."""
    async with bench.indexer() as indexer:
        await until(partial(same_head, bench, db), "stored")
        async with db.transaction():
            await db.execute("SELECT pg_advisory_xact_lock($1, 0)", LOCK)
            await bench.trade(1)
            await until(lambda: indexer.stats.waits >= 1, "it waits")
        await until(partial(same_head, bench, db), "stored when the lock is free")
        assert indexer.stats.interrupted == 0


async def test_nodes_that_are_away_are_waited_for(bench: Bench, db: asyncpg.Connection) -> None:
    """At the start and in between; the reason is there to be read, and gone when it is over."""
    await bench.gate.cut()
    async with bench.indexer() as indexer:
        await until(lambda: "trouble" in indexer.notes(), "it says that there is no node")
        await bench.gate.open()
        await until(partial(same_head, bench, db), "stored")
        await bench.gate.cut()
        await bench.trade(1)
        await until(lambda: "trouble" in indexer.notes(), "it says that the node has gone")
        await bench.gate.open()
        await until(partial(same_head, bench, db), "stored")
        await until(lambda: indexer.notes().keys() == {"node"}, "no trouble is left")


async def test_a_chain_that_is_not_the_stored_one_is_refused(
    bench: Bench, db: asyncpg.Connection
) -> None:
    """Another first block is another chain: nothing of it gets into this store."""
    store = await bench.dial()
    await bind_chain(store, 31_337, b"\7" * 32)
    with pytest.raises(ConfigError, match=r"another chain.*database of its own"):
        async with bench.indexer():
            await until(bench.running[0].done, "it has ended")
    assert await token_store.read_head(db) is None
    await store.close()


async def test_a_reorg_below_what_can_be_undone_stops_it(
    bench: Bench, db: asyncpg.Connection
) -> None:
    """Nothing more is stored, and it says what to do."""
    async with bench.indexer(depth=2) as indexer:
        await bench.trade(6)
        await until(partial(same_head, bench, db), "stored")
        stored = await token_store.read_head(db)
        await bench.node.reorg(5)
        await bench.node.mine()
        await until(lambda: "rebuild" in indexer.notes().get("trouble", ""), "it says so")
        assert await token_store.read_head(db) == stored


async def test_a_store_that_restarts_is_waited_for(bench: Bench, db: asyncpg.Connection) -> None:
    """Connections that are cut in the middle of the work lose nothing."""
    async with bench.indexer() as indexer:
        for _ in range(4):
            await bench.trade(2)
            await db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'test indexer'"
            )
        await bench.trade(1)
        await until(partial(same_head, bench, db), "stored")
        assert indexer.stats.interrupted >= 1
    store = await bench.dial()
    assert await volumes(bench, store) == await chain_volumes(bench)
    assert len(await token_index.read_followed(store)) == 3
    await store.close()


def test_a_step_is_stored_in_portions() -> None:
    """Whole blocks, in order, about so many events at a time; a block that has more goes alone."""
    sizes = [2, 0, 3, 9, 1, 1, 0]
    blocks = tuple(
        block(number, *[trade(index, 1, 2, 5) for index in range(size)])
        for number, size in enumerate(sizes)
    )
    found = list(portions(Apply(blocks), most=5))
    assert [[len(one.events) for one in some] for some in found] == [[2, 0, 3], [9], [1, 1, 0]]
    assert tuple(one for some in found for one in some) == blocks
