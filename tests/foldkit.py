"""What tests of the chain's steps share: a launchpad that says what it is made to, and the fold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from eth_abi import abi as eth_abi

from nodekit import ANVIL, Anvil, Chain, repeated, repeater, topic, words
from openoutcry.adapters.chain.nodes import Nodes
from openoutcry.adapters.chain.rpc import HttpRpc
from openoutcry.core.chain import descriptions, hexes, node_shapes
from openoutcry.core.chain.builtin import BUILTIN
from openoutcry.core.chain.follow import Rules
from openoutcry.core.chain.launchpads import TRANSFER, Decoder, Followed
from openoutcry.core.chain.steps import Step, Undo
from openoutcry.services.chain_source import ChainSource
from openoutcry.tokens import Block, Header, TokenCreated, TokenEvent

TRADER = b"\x77" * 20


@pytest.fixture
async def anvil(tmp_path: Path) -> AsyncIterator[Anvil]:
    """A node with an empty chain that makes blocks when it is told to."""
    if not Path(ANVIL).is_file():
        pytest.skip("anvil is not here")
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
