"""Nodes that are stingy, late or away: the fold is the canonical chain all the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from foldkit import Fold, Market, anvil, chain, eventful, fold_all, session, source_of
from nodekit import Anvil, Chain
from openoutcry.adapters import tasks
from openoutcry.adapters.chain.nodes import NodeRules, Nodes, make_callers
from openoutcry.adapters.chain.rpc import RpcLimits
from openoutcry.adapters.chain.subscription import HeadSubscription
from openoutcry.core.chain import descriptions
from openoutcry.core.chain.builtin import BUILTIN
from openoutcry.core.chain.follow import Rules
from openoutcry.core.chain.launchpads import Decoder
from openoutcry.core.chain.ranges import Span
from openoutcry.errors import NodeNonsenseError, TooMuchAskedError
from openoutcry.services.chain_source import ChainSource
from openoutcry.tokens import Header

__all__ = ["anvil", "chain", "session"]

OFTEN = RpcLimits(timeout=10.0, retries=0)


class Stingy:
    """A node that answers no range of more than a few blocks, and no logs of more than one block."""

    def __init__(self, nodes: Nodes, most: int) -> None:
        self._nodes = nodes
        self._most = most
        self.refusals = 0
        self.ranges = 0

    async def head(self) -> Header:
        return await self._nodes.head()

    async def ask(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        by_hash = [one for one in calls if one[0] == "eth_getLogs" and "blockHash" in one[1][0]]
        for method, params in calls:
            if method == "eth_getLogs" and "fromBlock" in params[0]:
                self.ranges += 1
                if int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1 > self._most:
                    self.refusals += 1
                    raise TooMuchAskedError("too many results", -32005)
        if len(by_hash) > 1:
            self.refusals += 1
            raise TooMuchAskedError("response too large", -32003)
        return await self._nodes.ask(calls)


async def test_a_node_that_gives_little_is_asked_for_little(
    anvil: Anvil, chain: Chain, session: aiohttp.ClientSession
) -> None:
    """Ranges shrink until they are answered, and everything still comes once."""
    market = await Market.open(chain, tokens=1)
    await market.create(market.tokens[0])
    for amount in range(1, 30):
        await market.trade(market.tokens[0], amount)
        await chain.mine()
    stingy = Stingy(Nodes(make_callers(session, [anvil.url])), most=3)
    fold = Fold()
    source = ChainSource(stingy, market.decoder, Rules(depth=5), span=Span(500, 500))
    await fold_all(source, fold)
    assert eventful(fold.blocks) == eventful(await market.canonical())
    assert stingy.refusals >= 8
    assert stingy.ranges >= 8


class Patchy:
    """A node behind whose address one machine lags: it has no logs, and not the block either."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self.lags = True

    async def head(self) -> Header:
        return await self._nodes.head()

    async def ask(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        found = await self._nodes.ask(calls)
        if self.lags and any(method == "eth_getLogs" for method, _ in calls):
            return [[] if method == "eth_getLogs" else None for method, _ in calls]
        return found


async def test_logs_that_a_lagging_machine_lacks_are_not_lost(
    anvil: Anvil, chain: Chain, session: aiohttp.ClientSession
) -> None:
    """No logs is believed only of somebody who has the block."""
    market = await Market.open(chain, tokens=1)
    await market.create(market.tokens[0])
    await market.trade(market.tokens[0], 5)
    await chain.mine()
    patchy, fold = Patchy(Nodes(make_callers(session, [anvil.url]))), Fold()
    source = ChainSource(patchy, market.decoder, Rules())
    with pytest.raises(NodeNonsenseError, match="does not have block"):
        await fold_all(source, fold)
    patchy.lags = False
    await fold_all(source, fold)
    assert fold.blocks == await market.canonical()


async def test_a_node_that_dies_and_comes_back_is_followed_on(
    anvil: Anvil, chain: Chain, session: aiohttp.ClientSession
) -> None:
    """Trades, reorgs and restarts at random, live: in the end the fold is the canonical chain."""
    market = await Market.open(chain, tokens=4)
    draw = random.Random(5)
    nodes = Nodes(
        make_callers(session, [anvil.url], OFTEN), rules=NodeRules(rest=0.05, rest_wrong=0.05)
    )
    fold, stop = Fold(), asyncio.Event()
    source = source_of(market, nodes)
    subscription = HeadSubscription(session, [anvil.ws_url], source.wake)

    async def follow() -> None:
        async for step in source.steps(stop):
            fold.take(step)

    running = [asyncio.create_task(follow()), asyncio.create_task(subscription.run(stop))]
    mined = 0
    for round_ in range(40):
        if round_ < 4:
            await market.create(market.tokens[round_])
        await market.trade(market.tokens[draw.randrange(4)], 1 + round_)
        await chain.mine()
        mined += 1
        if mined > 5 and draw.random() < 0.3:
            await chain.reorganise(draw.randint(1, 5))
        if round_ in (13, 27):
            anvil.stop()
            await asyncio.sleep(0.3)
            await anvil.start()
            mined = 0  # it cannot take back what it had before
        await asyncio.sleep(draw.choice([0, 0.02, 0.1]))
    head = int(await chain.do("eth_blockNumber"), 16)
    async with asyncio.timeout(30):
        while source.progress.number < head or not fold.blocks:
            await asyncio.sleep(0.05)
    canonical = await market.canonical()
    async with asyncio.timeout(30):
        while fold.blocks != canonical:
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait(running, timeout=20)
    await tasks.end(*running)
    assert fold.undone > 0
    assert subscription.heads > 0


class Tardy:
    """A node that tells of a head a moment before it answers with it."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self.before: Header | None = None

    async def head(self) -> Header:
        before, self.before = self.before, None
        return before or await self._nodes.head()

    async def ask(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        return await self._nodes.ask(calls)


async def test_news_that_come_before_the_block_are_not_lost(
    anvil: Anvil, chain: Chain, session: aiohttp.ClientSession
) -> None:
    """Whoever is woken and finds nothing looks again at once, not at the next poll."""
    market = await Market.open(chain, tokens=1)
    tardy, fold, stop = Tardy(Nodes(make_callers(session, [anvil.url]))), Fold(), asyncio.Event()
    source = ChainSource(tardy, market.decoder, Rules(), poll_seconds=3600)

    async def follow() -> None:
        async for step in source.steps(stop):
            fold.take(step)

    async def reached(number: int) -> None:
        async with asyncio.timeout(30):
            while not fold.blocks or fold.blocks[-1].header.number < number:
                await asyncio.sleep(0.01)

    running = asyncio.create_task(follow())
    tardy_head = await tardy.head()
    await reached(tardy_head.number)
    await asyncio.sleep(0.2)  # it has found nothing more, and waits
    tardy.before = tardy_head
    await chain.mine()
    source.wake()
    await reached(tardy_head.number + 1)
    stop.set()
    await tasks.end(running)


async def test_it_says_what_keeps_it(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    """A node that is not there is asked again and again; why is told, without the URL's path."""
    away = Anvil(tmp_path)
    pad = descriptions.parse(BUILTIN["outcry"], "outcry", ("0x" + "11" * 20,))
    nodes = Nodes(make_callers(session, [away.url + "/secret-key"], OFTEN))
    source = ChainSource(nodes, Decoder([pad]), Rules())
    stop = asyncio.Event()

    async def follow() -> None:
        async for _ in source.steps(stop):
            pass

    task = asyncio.create_task(follow())
    async with asyncio.timeout(20):
        while not source.reason:
            await asyncio.sleep(0.01)
    assert "no node can be used" in source.reason
    assert "secret-key" not in source.reason
    stop.set()
    await task
