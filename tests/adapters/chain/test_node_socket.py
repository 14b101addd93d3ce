"""JSON-RPC over a WebSocket: answers in any order, news, garbage, silence, and lost connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from openoutcry.adapters.chain.rpc import RpcLimits
from openoutcry.adapters.chain.socket import SocketRpc
from openoutcry.adapters.chain.subscription import HeadSubscription
from openoutcry.core.backoff import Backoff
from openoutcry.errors import NodeNonsenseError, NodeRefusedError, NodeUnavailableError

Talk = Callable[[web.WebSocketResponse, Any], Awaitable[None]]
LIMITS = RpcLimits(timeout=10.0)
KEY = "0123456789abcdef-secret"


class Server:
    """A node whose connections do what the test says with every message."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.peers: list[web.WebSocketResponse] = []
        self.url = ""
        self._server: TestServer | None = None

    async def open(self) -> None:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._serve)
        self._server = TestServer(application)
        await self._server.start_server()
        self.url = f"ws://127.0.0.1:{self._server.port}/{KEY}"

    async def close(self) -> None:
        assert self._server is not None
        await self._server.close()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        peer = web.WebSocketResponse(autoping=False)
        await peer.prepare(request)
        self.peers.append(peer)
        async for message in peer:
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                await self.talk(peer, json.loads(message.data))
        return peer


async def right(peer: web.WebSocketResponse, call: Any) -> None:
    """Answer a call with its own parameters."""
    await peer.send_str(json.dumps({"id": call["id"], "result": call["params"]}))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of the test."""
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A node that answers rightly until a test says otherwise."""
    running = Server(right)
    await running.open()
    yield running
    await running.close()


async def test_answers_find_their_calls_in_any_order(
    server: Server, session: aiohttp.ClientSession
) -> None:
    """Calls are under way together, on one connection, also those of two askers."""
    held: list[Any] = []

    async def late(peer: web.WebSocketResponse, call: Any) -> None:
        held.append(call)
        if len(held) == 6:
            for one in reversed(held):
                await right(peer, one)

    server.talk = late
    rpc = SocketRpc(session, server.url, LIMITS)
    one, two = await asyncio.gather(
        rpc.ask([("m", [n]) for n in range(3)]), rpc.ask([("m", [n]) for n in range(3, 6)])
    )
    assert [*one, *two] == [[n] for n in range(6)]
    assert len(server.peers) == 1
    await rpc.close()


async def test_a_lost_connection_fails_what_is_under_way_and_is_made_again(
    server: Server, session: aiohttp.ClientSession
) -> None:
    """The question fails at once, not after the timeout; the next one connects anew."""

    async def hang_up(peer: web.WebSocketResponse, _call: Any) -> None:
        await peer.close()

    rpc = SocketRpc(session, server.url, RpcLimits(timeout=60.0))
    assert await rpc.ask([("m", [1])]) == [[1]]
    server.talk = hang_up
    with pytest.raises(NodeUnavailableError, match="gone"):
        await rpc.ask([("m", [2]), ("m", [3])])
    server.talk = right
    assert await rpc.ask([("m", [4])]) == [[4]]
    assert len(server.peers) == 2
    await rpc.close()


async def test_garbage_errors_and_silence(server: Server, session: aiohttp.ClientSession) -> None:
    """Each is its own error; strangers' ids and odd messages are passed over."""

    async def garbage(peer: web.WebSocketResponse, _call: Any) -> None:
        await peer.send_str("<html>")

    async def refused(peer: web.WebSocketResponse, call: Any) -> None:
        for odd in ("5", "[]", '{"id": "x"}', '{"id": 999}', '{"method": "eth_subscription"}'):
            await peer.send_str(odd)
        await peer.send_json({"id": call["id"], "error": {"code": -32601, "message": "no method"}})

    async def silent(_peer: web.WebSocketResponse, _call: Any) -> None:
        pass

    rpc = SocketRpc(session, server.url, LIMITS)
    server.talk = garbage
    with pytest.raises(NodeNonsenseError):
        await rpc.ask([("m", [])])
    server.talk = refused
    with pytest.raises(NodeRefusedError, match="no method"):
        await rpc.ask([("m", [])])
    await rpc.close()
    rpc = SocketRpc(session, server.url, RpcLimits(timeout=1.5))
    server.talk = silent
    with pytest.raises(NodeUnavailableError, match=r"within 1\.5 s"):
        await rpc.ask([("m", [])])
    server.talk = right
    assert await rpc.ask([("m", [1])]) == [[1]]
    await rpc.close()


async def test_a_peer_that_does_not_take_part_is_told_without_its_key(
    session: aiohttp.ClientSession,
) -> None:
    """No server, or one that speaks no WebSocket."""
    application = web.Application()
    page = TestServer(application)
    await page.start_server()
    for url in (f"ws://127.0.0.1:9/{KEY}", f"ws://127.0.0.1:{page.port}/{KEY}"):
        with pytest.raises(NodeUnavailableError) as told:
            await SocketRpc(session, url, LIMITS).ask([("m", [])])
        assert KEY not in str(told.value)
    await page.close()


class Listener:
    """A subscription under test, and how often it has called."""

    def __init__(self, session: aiohttp.ClientSession, urls: list[str], **changes: Any) -> None:
        self.calls = 0
        self.stop = asyncio.Event()
        self.subscription = HeadSubscription(
            session, urls, self._called, limits=LIMITS, backoff=Backoff(0.02, 0.1), **changes
        )
        self.task = asyncio.create_task(self.subscription.run(self.stop))

    def _called(self) -> None:
        self.calls += 1

    async def until(self, calls: int) -> None:
        async with asyncio.timeout(20):
            while self.calls < calls:
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, 20)


async def subscribed(peer: web.WebSocketResponse, call: Any) -> None:
    """Confirm a subscription and tell a head at once."""
    assert (call["method"], call["params"]) == ("eth_subscribe", ["newHeads"])
    await peer.send_json({"id": call["id"], "result": "0x1"})
    news = {"method": "eth_subscription", "params": {"subscription": "0x1", "result": {}}}
    await peer.send_json(news)


async def test_a_subscription_comes_back_after_every_loss(
    server: Server, session: aiohttp.ClientSession
) -> None:
    """It wakes on each connect, and on each head; at another URL if one is away."""
    server.talk = subscribed
    listener = Listener(session, ["ws://127.0.0.1:9", server.url])
    await listener.until(2)
    await server.peers[0].close()
    await listener.until(4)
    assert listener.subscription.connects == 2
    assert listener.subscription.heads == 2
    await listener.end()
    assert not listener.subscription.connected


async def test_a_silent_or_dead_connection_is_replaced(
    server: Server, session: aiohttp.ClientSession
) -> None:
    """One that tells nothing, and one that does not answer pings: neither is trusted for long."""
    server.talk = subscribed
    listener = Listener(session, [server.url], silent_seconds=0.2)
    await listener.until(4)
    await listener.end()
    listener = Listener(session, [server.url], ping_seconds=0.2)
    before = len(server.peers)
    await listener.until(4)
    assert len(server.peers) >= before + 2
    await listener.end()


async def test_a_refused_subscription_is_tried_again(
    server: Server, session: aiohttp.ClientSession
) -> None:
    """A node that does not know subscriptions is asked at growing distances; polling goes on."""
    asked = 0

    async def refuse(peer: web.WebSocketResponse, call: Any) -> None:
        nonlocal asked
        asked += 1
        await peer.send_json({"id": call["id"], "error": {"code": -32601, "message": "no"}})

    server.talk = refuse
    listener = Listener(session, [server.url])
    async with asyncio.timeout(20):
        while asked < 3:
            await asyncio.sleep(0.01)
    assert listener.calls == 0
    await listener.end()
