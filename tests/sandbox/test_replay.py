"""Replays over real sockets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from openoutcry.sandbox import floor
from sandbox.support import messages, running
from sandbox.test_recording import LINES, TIME


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in LINES) + "\n")
    return path


@pytest.mark.parametrize("speed", ["max", "10"])
async def test_the_recorded_messages_come_in_order(small: Path, speed: str) -> None:
    """A client hears the recorded messages of its streams, and the connection stays open."""
    async with (
        running(replay=small, speed=speed) as sandbox,
        sandbox.connect("/stream?streams=foousdt@trade") as socket,
    ):
        found = await messages(socket, 3)
        expected = [line["m"] for line in LINES if (line["m"] or {}).get("stream")]
        assert found == [m for m in expected if m["stream"] == "foousdt@trade"]
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.2)
        assert not socket.closed
        rows = await sandbox.get("/api/v3/trades", symbol="FOOUSDT")
        assert [row["id"] for row in rows] == [100, 101, 103]


async def test_it_waits_for_somebody_to_listen(small: Path) -> None:
    """Nothing is played before a recorded stream is subscribed, unless told to start."""
    async with running(replay=small, speed="max") as sandbox:
        await asyncio.sleep(0.1)
        assert (await sandbox.get("/sandbox/stats"))["position"] == 0
        async with sandbox.connect("/ws/other@trade"):
            await asyncio.sleep(0.1)
        assert (await sandbox.get("/sandbox/stats"))["position"] == 0
        async with sandbox.http.post(sandbox.rest + "/sandbox/replay") as response:
            assert response.status == 200
        async with asyncio.timeout(30):
            while (await sandbox.get("/sandbox/stats"))["position"] < 4:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("speed", ["max", "10"])
async def test_it_plays_no_further_than_it_was_told(small: Path, speed: str) -> None:
    """With `until` it waits before that message, also in the middle, and then goes on whole."""
    async with running(replay=small, speed=speed) as sandbox:
        url = sandbox.rest + "/sandbox/replay"

        async def play(body: object) -> int:
            async with sandbox.http.post(url, json=body) as response:
                return response.status

        assert await play({"until": 0}) == 200
        async with sandbox.connect("/ws/foousdt@trade") as socket:
            for until, ids in ((0, []), (1, [100]), (4, [101, 103])):
                assert await play({"until": until}) == 200
                assert [message["t"] for message in await messages(socket, len(ids))] == ids
                with pytest.raises(TimeoutError):
                    await socket.receive(timeout=0.2)
                assert (await sandbox.get("/sandbox/stats"))["position"] == until
        assert await play({"until": -1}) == 400
        assert await play({"untill": 1}) == 400


async def test_candles_and_tickers_are_made_of_the_recorded_trades(small: Path) -> None:
    """Streams that the recording lacks are told once a second, in the recording's own time."""
    names = "foousdt@kline_1m/!miniTicker@arr/foousdt@ticker"
    async with running(replay=small, speed="max") as sandbox:
        async with sandbox.connect(f"/stream?streams={names}") as socket:
            async with sandbox.http.post(sandbox.rest + "/sandbox/replay") as response:
                assert response.status == 200
            told = {one["stream"]: one["data"] for one in await messages(socket, 3)}
        kline = told["foousdt@kline_1m"]["k"]
        assert [kline[key] for key in ("f", "L", "n", "v", "x")] == [
            *(100, 103, 3, "61.50000000", False)
        ]
        [mini] = told["!miniTicker@arr"]
        assert (mini["s"], mini["o"], mini["c"]) == ("FOOUSDT", "0.35280000", "0.35300000")
        ticker = told["foousdt@ticker"]
        assert [ticker[key] for key in ("b", "B", "n", "F", "L")] == [
            *("0.35290000", "7.00000000", 3, 100, 103)
        ]
        assert ticker["E"] == TIME + 3 * 400


async def test_pings_tell_the_time_of_the_recording(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who takes pings for the exchange's clock must not believe that years passed without a trade."""
    monkeypatch.setattr(floor, "PING_EVERY", 0)
    async with (
        running(replay=small, speed="max") as sandbox,
        sandbox.connect("/ws/foousdt@trade") as socket,
    ):
        await messages(socket, 3)
        ping = await socket.receive(timeout=30)
        assert ping.type == aiohttp.WSMsgType.PING
        assert int(ping.data) == (await sandbox.get("/api/v3/time"))["serverTime"]
        assert int(ping.data) < TIME + 10_000


async def test_faults_hit_a_replay_too(small: Path) -> None:
    """Messages of a replay can be dropped; ids cannot be skipped, for they are history."""
    async with running(replay=small, speed="max") as sandbox:
        await sandbox.fault(kind="drop", count=1)
        async with sandbox.connect("/ws/foousdt@trade") as socket:
            assert [message["t"] for message in await messages(socket, 2)] == [101, 103]
        url = sandbox.rest + "/sandbox/faults"
        async with sandbox.http.post(url, json={"kind": "skip_ids", "count": 3}) as response:
            assert response.status == 400


async def test_the_real_recording_comes_whole(test_data: Path) -> None:
    """All 19,904 trades come in order, exactly as recorded, at full speed."""
    path = test_data / "ws" / "binance_spot_btcusdt_20240808.jsonl.gz"
    async with (
        running(replay=path, speed="max") as sandbox,
        sandbox.connect("/stream?streams=btcusdt@trade") as socket,
    ):
        found: list[int] = []
        async with asyncio.timeout(60):
            while len(found) < 19_904:
                message = await socket.receive()
                if message.type == aiohttp.WSMsgType.TEXT:
                    found.append(json.loads(message.data)["data"]["t"])
        assert found == list(range(found[0], found[0] + 19_904))
