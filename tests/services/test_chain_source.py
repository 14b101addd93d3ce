"""The chain as steps, against a real node: whatever it takes back, the fold is the canonical chain."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from eth_abi import abi as eth_abi

from nodekit import ANVIL, Anvil, Chain, repeated, repeater, topic, words
from openoutcry.adapters import tasks
from openoutcry.adapters.chain.nodes import NodeRules, Nodes, make_callers
from openoutcry.adapters.chain.rpc import HttpRpc, RpcLimits
from openoutcry.adapters.chain.subscription import HeadSubscription
from openoutcry.core.chain import descriptions, hexes, node_shapes
from openoutcry.core.chain.builtin import BUILTIN
from openoutcry.core.chain.follow import Rules
from openoutcry.core.chain.launchpads import TRANSFER, Decoder, Followed
from openoutcry.core.chain.ranges import Span
from openoutcry.core.chain.steps import Progress, Step, Undo
from openoutcry.errors import NodeNonsenseError, ReorgTooDeepError, TooMuchAskedError
from openoutcry.services.chain_source import ChainSource
from openoutcry.tokens import Block, Header, TokenCreated, TokenEvent, TokenTrade, TokenTransfer

pytestmark = pytest.mark.skipif(not Path(ANVIL).is_file(), reason="anvil is not here")

TRADER = b"\x77" * 20
OFTEN = RpcLimits(timeout=10.0, retries=0)


@pytest.fixture
async def anvil(tmp_path: Path) -> AsyncIterator[Anvil]:
    """A node with an empty chain that makes blocks when it is told to."""
    running = Anvil(tmp_path)
    await running.start()
    yield running
    running.kill()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """HTTP connections."""
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def chain(anvil: Anvil, session: aiohttp.ClientSession) -> Chain:
    """What the test does to the chain."""
    return Chain(HttpRpc(session, anvil.url))


class Market:
    """A launchpad that says what the test makes it say: a factory and tokens that repeat logs."""

    def __init__(self, chain: Chain, factory: bytes, tokens: list[bytes]) -> None:
        self.chain = chain
        self.factory = factory
        self.tokens = tokens
        pad = descriptions.parse(BUILTIN["outcry"], "outcry", (hexes.show(factory),))
        self.topics = {rule.event.name: rule.event.topic for rule in pad.rules}
        self.decoder = Decoder([pad])

    @classmethod
    async def open(cls, chain: Chain, tokens: int = 3) -> Market:
        """Deploy it, in one block for each contract."""
        found = [await chain.deploy(repeater()) for _ in range(1 + tokens)]
        return cls(chain, found[0], found[1:])

    async def create(self, token: bytes) -> None:
        data = eth_abi.encode(["string", "string", "uint8", "uint256"], ["Name", "SYM", 1, 10**18])
        topics = [self.topics["TokenCreated"], topic(token), topic(TRADER)]
        await self.chain.send(token, repeated([TRANSFER, topic(bytes(20)), topic(token)], words(9)))
        await self.chain.send(self.factory, repeated(topics, data))

    async def trade(self, token: bytes, amount: int) -> None:
        name = "Buy" if amount % 3 else "Sell"
        topics = [self.topics[name], topic(token), topic(TRADER)]
        await self.chain.send(token, repeated(topics, words(amount, 2 * amount, 5, 6, 7)))
        await self.chain.send(
            token, repeated([TRANSFER, topic(TRADER), topic(token)], words(amount))
        )

    async def canonical(self) -> list[Block]:
        """All blocks as the node has them now, block by block, without ranges or hashes."""
        number = int(await self.chain.do("eth_blockNumber"), 16)
        blocks: list[Block] = []
        followed: dict[bytes, Followed] = {}
        for one in range(number + 1):
            header = node_shapes.read_header(
                await self.chain.do("eth_getBlockByNumber", hex(one), False)
            )
            assert header is not None
            logs = node_shapes.read_logs(
                await self.chain.do("eth_getLogs", {"fromBlock": hex(one), "toBlock": hex(one)})
            )
            decoded = self.decoder.decode(logs, followed)
            followed |= decoded.seen
            blocks.append(Block(header, tuple(decoded.events.get(header.hash, ()))))
        return blocks


class Fold:
    """What a store makes of the steps; each block has to follow the one before."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.undone = 0

    def take(self, step: Step) -> None:
        if isinstance(step, Undo):
            gone = [one.header for one in self.blocks if one.header.number > step.to]
            assert list(step.headers) == gone[-len(step.headers) :]
            assert gone
            self.undone += len(gone)
            self.blocks = [one for one in self.blocks if one.header.number <= step.to]
            return
        for block in step.blocks:
            if self.blocks:
                assert block.header.number > self.blocks[-1].header.number
                if block.header.number == self.blocks[-1].header.number + 1:
                    assert block.header.parent == self.blocks[-1].header.hash
            self.blocks.append(block)

    @property
    def headers(self) -> list[Header]:
        return [one.header for one in self.blocks]

    @property
    def followed(self) -> dict[bytes, Followed]:
        """What a store knows of tokens."""
        return {
            event.token: Followed(event.launchpad, event.decimals, block.header.number)
            for block in self.blocks
            for event in block.events
            if isinstance(event, TokenCreated)
        }


def eventful(blocks: Sequence[Block]) -> list[tuple[Header, tuple[TokenEvent, ...]]]:
    return [(one.header, one.events) for one in blocks if one.events]


async def fold_all(source: ChainSource, fold: Fold) -> None:
    """Fold steps until there are none."""
    while (step := await source.next()) is not None:
        fold.take(step)


def source_of(
    market: Market, nodes: Nodes, fold: Fold | None = None, **changes: Any
) -> ChainSource:
    """Return a source that goes on from what is folded."""
    known = fold or Fold()
    rules = changes.pop("rules", Rules(depth=64))
    return ChainSource(
        nodes, market.decoder, rules, headers=known.headers[-65:], followed=known.followed,
        poll_seconds=0.05, **changes,
    )  # fmt: skip


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
