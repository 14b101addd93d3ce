"""A client of a cluster: each command goes to the node that carries its key.

redis-py has a cluster client. It sends what it retries beside what is still under way, sends commands
again whose answer was 0, closes the connections that others are reading from, asks a node that may be
dead where the keys of XREADGROUP are, and raises errors that are none of redis-py's tree. So this one
routes commands to plain clients, one for each node, which behave as they do without a cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline, PubSub
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as ValkeyConnectionError

from openoutcry.adapters.valkey.server import RETRIES, connect_server, pause
from openoutcry.adapters.valkey.topology import Topology, slot_of

Command: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]

_REDIRECTS: Final = 8
"""How often a command follows a cluster that is being rearranged."""
_ANYWHERE: Final = frozenset({"TIME", "INFO", "CONFIG GET"})
"""Commands without a key that any one node answers."""
_EVERYWHERE: Final = frozenset({"PING", "SCRIPT LOAD", "FLUSHALL"})
"""Commands without a key that every node is sent; the first one's answer counts."""
# The cluster is rearranging itself. Nothing was done: it may be asked again.
_UNSETTLED: Final = (MovedError, AskError, TryAgainError, ClusterDownError, ReadOnlyError)
# What it is when it does not settle, to callers that know outages but not clusters.
_NO_ANSWER: Final = (*_UNSETTLED, ValkeyConnectionError)


class ClusterClient(Redis):
    """Commands and pipelines on a cluster. `publish` is SPUBLISH: to the channel's own node.

    A lost node is asked for anew up to `retries` times, as `server.connect_server` does it. Keys of one
    command must share a slot. A pipeline's commands reach each node in their order, but no two nodes in
    any; a transaction is refused.
    """

    def __init__(self, url: str, *, retries: int = RETRIES) -> None:
        super().__init__()  # its pool stays empty: connections belong to the nodes
        self._topology = Topology(url)
        self._retries = retries
        self._clients: dict[str, Redis] = {}
        self._stale = True

    def publish(self, channel: Any, message: Any, **_: Any) -> Any:
        """Publish on the node that carries the channel."""
        return self.spublish(channel, message)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Return a pipeline. Raises ValueError for a transaction."""
        if transaction or shard_hint:
            raise ValueError("a transaction cannot span the nodes of a cluster")
        return _ClusterPipeline(self, self._run_all)

    def pubsub(self, **_: Any) -> PubSub:
        """Raise TypeError: one connection cannot hear a cluster."""
        raise TypeError("listen to a cluster with subscriptions.Subscriptions")

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command to where its key is."""
        if args[0] in _EVERYWHERE:
            try:
                everybody: list[Any] = await self.nodes()
                found = [await one.execute_command(*args, **options) for one in everybody]
            except _NO_ANSWER:
                self._stale = True
                raise
            return found[0]
        (answer,) = await self._run_all([(args, options)])
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def nodes(self) -> list[Redis]:
        """Return the clients of all primaries."""
        await self._settle()
        return [self._client(node) for node in self._topology.nodes]

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the connections to all nodes."""
        await super().aclose(close_connection_pool)
        clients, self._clients = self._clients, {}
        await asyncio.gather(*(client.aclose() for client in clients.values()))

    async def _run_all(self, commands: list[Command]) -> list[Any]:
        """Return an answer or an error for each command.

        Those whose node is lost or moved are sent again, the others' answers stand.
        """
        answers: list[Any] = [None] * len(commands)
        left = list(range(len(commands)))
        pauses, lost, redirects = pause(), 0, 0
        while True:
            try:
                await self._settle()
                await self._send(commands, left, answers)
            except _NO_ANSWER as error:  # nobody knows the nodes
                for at in left:
                    answers[at] = error
            left = [at for at in left if isinstance(answers[at], _NO_ANSWER)]
            if all(isinstance(answers[at], AskError) for at in left):  # a MOVED is one too
                redirects += 1
                # It said where to, which others may not know yet: look when we have been there.
                self._stale |= redirects > 1
                if not left or redirects > _REDIRECTS:
                    break
            else:
                self._stale = True
                lost += 1
                if lost > self._retries:
                    break
                await asyncio.sleep(pauses.compute(lost))
        for at in left:
            if isinstance(answers[at], _UNSETTLED):
                answers[at] = ValkeyConnectionError(f"the cluster does not serve: {answers[at]}")
        return answers

    async def _send(self, commands: list[Command], which: list[int], answers: list[Any]) -> None:
        """Send each node its part and put the answers, or what went wrong, in their places."""
        parts: dict[str, list[int]] = {}
        asking: list[int] = []
        for at in which:
            before = answers[at]
            if type(before) is AskError:
                asking.append(at)
                continue
            if isinstance(before, MovedError):
                self._topology.moved(before.slot_id, before.host, before.port)
            parts.setdefault(self._home(commands[at][0]), []).append(at)
        sending = [self._send_part(node, commands, part, answers) for node, part in parts.items()]
        if len(sending) == 1:
            await sending[0]
        elif sending:
            await asyncio.gather(*sending)
        for at in asking:
            ask = answers[at]
            node = self._topology.node(ask.host, ask.port)
            await self._send_part(node, commands, [at], answers, asking=True)

    async def _send_part(
        self,
        node: str,
        commands: list[Command],
        part: list[int],
        answers: list[Any],
        *,
        asking: bool = False,
    ) -> None:
        client: Any = self._client(node)
        try:
            if len(part) == 1 and not asking:
                args, options = commands[part[0]]
                answers[part[0]] = await client.execute_command(*args, **options)
                return
            pipeline = client.pipeline(transaction=False)
            if asking:
                pipeline.execute_command("ASKING")
            for at in part:
                args, options = commands[at]
                pipeline.execute_command(*args, **options)
            found = await pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001  (each command's error is its answer)
            found = [error] * (len(part) + asking)
        for at, answer in zip(part, found[asking:], strict=True):
            answers[at] = answer

    def _home(self, args: tuple[Any, ...]) -> str:
        key = _key(args)
        if key is None:
            return self._topology.nodes[0]
        return self._topology.owner(slot_of(key))

    def _client(self, node: str) -> Redis:
        client = self._clients.get(node)
        if client is None:
            client = self._clients[node] = connect_server(node, retries=0)
        return client

    async def _settle(self) -> None:
        """Look at the nodes if what is known of them was wrong; forget those that are gone."""
        if not self._stale:
            return
        await self._topology.look()
        self._stale = False
        gone = self._clients.keys() - set(self._topology.nodes)
        await asyncio.gather(*(self._clients.pop(node).aclose() for node in gone))


class _ClusterPipeline(Pipeline):
    """Commands that are sent together, each node its part."""

    def __init__(
        self, client: ClusterClient, run: Callable[[list[Command]], Awaitable[list[Any]]]
    ) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, False, None)
        self._run = run

    def publish(self, channel: Any, message: Any, **_: Any) -> Any:
        """Publish on the node that carries the channel."""
        return self.spublish(channel, message)

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send everything; raise the first error, or have errors among the answers."""
        commands: list[Any] = self.command_stack
        self.command_stack = []
        answers = await self._run(commands) if commands else []
        if raise_on_error:
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
        return answers


def _key(args: tuple[Any, ...]) -> str | bytes | None:
    """Return the key that says where a command goes; None: any node will do.

    Raises ValueError for a command without a key that we do not know.
    """
    name = args[0]
    if name in _ANYWHERE:
        return None
    if name in {"EVAL", "EVALSHA"}:
        at = 3
    elif name in {"XREAD", "XREADGROUP"}:
        at = args.index(b"STREAMS") + 1
    else:
        at = 1
    if len(args) <= at:
        raise ValueError(f"{name} names no key: which node is it for?")
    return args[at] if isinstance(args[at], str | bytes) else str(args[at])
