"""The chain as steps, against a real node: whatever it takes back, the fold is the canonical chain."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from foldkit import Fold, Market, anvil, chain, eventful, fold_all, session, source_of
from nodekit import Anvil, Chain
from openoutcry.adapters import tasks
from openoutcry.adapters.chain.nodes import Nodes, make_callers
from openoutcry.adapters.chain.subscription import HeadSubscription
from openoutcry.core.chain.follow import Rules
from openoutcry.core.chain.launchpads import Followed
from openoutcry.core.chain.ranges import Span
from openoutcry.core.chain.steps import Progress
from openoutcry.errors import ReorgTooDeepError
from openoutcry.services.chain_source import ChainSource
from openoutcry.tokens import TokenCreated, TokenTrade, TokenTransfer

__all__ = ["anvil", "chain", "session"]


async def test_catching_up_gives_every_log_once(
    anvil: Anvil, chain: Chain, session: aiohttp.ClientSession
) -> None:
    """Old blocks come by ranges, new ones one by one; both have just what the node has."""
    market = await Market.open(chain)
    for number, token in enumerate(market.tokens * 5):
        if number < len(market.tokens):
            await market.create(token)
        await market.trade(token, number + 1)
        await chain.mine(1 + number % 3)
    nodes = Nodes(make_callers(session, [anvil.url]))
    fold = Fold()
    source = source_of(market, nodes, rules=Rules(depth=8), span=Span(4, 10))
    await fold_all(source, fold)
    canonical = await market.canonical()
    assert eventful(fold.blocks) == eventful(canonical)
    assert fold.blocks[-9:] == canonical[-9:]
    assert len(fold.blocks) < len(canonical), "old blocks without logs were fetched one by one"
    kinds = [type(event) for block in fold.blocks for event in block.events]
    assert kinds.count(TokenCreated) == 3
    assert kinds.count(TokenTrade) == 15
    assert kinds.count(TokenTransfer) == 18
    assert source.progress.number == source.progress.target == canonical[-1].header.number
    assert not source.refused


def test_the_time_left_follows_from_the_pace() -> None:
    """Half of the way in 10 s leaves 10 s; before the first step nobody knows."""
    progress = Progress(number=99, target=199, first=-1, began=50.0, span=500)
    assert progress.eta(60.0) == 10.0
    progress.number = -1
    assert progress.eta(60.0) is None
    progress.number = progress.target
    assert progress.eta(60.0) == 0.0


async def test_reorgs_of_any_depth_are_undone(
    anvil: Anvil, chain: Chain, session: aiohttp.ClientSession
) -> None:
    """Depths 1 to 5, with trades before and after, and tokens that were never made after all."""
    market = await Market.open(chain, tokens=6)
    await chain.mine(3)
    nodes = Nodes(make_callers(session, [anvil.url]))
    fold = Fold()
    source = source_of(market, nodes)
    await fold_all(source, fold)
    for depth in (1, 2, 3, 4, 5):
        token = market.tokens[depth]
        await market.create(token)
        for amount in range(1, depth + 1):
            await market.trade(token, amount)
            await chain.mine()
            await fold_all(source, fold)
        await chain.reorganise(depth)
        if depth % 2:
            await market.create(token)
            await market.trade(token, 100 + depth)
            await chain.mine()
        await fold_all(source, fold)
        assert fold.blocks == await market.canonical()
    assert fold.undone == 15
    amounts = {
        event.eth
        for block in fold.blocks
        for event in block.events
        if isinstance(event, TokenTrade)
    }
    assert amounts == {101, 103, 105}


async def test_confirmations_keep_reorgs_out(
    anvil: Anvil, chain: Chain, session: aiohttp.ClientSession
) -> None:
    """With 4 confirmations, a reorg of 3 blocks undoes nothing."""
    market = await Market.open(chain, tokens=1)
    await market.create(market.tokens[0])
    await chain.mine(6)
    nodes = Nodes(make_callers(session, [anvil.url]))
    fold = Fold()
    source = source_of(market, nodes, rules=Rules(confirmations=4, depth=64))
    await fold_all(source, fold)
    await chain.reorganise(3)
    await chain.mine(2)
    await fold_all(source, fold)
    assert fold.undone == 0
    assert fold.blocks == (await market.canonical())[:-3]


async def test_more_than_was_remembered_cannot_be_undone(
    anvil: Anvil, chain: Chain, session: aiohttp.ClientSession
) -> None:
    """A reorg deeper than the depth is told, instead of a store that is quietly wrong."""
    market = await Market.open(chain, tokens=1)
    await chain.mine(12)
    nodes = Nodes(make_callers(session, [anvil.url]))
    source = source_of(market, nodes, rules=Rules(depth=2))
    await fold_all(source, Fold())
    await chain.reorganise(6)
    await chain.mine()
    with pytest.raises(ReorgTooDeepError, match="rebuild"):
        await source.next()


async def test_a_source_goes_on_where_another_was_dropped(
    anvil: Anvil, chain: Chain, session: aiohttp.ClientSession
) -> None:
    """After any step a new source is made of what was folded, also of a chain that has changed."""
    market = await Market.open(chain, tokens=2)
    nodes = Nodes(make_callers(session, [anvil.url]))
    fold = Fold()
    for round_ in range(8):
        if round_ < 2:
            await market.create(market.tokens[round_])
        await market.trade(market.tokens[round_ % 2], 1 + round_)
        await chain.mine(2)
        if round_ in (3, 6):
            await chain.reorganise(3)
        for _ in range(1 + round_ % 2):
            if (step := await source_of(market, nodes, fold).next()) is not None:
                fold.take(step)
    await fold_all(source_of(market, nodes, fold), fold)
    assert fold.blocks == await market.canonical()
    assert fold.undone > 0


async def test_more_tokens_than_fit_in_a_question(
    anvil: Anvil, chain: Chain, session: aiohttp.ClientSession
) -> None:
    """With many tokens, ranges ask for them in portions, single blocks for everybody's logs."""
    market = await Market.open(chain, tokens=1)
    await market.create(market.tokens[0])
    await chain.mine()
    for amount in range(1, 12):
        await market.trade(market.tokens[0], amount)
        await chain.mine()
    strangers = {number.to_bytes(20, "big"): Followed("outcry", 18, 0) for number in range(1, 1200)}
    fold = Fold()
    source = ChainSource(
        Nodes(make_callers(session, [anvil.url])), market.decoder, Rules(depth=5),
        followed=strangers, span=Span(4, 4),
    )  # fmt: skip
    await fold_all(source, fold)
    assert eventful(fold.blocks) == eventful(await market.canonical())


async def test_a_head_that_is_told_wakes_it_up(
    anvil: Anvil, chain: Chain, session: aiohttp.ClientSession
) -> None:
    """With a poll an hour away, a subscription brings each block at once."""
    market = await Market.open(chain, tokens=1)
    source = ChainSource(
        Nodes(make_callers(session, [anvil.ws_url])), market.decoder, Rules(), poll_seconds=3600
    )
    stop, fold = asyncio.Event(), Fold()
    subscription = HeadSubscription(session, [anvil.ws_url], source.wake)

    async def follow() -> None:
        async for step in source.steps(stop):
            fold.take(step)

    running = [asyncio.create_task(follow()), asyncio.create_task(subscription.run(stop))]
    async with asyncio.timeout(20):
        while not subscription.connected or source.progress.number < 1:
            await asyncio.sleep(0.02)
        for _ in range(3):
            await chain.mine()
            head = int(await chain.do("eth_blockNumber"), 16)
            while not fold.blocks or fold.blocks[-1].header.number < head:
                await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait(running, timeout=20)
    await tasks.end(*running)
