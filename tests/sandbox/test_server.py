"""The running exchange, over real sockets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from openoutcry.errors import ConfigError
from sandbox.support import Clock, messages, running

COMBINED = "/stream?streams=btcusdt@trade"


async def closed(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """Read until the connection is over; return its close code."""
    async with asyncio.timeout(30):
        async for _ in socket:
            pass
    return socket.close_code


async def test_trades_come_live_in_order_and_rest_has_the_same() -> None:
    """Ids on the socket are consecutive, and REST by id tells the same trades."""
    async with running(rate=300.0) as sandbox, sandbox.connect("/ws/btcusdt@trade") as socket:
        live = await messages(socket, 60)
        ids = [message["t"] for message in live]
        assert ids == list(range(ids[0], ids[0] + 60))
        rows = await sandbox.get(
            "/api/v3/historicalTrades", symbol="BTCUSDT", fromId=ids[0], limit=60
        )
        told = [(row["id"], row["price"], row["qty"], row["time"]) for row in rows]
        assert told == [(m["t"], m["p"], m["q"], m["T"]) for m in live]
        assert all(m["E"] >= m["T"] and m["M"] is True and m["s"] == "BTCUSDT" for m in live)


async def test_every_stream_kind_speaks() -> None:
    """Each kind of stream sends its event, wrapped with its name."""
    kinds = {
        "btcusdt@trade": "trade",
        "btcusdt@aggTrade": "aggTrade",
        "btcusdt@kline_1s": "kline",
        "btcusdt@kline_1m": "kline",
        "btcusdt@miniTicker": "24hrMiniTicker",
        "btcusdt@ticker": "24hrTicker",
        "btcusdt@bookTicker": None,
        "!miniTicker@arr": None,
    }
    path = "/stream?streams=" + "/".join(kinds)
    async with running(rate=100.0) as sandbox, sandbox.connect(path) as socket:
        heard: dict[str, Any] = {}
        async with asyncio.timeout(30):
            while heard.keys() != kinds.keys():
                message = (await messages(socket, 1))[0]
                heard[message["stream"]] = message["data"]
        for name, event in kinds.items():
            assert event is None or heard[name]["e"] == event
        assert heard["btcusdt@bookTicker"].keys() == set("usbBaA")
        assert {row["e"] for row in heard["!miniTicker@arr"]} == {"24hrMiniTicker"}


async def test_closed_klines_are_what_rest_says() -> None:
    """The last message of a candle has x true and the numbers of `/klines`."""
    path = "/ws/btcusdt@kline_1s"
    async with running(rate=200.0) as sandbox, sandbox.connect(path) as socket:
        done: list[dict[str, Any]] = []
        while len(done) < 2:
            kline = (await messages(socket, 1))[0]["k"]
            if kline["x"]:
                done.append(kline)
        for kline in done:
            row = (
                await sandbox.get(
                    "/api/v3/klines", symbol="BTCUSDT", interval="1s", startTime=kline["t"], limit=1
                )
            )[0]
            assert row[:6] == [kline[name] for name in "tohlcv"]
            assert row[6:11] == [kline[name] for name in "TqnVQ"]


async def test_subscriptions_change_while_connected() -> None:
    """SUBSCRIBE, LIST and UNSUBSCRIBE are answered and take effect."""
    async with running() as sandbox, sandbox.connect("/ws/1") as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1})
        assert await messages(socket, 1) == [{"result": None, "id": 1}]
        assert (await messages(socket, 1))[0]["e"] == "trade"
        await socket.send_json({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": "u"})
        async with asyncio.timeout(30):
            while (await messages(socket, 1))[0].get("id") != "u":
                pass
        await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 3})
        assert await messages(socket, 1) == [{"result": [], "id": 3}]


async def test_microseconds_on_request() -> None:
    """`timeUnit=MICROSECOND` gives times in µs."""
    path = "/ws/btcusdt@trade?timeUnit=MICROSECOND"
    async with running() as sandbox, sandbox.connect(path) as socket:
        message = (await messages(socket, 1))[0]
        assert message["T"] > 10**15
        assert message["E"] >= message["T"]


async def test_a_chatty_client_is_closed() -> None:
    """More than five messages in a second end the connection."""
    async with running() as sandbox, sandbox.connect("/ws") as socket:
        for number in range(6):
            await socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
        assert await closed(socket) == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_pings_are_ponged() -> None:
    """A client's ping comes back with its payload."""
    async with running() as sandbox, sandbox.connect("/ws") as socket:
        await socket.ping(b"hello")
        message = await socket.receive(timeout=30)
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"hello")


async def test_the_exchange_pings_and_wants_a_pong() -> None:
    """Every 20 s comes a ping with the time in ms; who leaves it for 60 s is closed."""
    clock = Clock(1_790_000_000_000_000)
    async with running(clock=clock) as sandbox, sandbox.connect("/ws") as socket:
        for _ in range(4):
            clock.now += 20_000_000
            message = await socket.receive(timeout=30)
            assert message.type == aiohttp.WSMsgType.PING
            assert message.data == str(clock.now // 1000).encode()
            await socket.pong(message.data)
            await sandbox.get("/api/v3/ping")
        clock.now += 20_000_000
        assert (await socket.receive(timeout=30)).type == aiohttp.WSMsgType.PING
        clock.now += 60_100_000
        assert await closed(socket) == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_unknown_paths_are_not_found() -> None:
    """Neither port answers what Binance does not have."""
    async with running() as sandbox:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with sandbox.connect("/nowhere"):
                pass
        async with sandbox.http.get(sandbox.rest + "/api/v3/nothing") as response:
            assert response.status == 404


async def test_a_connection_ends_after_its_lifetime() -> None:
    """Before its lifetime is over a client is told; then the connection closes."""
    async with (
        running(max_connection_seconds=1.0) as sandbox,
        sandbox.connect("/stream?streams=nothing@trade") as socket,
    ):
        notice = (await messages(socket, 1))[0]
        assert notice["stream"] == "!serverShutdown"
        assert notice["data"]["e"] == "serverShutdown"
        assert await closed(socket) == aiohttp.WSCloseCode.GOING_AWAY


async def test_weight_is_told_and_limited() -> None:
    """Each answer tells the weight used; too much is refused with the time to wait."""
    async with running(clock=Clock(1_790_000_020_000_000)) as sandbox:
        async with sandbox.http.get(sandbox.rest + "/api/v3/exchangeInfo") as response:
            assert response.headers["x-mbx-used-weight-1m"] == "20"
        answers = []
        for _ in range(90):
            async with sandbox.http.get(sandbox.rest + "/api/v3/ticker/24hr") as response:
                code = (await response.json())["code"] if response.status != 200 else 0
                answers.append((response.status, response.headers.get("Retry-After"), code))
        refused = [(429, "20", -1003)] * 10 + [(418, "120", -1003)] * 6
        assert answers == [(200, None, 0)] * 74 + refused


async def test_drop_loses_messages_only_on_the_socket() -> None:
    """Dropped trades are a jump in the ids on the socket, and REST still has them."""
    async with running(rate=300.0) as sandbox, sandbox.connect(COMBINED) as socket:
        start = (await messages(socket, 20))[-1]["data"]["t"]
        await sandbox.fault(kind="drop", count=5)
        found = [start] + [message["data"]["t"] for message in await messages(socket, 150)]
        lost = sorted(set(range(found[0], found[-1])) - set(found))
        assert len(lost) == 5
        rows = await sandbox.get(
            "/api/v3/historicalTrades", symbol="BTCUSDT", fromId=lost[0], limit=1
        )
        assert rows[0]["id"] == lost[0]


async def test_repeat_and_reorder_keep_every_trade() -> None:
    """With repeats and disorder each id still comes, some twice and not in order."""
    async with running(rate=300.0) as sandbox, sandbox.connect(COMBINED) as socket:
        await sandbox.fault(kind="repeat", fraction=0.2)
        await sandbox.fault(kind="reorder", window=4)
        found = [message["data"]["t"] for message in await messages(socket, 200)]
        assert found != sorted(found)
        assert len(set(found)) < len(found)
        middle = sorted(set(found))[10:-10]
        assert middle == list(range(middle[0], middle[-1] + 1))


async def test_skip_ids_leave_a_hole_everywhere(tmp_path: Path) -> None:
    """Skipped ids are on neither port, and the file remembers them."""
    path = tmp_path / "state.json"
    async with running(rate=100.0, state_file=path) as sandbox:
        async with sandbox.connect(COMBINED) as socket:
            await messages(socket, 1)
            await sandbox.fault(kind="skip_ids", symbol="BTCUSDT", count=11)
            last, hole = 0, None
            while hole is None:
                number = (await messages(socket, 1))[0]["data"]["t"]
                hole = (last, number) if last and number != last + 1 else None
                last = number
        assert hole[1] - hole[0] == 12
        rows = await sandbox.get(
            "/api/v3/historicalTrades", symbol="BTCUSDT", fromId=hole[0] + 1, limit=1
        )
        assert rows[0]["id"] == hole[1]
    saved = json.loads(path.read_text())
    assert [skip["count"] for skip in saved["symbols"]["BTCUSDT"]["skips"]] == [11]


@pytest.mark.parametrize(("frame", "code"), [(True, 1001), (False, 1006)])
async def test_cut_closes_with_or_without_a_word(frame: bool, code: int) -> None:
    """A cut ends every connection; without a frame it looks like a broken line."""
    async with running() as sandbox, sandbox.connect(COMBINED) as socket:
        await messages(socket, 1)
        await sandbox.fault(kind="cut", frame=frame)
        assert await closed(socket) == code


async def test_refused_connections_may_come_back() -> None:
    """While refusing, a handshake fails; afterwards it works."""
    async with running() as sandbox:
        await sandbox.fault(kind="refuse", seconds=1.5)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with sandbox.connect("/ws"):
                pass
        await asyncio.sleep(1.6)
        async with sandbox.connect(COMBINED) as socket:
            assert await messages(socket, 1)


async def test_silence_says_nothing_and_then_goes_on() -> None:
    """In silence not even a ping is answered, and the trades of that time never come."""
    async with running(rate=300.0) as sandbox, sandbox.connect(COMBINED) as socket:
        before = (await messages(socket, 20))[-1]["data"]["t"]
        await sandbox.fault(kind="silence", seconds=2)
        while True:
            try:
                before = (await socket.receive(timeout=0.2)).json()["data"]["t"]
            except TimeoutError:
                break
        await socket.ping(b"x")
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.2)
        after = (await messages(socket, 1))[0]["data"]["t"]
        assert after > before + 1


async def test_shutdown_is_announced() -> None:
    """`serverShutdown` comes first, the close later."""
    async with running() as sandbox, sandbox.connect("/ws") as socket:
        await sandbox.fault(kind="shutdown", seconds=0.3)
        assert (await messages(socket, 1))[0]["e"] == "serverShutdown"
        assert await closed(socket) == 1001


async def test_rest_faults_change_answers() -> None:
    """Status, garbage and delay hit REST calls, for one symbol if told so."""
    async with running() as sandbox:
        url = sandbox.rest + "/api/v3/trades?symbol=BTCUSDT"
        await sandbox.fault(kind="rest_status", status=418, retry_after=7, count=1)
        async with sandbox.http.get(url) as response:
            assert (response.status, response.headers["Retry-After"]) == (418, "7")
            assert (await response.json())["code"] == -1003
        await sandbox.fault(kind="rest_status", status=503, count=1, symbol="BTCUSDT")
        await sandbox.get("/api/v3/trades", symbol="ETHUSDT")
        async with sandbox.http.get(url) as response:
            assert response.status == 503
        await sandbox.fault(kind="rest_garbage", count=1)
        async with sandbox.http.get(url) as response:
            assert "html" in response.content_type
        await sandbox.fault(kind="rest_garbage", body="truncated", count=1)
        async with sandbox.http.get(url) as response:
            with pytest.raises(json.JSONDecodeError):
                await response.json()
        await sandbox.fault(kind="rest_delay", ms=2000, count=1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sandbox.get("/api/v3/ping"), 0.15)


async def test_faults_can_be_read_and_cleared() -> None:
    """The list of faults is what was posted, until it is cleared; nonsense is refused."""
    async with running() as sandbox:
        await sandbox.fault(kind="delay", ms=50)
        assert [f["kind"] for f in (await sandbox.get("/sandbox/faults"))["faults"]] == ["delay"]
        async with sandbox.http.delete(sandbox.rest + "/sandbox/faults") as response:
            assert (await response.json()) == {"faults": []}
        async with sandbox.http.post(sandbox.rest + "/sandbox/faults", data=b"{}") as response:
            assert response.status == 400
            assert "Not a fault" in (await response.json())["error"]


async def test_faults_from_a_file(tmp_path: Path) -> None:
    """A fault file is in force from the start."""
    path = tmp_path / "faults.json"
    path.write_text('[{"kind": "rest_status", "status": 500}]')
    async with (
        running(faults_file=path) as sandbox,
        sandbox.http.get(sandbox.rest + "/api/v3/ping") as response,
    ):
        assert response.status == 500
    with pytest.raises(ConfigError, match=r"nowhere\.json"):
        async with running(faults_file=tmp_path / "nowhere.json"):
            pass


async def test_the_rate_changes_while_running() -> None:
    """A new rate shows in the stats, and nonsense is refused."""
    async with running(rate=5.0) as sandbox:
        url = sandbox.rest + "/sandbox/rate"
        async with sandbox.http.post(url, json={"rate": 2000}) as response:
            assert response.status == 200
        for body in ({"rate": 0}, {"rate": "fast"}, {}):
            async with sandbox.http.post(url, json=body) as response:
                assert response.status == 400
        assert (await sandbox.get("/sandbox/stats"))["rate"] == 2000
        async with sandbox.connect(COMBINED) as socket:
            await messages(socket, 500)


async def test_stats_count_what_happens() -> None:
    """Connections, messages, calls by endpoint and newest ids are told."""
    async with running() as sandbox, sandbox.connect(COMBINED) as socket:
        await messages(socket, 3)
        await sandbox.get("/api/v3/ping")
        stats = await sandbox.get("/sandbox/stats")
        assert stats["connections"] == 1
        assert stats["messages_sent"] >= 3
        assert stats["rest_calls"]["/api/v3/ping"] == 1
        assert stats["last_trade_id"]["BTCUSDT"] > 0
        assert stats["streams"] == ["btcusdt@trade"]


async def test_two_clients_get_the_same_trades() -> None:
    """What is written once goes to all, wrapped or not."""
    async with (
        running(rate=200.0) as sandbox,
        sandbox.connect("/ws/btcusdt@trade") as raw,
        sandbox.connect(COMBINED) as wrapped,
    ):
        left = {message["t"]: message for message in await messages(raw, 60)}
        right = {m["data"]["t"]: m["data"] for m in await messages(wrapped, 60)}
        both = left.keys() & right.keys()
        assert len(both) > 20
        assert all(left[number] == right[number] for number in both)
