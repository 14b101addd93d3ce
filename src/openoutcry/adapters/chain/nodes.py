"""Several nodes of one chain as one: the first that answers rightly, another when it fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiohttp
import structlog
from msgspec import Struct

from openoutcry.adapters.chain.rpc import Caller, HttpRpc, RpcLimits
from openoutcry.adapters.chain.socket import SocketRpc
from openoutcry.core.chain import hexes, node_shapes
from openoutcry.core.chain.jsonrpc import Call
from openoutcry.errors import (
    ChainError,
    NodeNonsenseError,
    NodeRefusedError,
    NodeUnavailableError,
    WrongChainError,
)
from openoutcry.tokens import Header

log = structlog.get_logger(__name__)

_NEAR: Final = 2


class Identity(Struct, frozen=True):
    """Which chain it is: its number, and the hash of its first block."""

    chain_id: int
    genesis: bytes


class NodeRules(Struct, frozen=True, kw_only=True):
    """When another node is used; seconds.

    One that fails is left alone for `rest`, one of a wrong chain for `rest_wrong`. One whose head has
    stood for `still` is compared with the others. The first is tried again after `back`.
    """

    rest: float = 10.0
    rest_wrong: float = 300.0
    still: float = 60.0
    back: float = 60.0


class _Node:
    def __init__(self, caller: Caller, place: int) -> None:
        self.caller = caller
        self.place = place
        self.checked = False
        self.failing = False
        self.rests_until = float("-inf")
        self.head = -1
        self.head_since = 0.0


class Nodes:
    """Asks one node at a time; the questions of one caller see one chain, if not one moment of it.

    A node is believed after it has told the right chain id and genesis; without an `identity` given,
    those of the first that answers are right. It is asked again after every failure: the address may
    lead elsewhere by then. `shown` is the node in use, `failovers` counts changes of it.
    """

    def __init__(
        self,
        callers: Sequence[Caller],
        *,
        identity: Identity | None = None,
        rules: NodeRules | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failovers = 0
        self._nodes = [_Node(caller, place) for place, caller in enumerate(callers)]
        self._current = self._nodes[0]
        self._identity = identity
        self._rules = rules or NodeRules()
        self._clock = clock
        self._look_back_at = float("inf")

    @property
    def shown(self) -> str:
        """The address of the node in use, without path, query and user: keys stand there."""
        return self._current.caller.shown

    async def identity(self) -> Identity:
        """Return which chain it is. Raises ChainError when no node tells."""
        if self._identity is None:
            await self.ask([("eth_chainId", [])])
        if self._identity is None:
            raise NodeUnavailableError("no node has told which chain it follows")
        return self._identity

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Return the results in the order of `calls`, all of one node.

        An error that a node answers with (NodeRefusedError) is the answer: others would say the same.
        Raises WrongChainError if all nodes follow another chain, and NodeUnavailableError, with every
        node's reason, if none of them can be used.
        """
        await self._look_back()
        failures: list[ChainError] = []
        for node in self._in_order():
            try:
                await self._check(node)
                found = await node.caller.ask(calls)
            except NodeRefusedError as error:
                if node.checked:
                    self._use(node)
                    raise
                self._leave(node, error)  # it does not even say which chain it follows
                failures.append(error)
            except ChainError as error:
                self._leave(node, error)
                failures.append(error)
            else:
                node.failing = False
                self._use(node)
                return found
        if all(isinstance(one, WrongChainError) for one in failures):
            raise failures[0]
        raise NodeUnavailableError("no node can be used: " + "; ".join(map(str, failures)))

    async def head(self) -> Header:
        """Return the newest block's header, of a node whose head does not stand while another's grows.

        Raises as `ask` does.
        """
        header = await self._latest()
        node, now = self._current, self._clock()
        if header.number != node.head:
            node.head, node.head_since = header.number, now
        elif now - node.head_since >= self._rules.still and len(self._nodes) > 1:
            node.head_since = now
            if await self._ahead_of(node):
                return await self._latest()
        return header

    async def close(self) -> None:
        """Close every node's connections."""
        for node in self._nodes:
            await node.caller.close()

    async def _latest(self) -> Header:
        (found,) = await self.ask([node_shapes.LATEST])
        header = node_shapes.read_header(found)
        if header is None:
            raise NodeNonsenseError(f"{self.shown} has no newest block")
        return header

    def _in_order(self) -> list[_Node]:
        """Return the node in use, then the others as configured; those that rest come last."""
        now = self._clock()
        return sorted(
            self._nodes,
            key=lambda node: (node.rests_until > now, node is not self._current, node.place),
        )

    async def _check(self, node: _Node) -> None:
        if node.checked:
            return
        chain, genesis = await node.caller.ask(
            [("eth_chainId", []), node_shapes.block_by_number(0)]
        )
        header = node_shapes.read_header(genesis)
        if header is None:
            raise NodeNonsenseError(f"{node.caller.shown} does not have the chain's first block")
        found = Identity(hexes.quantity(chain, "a chain's id"), header.hash)
        if self._identity is None:
            self._identity = found
        if found != self._identity:
            raise WrongChainError(
                f"{node.caller.shown} follows chain {found.chain_id} with first block"
                f" {hexes.show(found.genesis)}, not chain {self._identity.chain_id} with"
                f" {hexes.show(self._identity.genesis)}"
            )
        node.checked = True

    def _use(self, node: _Node) -> None:
        if node is self._current:
            return
        log.info("another node is used", node=node.caller.shown, before=self.shown)
        self.failovers += 1
        self._current = node
        self._look_back_at = self._clock() + self._rules.back if node.place else float("inf")

    def _leave(self, node: _Node, error: ChainError) -> None:
        wrong = isinstance(error, WrongChainError)
        wait = self._rules.rest_wrong if wrong else self._rules.rest
        node.checked = False
        node.rests_until = self._clock() + wait
        # Once, until it has answered again: it is asked every few moments.
        tell = log.debug if node.failing else log.warning
        tell("a node fails", node=node.caller.shown, reason=str(error))
        node.failing = True

    async def _ahead_of(self, still: _Node) -> bool:
        """Use another node if it knows of a newer block than `still`; return whether one does."""
        for node in self._in_order():
            if node is still or node.rests_until > self._clock():
                continue
            try:
                head = await self._number(node)
            except ChainError as error:
                self._leave(node, error)
                continue
            if head > still.head:
                still.rests_until = self._clock() + self._rules.back
                log.warning(
                    "a node's head stands still",
                    node=still.caller.shown, head=still.head, others=head,
                )  # fmt: skip
                self._use(node)
                return True
        return False

    async def _look_back(self) -> None:
        """Return to an earlier node of the list, if it is time to and it has caught up."""
        now = self._clock()
        if now < self._look_back_at:
            return
        self._look_back_at = now + self._rules.back
        for node in self._nodes[: self._current.place]:
            if node.rests_until > now:
                continue
            try:
                if await self._number(node) >= self._current.head - _NEAR:
                    self._use(node)
                    return
            except ChainError as error:
                self._leave(node, error)

    async def _number(self, node: _Node) -> int:
        await self._check(node)
        (found,) = await node.caller.ask([("eth_blockNumber", [])])
        return hexes.quantity(found, "a block number")


def make_callers(
    session: aiohttp.ClientSession, urls: Sequence[str], limits: RpcLimits | None = None
) -> list[Caller]:
    """Return a caller for each URL, by its scheme."""
    return [
        SocketRpc(session, url, limits) if is_socket(url) else HttpRpc(session, url, limits)
        for url in urls
    ]


def is_socket(url: str) -> bool:
    """Whether a URL is that of a WebSocket, where a node can tell of heads."""
    return url.lower().startswith(("ws://", "wss://"))
