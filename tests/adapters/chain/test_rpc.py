"""JSON-RPC over HTTP against a node that misbehaves in every way that nodes do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.adapters.chain.rpc import BATCH, HttpRpc, RpcLimits
from openoutcry.core.chain import jsonrpc
from openoutcry.errors import (
    ChainError,
    NodeBusyError,
    NodeDeniedError,
    NodeNonsenseError,
    NodeRefusedError,
    NodeUnavailableError,
    TooMuchAskedError,
)

KEY = "0123456789abcdef-secret"
Handler = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]
Serve = Callable[..., Awaitable[HttpRpc]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """A function that starts a node with this way of answering, and returns a client of it."""
    servers: list[TestServer] = []
    session = aiohttp.ClientSession()

    async def start(handler: Handler, timeout: float = 10.0) -> HttpRpc:
        async def answer(request: web.Request) -> web.StreamResponse:
            return await handler(request, json.loads(await request.read()))

        application = web.Application()
        application.router.add_post("/{path:.*}", answer)
        server = TestServer(application)
        await server.start_server()
        servers.append(server)
        limits = RpcLimits(timeout=timeout, retries=2, backoff=0.01, answer_bytes=200_000)
        return HttpRpc(session, f"{server.make_url('/')}v2/{KEY}", limits)

    yield start
    await session.close()
    for server in servers:
        await server.close()


def right(call: dict[str, Any]) -> dict[str, Any]:
    """Answer a call with its own parameters."""
    return {"jsonrpc": "2.0", "id": call["id"], "result": call["params"]}


async def test_batches_come_back_in_our_order(serve: Serve) -> None:
    """A node may answer in any order; long lists go in portions; a single call is no batch."""
    sizes: list[int] = []

    async def backwards(_request: web.Request, calls: Any) -> web.Response:
        if isinstance(calls, dict):
            sizes.append(0)
            return web.json_response(right(calls))
        sizes.append(len(calls))
        return web.json_response([right(one) for one in reversed(calls)])

    rpc = await serve(backwards)
    found = await rpc.ask([("m", [number]) for number in range(2 * BATCH + 1)])
    assert found == [[number] for number in range(2 * BATCH + 1)]
    assert sizes == [BATCH, BATCH, 0]
    assert await rpc.ask([]) == []


GARBAGE = [
    lambda _: web.Response(text="<html>"),
    lambda _: web.Response(body=b"\xff\xfe"),
    lambda _: web.Response(text=""),
    lambda _: web.Response(text="[" * 50_000),
    lambda _: web.json_response("hello"),
    lambda _: web.json_response([1, 2]),
    lambda _: web.json_response([]),
    lambda calls: web.json_response([right(one) for one in calls[:-1]]),
    lambda calls: web.json_response([right(one) for one in calls] + [right(calls[0])]),
    lambda calls: web.json_response([right({**one, "id": one["id"] + 1}) for one in calls]),
    lambda calls: web.json_response([right({**one, "id": str(one["id"])}) for one in calls]),
    lambda calls: web.json_response([right({**one, "id": one["id"] == 1}) for one in calls]),
    lambda calls: web.json_response([{"id": one["id"]} for one in calls]),
    lambda calls: web.json_response([{"id": one["id"], "error": "no"} for one in calls]),
    lambda calls: web.json_response([{"id": one["id"], "error": {"message": 5}} for one in calls]),
]


@pytest.mark.parametrize("answer", GARBAGE)
async def test_garbage_is_told_from_answers(
    serve: Serve, answer: Callable[[Any], web.Response]
) -> None:
    """What is no answer to just these calls is nonsense, asked again, and in the end told as such."""
    asked = 0

    async def handler(_request: web.Request, calls: Any) -> web.Response:
        nonlocal asked
        asked += 1
        return answer(calls)

    rpc = await serve(handler)
    with pytest.raises(NodeNonsenseError) as told:
        await rpc.ask([("m", [1]), ("m", [2])])
    assert asked == 3
    assert KEY not in str(told.value)


@pytest.mark.parametrize(
    ("status", "body", "kind", "tries"),
    [
        (500, "oops", NodeUnavailableError, 3),
        (503, "<html>", NodeUnavailableError, 3),
        (302, "", NodeUnavailableError, 3),
        (429, "slow down", NodeBusyError, 3),
        (401, "who are you", NodeDeniedError, 1),
        (403, f"key {KEY} is over its limit", NodeDeniedError, 1),
        (413, "too large", TooMuchAskedError, 1),
        (400, '{"id":null,"error":{"code":-32600,"message":"bad"}}', NodeRefusedError, 1),
        (500, '{"id":null,"error":{"code":-32005,"message":"query timeout exceeded"}}',
         TooMuchAskedError, 1),
        (200, '{"id":null,"error":{"code":-32005,"message":"rate limit exceeded"}}', NodeBusyError, 3),
        (200, '{"id":null,"error":{"code":-32000,"message":"unknown block"}}', NodeRefusedError, 1),
    ],
)  # fmt: skip
async def test_the_type_of_an_error_says_whether_to_ask_again(
    serve: Serve, status: int, body: str, kind: type[ChainError], tries: int
) -> None:
    """Statuses and codes become errors; only those that may pass are tried again; no key is told."""

    async def handler(_request: web.Request, _calls: Any) -> web.Response:
        return web.Response(status=status, text=body, headers={"Retry-After": "0"})

    rpc = await serve(handler)
    with pytest.raises(ChainError) as told:
        await rpc.ask([("eth_getLogs", [{}])])
    assert type(told.value) is kind
    assert rpc.requests == tries
    assert KEY not in str(told.value)
    assert KEY not in rpc.shown


@pytest.mark.parametrize(
    ("method", "code", "message", "kind"),
    [
        ("eth_getLogs", -32005, "limit exceeded", TooMuchAskedError),
        ("eth_blockNumber", -32005, "limit exceeded", NodeBusyError),
        ("eth_getBlockByNumber", -32002, "request timed out", NodeBusyError),
        ("eth_call", -32602, "argument too large", NodeRefusedError),
        ("eth_getLogs", -32603, "Internal error", NodeUnavailableError),
        ("eth_call", -32603, "VM Exception: revert", NodeRefusedError),
        ("eth_call", 3, "execution reverted", NodeRefusedError),
    ],
)
def test_the_same_words_mean_different_things_to_different_calls(
    method: str, code: int, message: str, kind: type[ChainError]
) -> None:
    """Only logs can be asked for in smaller portions; only a call can fail inside of a contract."""
    assert type(jsonrpc.refusal({"code": code, "message": message}, method)) is kind


async def test_one_refused_call_of_a_batch_is_told(serve: Serve) -> None:
    """With its code and data, as the node sent them; a batch that is refused as a whole, too."""

    async def second(_request: web.Request, calls: Any) -> web.Response:
        refused = {
            "id": calls[1]["id"],
            "error": {"code": 3, "message": "reverted", "data": "0x08"},
        }
        return web.json_response([right(calls[0]), refused])

    async def whole(_request: web.Request, _calls: Any) -> web.Response:
        return web.json_response({"id": None, "error": {"code": -32600, "message": "no batches"}})

    rpc = await serve(second)
    with pytest.raises(NodeRefusedError, match="reverted") as told:
        await rpc.ask([("a", []), ("b", [])])
    assert (told.value.code, told.value.detail) == (3, "0x08")
    with pytest.raises(NodeRefusedError, match="no batches"):
        await (await serve(whole)).ask([("a", []), ("b", [])])


async def test_what_passes_is_tried_again_until_it_works(serve: Serve) -> None:
    """A dropped connection and an error of a proxy are not told when the third try works."""
    asked = 0

    async def handler(request: web.Request, calls: Any) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if asked == 1:
            assert request.transport is not None
            request.transport.abort()
        if asked == 2:
            return web.Response(status=502)
        return web.json_response(right(calls))

    rpc = await serve(handler)
    assert await rpc.ask([("m", [7])]) == [[7]]
    assert rpc.requests == 3


async def test_a_silent_node_and_an_endless_answer_end(serve: Serve) -> None:
    """Both have a bound: of time, and of bytes, also when the length is not told beforehand."""

    async def silent(_request: web.Request, _calls: Any) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async def endless(request: web.Request, _calls: Any) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 50_000)

    rpc = await serve(silent, 0.5)
    with pytest.raises(NodeUnavailableError, match=r"no answer within 0\.5 s"):
        await rpc.ask([("m", [])])
    with pytest.raises(TooMuchAskedError, match="200000 bytes"):
        await (await serve(endless)).ask([("m", [])])


async def test_nobody_there_is_unavailable() -> None:
    """A refused connection says so, without the key; so does a URL that is none."""
    limits = RpcLimits(timeout=1.0, retries=0)
    async with aiohttp.ClientSession() as session:
        for url in (
            f"http://127.0.0.1:9/{KEY}",
            f"http://user:{KEY}@localhost:9",
            f"http:///{KEY}",
        ):
            with pytest.raises(NodeUnavailableError) as told:
                await HttpRpc(session, url, limits).ask([("m", [])])
            assert KEY not in str(told.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://mainnet.infura.io/v3/abc", "https://mainnet.infura.io"),
        ("wss://user:pass@node.example:8546/x?key=1", "wss://node.example:8546"),
        ("http://[::1]:8545", "http://::1:8545"),
        ("http://node:99999999", "http://node"),
    ],
)
def test_urls_are_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    """Scheme, host and port."""
    assert jsonrpc.shown(url) == shown


@given(st.binary(max_size=200))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """Whatever a node sends, it is an answer or one of our errors."""
    one: list[jsonrpc.Call] = [("m", [])]
    for calls in (one, one * 2):
        try:
            jsonrpc.decode(body, calls, 1)
        except ChainError as error:
            assert str(error)  # noqa: PT017 - most bodies raise, some do not
