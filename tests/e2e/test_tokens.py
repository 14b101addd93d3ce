"""A launchpad is traded on while chain, line, indexers and store fail; all figures are right.

`OUTCRY_TEST_TOKEN_TRADES=5000` is the whole size: 5,000 trades by 200 accounts over 50 tokens.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from chainkit import Gate
from openoutcry.adapters.postgres import token_store
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.token_compare import rebuild_and_compare
from openoutcry.config import Settings
from openoutcry.sandbox.anvil import Anvil, Options
from openoutcry.sandbox.contracts import Contracts
from openoutcry.sandbox.launchpad import Launchpad, accounts, deploy
from openoutcry.sandbox.node import Node, connect, show
from openoutcry.sandbox.token_crowd import listing
from openoutcry.sandbox.token_market import TokenMarket

from .system import System, eventually
from .truth import of_chain, of_store, trades_on

TRADES = int(os.environ.get("OUTCRY_TEST_TOKEN_TRADES", "300"))
ACCOUNTS = max(20, TRADES // 25)
TOKENS = max(5, TRADES // 100)
MOVES = 15
"""What the crowd does in each block, about."""
DAYS = 8
OFTEN = {"reorganise": 5, "cut": 3, "kill": 3, "kill_store": 1}
"""How often each thing goes wrong at least."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


class Chaos:
    """Lets a crowd trade, block by block over eight days, and things go wrong in between."""

    def __init__(
        self,
        launchpad: Launchpad,
        gate: Gate,
        system: System,
        store: asyncpg.Connection,
        seed: int,
    ) -> None:
        self.done: Counter[str] = Counter()
        self.market = TokenMarket(launchpad, seed=seed, tokens=TOKENS, traders=ACCOUNTS)
        self._launchpad = launchpad
        self._node = launchpad.node
        self._gate = gate
        self._system = system
        self.store = store
        self._random = random.Random(seed)
        self._depths = itertools.cycle(self._random.sample(range(1, 6), 5))
        self._share = 0.0

    async def open(self) -> None:
        """Create the tokens, deep enough that no reorganisation reaches them."""
        await self.market.open()
        await self._node.mine_on_demand()
        for _ in range(6):
            await self.mine()

    async def mine(self) -> None:
        """Mine a block, as far on in the eight days as the trades are."""
        newest = await self._node.ask("eth_getBlockByNumber", "latest", False)
        planned = int(time.time()) - 60 - int((1 - self._share) * DAYS * 86_400)
        await self._node.next_block_at(max(int(newest["timestamp"], 16) + 1, planned))
        await self._node.mine()

    async def trade(self) -> None:
        """Let the crowd move, for a few blocks."""
        for _ in range(self._random.randrange(1, 4)):
            await self.market.play(self._random.randrange(1, 2 * MOVES))
            await self.mine()

    async def reorganise(self) -> None:
        """Replace the newest blocks, or take them away; a token that was made there is gone too."""
        depth = next(self._depths)
        each, creator = listing(900 + self.done["reorganise"], 0), self.market.traders[0]
        await self._node.send(self._launchpad.create(creator, each.name, each.symbol, each.terms))
        for _ in range(depth):
            await self.market.play(5)
            await self.mine()
        kept = await self._launchpad.tokens(await self._node.head() - depth)
        if {stall.token for stall in self.market.stalls} <= set(kept):
            if self.done["reorganise"] % 2:
                await asyncio.sleep(self._random.uniform(0, 0.5))  # in the middle of something
            else:
                await self.stored()
            await (self._node.reorg if self._random.random() < 0.7 else self._node.rollback)(depth)
            self.done["reorganise"] += 1

    async def stored(self) -> None:
        """Wait until the newest block is stored."""
        head = await self._node.head()
        await eventually(
            f"block {head} is stored", lambda: head_reached(self.store, self._node, head), 120
        )

    async def cut(self) -> None:
        """Drop the line to the node for a while."""
        await self._gate.cut()
        await asyncio.sleep(self._random.uniform(0.1, 1.0))
        await self.trade()
        await self._gate.open()
        self.done["cut"] += 1

    async def kill(self) -> None:
        """Kill one of the two indexers, whichever is at work, and start it again."""
        self._system.restart(self._random.choice(["indexer", "indexer2"]))
        self.done["kill"] += 1

    async def kill_store(self) -> None:
        """Kill PostgreSQL, and start it again."""
        self._system.engines.kill_postgres()
        await self.trade()
        await self._system.engines.restart_postgres()
        self.store = await dial(self._system.database_url, application_name="test")
        self.done["kill_store"] += 1

    async def run(self) -> None:
        """Go on until there are enough trades, and each thing has gone wrong several times."""
        wrongs = [self.reorganise, self.cut, self.kill, self.kill_store]
        while self._share < 1 or any(self.done[kind] < often for kind, often in OFTEN.items()):
            await self.trade()
            self._share = min(1.0, await trades_on(self._node) / TRADES)
            wanted = [one for one in wrongs if self.done[one.__name__] < OFTEN[one.__name__]]
            await self._random.choice(wanted or wrongs)()


@asynccontextmanager
async def chain_of(program: Path, folder: Path) -> AsyncIterator[tuple[Node, Gate]]:
    """A chain that began nine days ago, and a line to it that can be cut."""
    began = int(time.time()) - (DAYS + 1) * 86_400
    anvil = Anvil(program, Options(genesis_time=began), folder / "anvil.log")
    await anvil.start()
    gate = Gate(anvil.port)
    await gate.open()
    try:
        async with connect(anvil.url) as node:
            yield node, gate
    finally:
        await gate.cut()
        anvil.kill()


def settings_of(gate: Gate, launchpad: Launchpad) -> Settings:
    return Settings(
        chain_rpc_urls=[gate.ws_url, gate.url],
        chain_poll_seconds=0.5,
        launchpads=[f"outcry@{show(launchpad.address)}"],
    )


async def head_reached(connection: asyncpg.Connection, node: Node, head: int) -> bool:
    """Whether the store stands at the node's block `head`."""
    there = await node.ask("eth_getBlockByNumber", hex(head), False)
    stored = await token_store.read_head(connection)
    return stored is not None and show(stored.hash) == there["hash"]


async def test_all_figures_are_those_of_the_contracts(
    anvil_program: Path, contracts: Contracts, tmp_path: Path
) -> None:
    """Reorgs of depth 1 to 5, lines that drop, indexers and PostgreSQL killed: nothing lost or doubled.

    Volumes, balances, holder counts, supplies, market caps: every token, every holder, to the wei. What
    the log says, made anew, is what was there.
    """
    began = time.monotonic()
    async with chain_of(anvil_program, tmp_path) as (node, gate):
        [owner] = accounts(1, seed=0)
        launchpad = await deploy(node, contracts, owner)
        async with System(settings_of(gate, launchpad), tmp_path) as system:
            connection = await dial(system.database_url, application_name="test")
            chaos = Chaos(launchpad, gate, system, connection, seed=9)
            system.start("indexer", "indexer2")
            await chaos.open()
            await chaos.run()
            await chaos.mine()
            head, worked = await node.head(), time.monotonic() - began
            await chaos.stored()
            await connection.close(timeout=5)
            connection = chaos.store
            now = time.time_ns() // 1000
            truth = await of_chain(launchpad, chaos.market.traders, head, now)
            said = await of_store(connection, list(truth), now)
            assert said.keys() == truth.keys()
            for token, right in truth.items():
                assert said[token] == right, show(token)
            total = sum(each.trades for each in truth.values())
            assert total >= TRADES
            assert len(truth) >= TOKENS
            days = [each.volumes for each in truth.values()]
            assert 0 < sum(one.day for one in days) < sum(one.week for one in days)
            assert sum(one.week for one in days) < sum(one.total for one in days)
            known = await connection.fetchval(
                "SELECT count(*) FROM token_figures WHERE trades > 0 OR holders > 0"
            )
            assert known == sum(each.trades > 0 or each.holders > 0 for each in truth.values())
            compared = await rebuild_and_compare(connection, lambda *_: None, keep=False)
            assert [each.table for each in compared if not each.same] == []
            undone = sum(
                system.log(name).count("the chain has taken blocks back")
                for name in ("indexer", "indexer2")
            )
            assert undone > 0
            await connection.close(timeout=5)
    holders = sum(each.holders for each in truth.values())
    sys.stdout.write(
        f"{total} trades of {len(truth)} tokens by {ACCOUNTS} accounts, {holders} holders,"
        f" block {head}; {dict(chaos.done)}, {undone} times blocks were undone;"
        f" {worked:.0f} s, compared after {time.monotonic() - began:.0f} s\n"
    )
