"""Several nodes as one: who is asked when one fails, lies, stands still or comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from openoutcry.adapters.chain.nodes import Identity, NodeRules, Nodes, is_socket
from openoutcry.core.chain import hexes
from openoutcry.errors import (
    ChainError,
    NodeDeniedError,
    NodeNonsenseError,
    NodeRefusedError,
    NodeUnavailableError,
    WrongChainError,
)

GENESIS = b"\x61" * 32


class Fake:
    """A node that answers as it is told."""

    def __init__(self, name: str, head: int = 100) -> None:
        self.shown = name
        self.head = head
        self.chain = 1
        self.genesis = GENESIS
        self.error: ChainError | None = None
        self.asked: list[str] = []
        self.closed = False

    async def ask(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        self.asked += [method for method, _ in calls]
        if self.error is not None:
            raise self.error
        return [self._answer(*call) for call in calls]

    async def close(self) -> None:
        self.closed = True

    def _answer(self, method: str, params: list[Any]) -> Any:
        match method:
            case "eth_chainId":
                return hex(self.chain)
            case "eth_blockNumber":
                return hex(self.head)
            case "eth_getBlockByNumber":
                number = self.head if params[0] == "latest" else int(params[0], 16)
                block = self.genesis if number == 0 else number.to_bytes(32, "big")
                return {
                    "number": hex(number), "hash": hexes.show(block),
                    "parentHash": hexes.show(bytes(32)), "timestamp": hex(number),
                }  # fmt: skip
        return self.shown


class World:
    """Three nodes and a clock that a test moves."""

    def __init__(self, identity: Identity | None = None) -> None:
        self.now = 1000.0
        self.first, self.second, self.third = Fake("first"), Fake("second"), Fake("third")
        self.nodes = Nodes(
            [self.first, self.second, self.third],
            identity=identity,
            rules=NodeRules(rest=10, rest_wrong=300, still=60, back=60),
            clock=lambda: self.now,
        )

    async def who(self) -> str:
        """Return the name of the node that answers."""
        (found,) = await self.nodes.ask([("who", [])])
        return str(found)


async def test_the_first_is_asked_and_checked_once() -> None:
    """Chain id and genesis come before the first question, and not again."""
    world = World()
    assert [await world.who(), await world.who()] == ["first", "first"]
    assert world.first.asked == ["eth_chainId", "eth_getBlockByNumber", "who", "who"]
    assert world.second.asked == []
    assert await world.nodes.identity() == Identity(1, GENESIS)


@pytest.mark.parametrize(
    "error",
    [NodeUnavailableError("away"), NodeNonsenseError("garbage"), NodeDeniedError("no key")],
)
async def test_another_is_asked_when_one_fails(error: ChainError) -> None:
    """In the same call; the one that failed is left alone for a while, then checked again."""
    world = World()
    await world.who()
    world.first.error = error
    assert await world.who() == "second"
    assert world.nodes.shown == "second"
    assert world.nodes.failovers == 1
    world.first.error = None
    assert await world.who() == "second"
    world.now += 61
    world.first.asked.clear()
    assert await world.who() == "first"
    assert world.first.asked == ["eth_chainId", "eth_getBlockByNumber", "eth_blockNumber", "who"]


async def test_a_refusal_is_an_answer() -> None:
    """Another node would say the same about a wrong question."""
    world = World()
    await world.who()
    world.first.error = NodeRefusedError("reverted", 3)
    with pytest.raises(NodeRefusedError):
        await world.who()
    assert world.second.asked == []


async def test_a_node_that_will_not_tell_its_chain_is_passed_over() -> None:
    """A refusal of that question is no answer: some tell a wrong key this way."""
    world = World()
    world.first.error = NodeRefusedError("invalid key", -32001)
    assert await world.who() == "second"


async def test_a_node_of_another_chain_is_never_believed() -> None:
    """By chain id, or by genesis under the same id; not even when no other node is left."""
    world = World(Identity(1, GENESIS))
    world.first.chain = 5
    world.second.genesis = b"\x62" * 32
    assert await world.who() == "third"
    world.third.error = NodeUnavailableError("away")
    with pytest.raises(NodeUnavailableError, match=r"third|away") as told:
        await world.who()
    assert "follows chain 5" in str(told.value)
    world.third.error = None
    world.third.chain = 7
    with pytest.raises(WrongChainError, match="not chain 1"):
        await world.who()
    assert "who" not in world.first.asked + world.second.asked


async def test_all_away_says_why_of_each_and_goes_on_when_one_is_back() -> None:
    """Nodes that rest are tried all the same when there is no other."""
    world = World()
    for node in (world.first, world.second, world.third):
        node.error = NodeUnavailableError(f"{node.shown} is away")
    with pytest.raises(NodeUnavailableError, match=r"first is away; second .*; third") as told:
        await world.who()
    assert told.value.retry
    world.third.error = None
    assert await world.who() == "third"


async def test_a_head_that_stands_still_while_another_grows_is_left() -> None:
    """Not before the time is up, and not if all stand."""
    world = World()
    assert (await world.nodes.head()).number == 100
    world.now += 61
    assert (await world.nodes.head()).number == 100
    assert world.nodes.shown == "first"
    world.third.head = 105
    world.now += 30
    assert (await world.nodes.head()).number == 100
    world.now += 31
    assert (await world.nodes.head()).number == 105
    assert world.nodes.shown == "third"


async def test_the_first_is_returned_to_only_when_it_has_caught_up() -> None:
    """A node that is far behind would make us wait."""
    world = World()
    await world.nodes.head()
    world.first.error = NodeUnavailableError("away")
    world.second.head = 200
    assert (await world.nodes.head()).number == 200
    world.first.error = None
    world.now += 61
    assert (await world.nodes.head()).number == 200
    world.first.head = 199
    world.now += 61
    assert (await world.nodes.head()).number == 199
    assert world.nodes.shown == "first"


async def test_nonsense_about_the_chain_itself_is_a_failure_of_that_node() -> None:
    """A chain id that is no number; the next node tells it."""
    world = World()
    world.first.chain = -1
    assert await world.who() == "second"
    await world.nodes.close()
    assert world.first.closed
    assert world.third.closed


def test_sockets_are_known_by_their_scheme() -> None:
    """In any case of letters."""
    assert is_socket("WSS://node")
    assert not is_socket("https://ws.example")
