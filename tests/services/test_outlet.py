"""The feed's way out: bounded waiting, conflated quotes, a full stream that refuses and recovers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from openoutcry.adapters.valkey.client import connect
from openoutcry.core.keys import FRAME_FIELD, LAST_QUOTES, market_channel
from openoutcry.engines import Engines
from openoutcry.services import outlet as outlet_module
from openoutcry.services.outlet import Outlet
from tape import STREAM, entries, until

BIG = 1 << 30


@contextlib.asynccontextmanager
async def running(outlet: Outlet, *, watch: bool = False) -> AsyncIterator[asyncio.Event]:
    """Run an outlet in the background."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(outlet.run(stop))
        watching = tasks.create_task(outlet.watch_room(stop)) if watch else None
        try:
            yield stop
        finally:
            stop.set()
            if watching is not None:
                watching.cancel()


async def frames_on(valkey: Redis) -> list[bytes]:
    """Return what is on the stream, oldest first, each frame once."""
    found = [fields[FRAME_FIELD] for _, fields in await entries(valkey)]
    return list(dict.fromkeys(found))


async def test_frames_go_out_in_order_and_quotes_to_their_channel(valkey: Redis) -> None:
    """Frames land on their shard's stream in the order put; a quote is published and kept."""
    outlet = Outlet(valkey, 2, BIG)
    async with valkey.pubsub() as subscriber, running(outlet, watch=True):
        await subscriber.subscribe(market_channel("BTCUSDT"))
        await subscriber.get_message(timeout=30)
        for number in range(600):
            outlet.put_frame(0, b"%d" % number, 1)
        outlet.put_frame(1, b"other", 1)
        outlet.put_quote("BTCUSDT", b"quote")

        async def said() -> bool:
            message = await subscriber.get_message(ignore_subscribe_messages=True, timeout=0.1)
            return message is not None and message["data"] == b"quote"

        await until(said)

        async def kept() -> bool:
            return bool(await valkey.hget(LAST_QUOTES, "BTCUSDT") == b"quote")

        await until(kept)

        async def sent() -> bool:
            return outlet.stats.frames == 601

        await until(sent)
    assert await frames_on(valkey) == [b"%d" % number for number in range(600)]
    other = await entries(valkey, "trades_stream:{1}")
    assert [fields[FRAME_FIELD] for _, fields in other] == [b"other"]
    assert outlet.stats.buffered_bytes == 0


async def test_frames_wait_while_valkey_is_away(
    alive: Engines, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the bound they wait, beyond it they are refused and counted; none that waited is lost."""
    monkeypatch.setattr(outlet_module, "BUFFER_BYTES", 100)
    client = connect(valkey_url, retries=0)
    outlet = Outlet(client, 1, BIG)
    alive.kill_valkey()
    async with running(outlet):
        for number in range(30):
            outlet.put_frame(0, b"frame-%04d" % number, 3)
            outlet.put_quote("BTCUSDT", b"%d" % number)
            await asyncio.sleep(0.005)
        assert (outlet.stats.frames, outlet.stats.quotes) == (0, 0)
        assert outlet.stats.buffered_bytes == 100
        assert outlet.stats.refused_trades == 60
        await alive.restart_valkey()

        async def sent() -> bool:
            return outlet.stats.frames == 10 and outlet.stats.quotes == 1

        await until(sent)
        outlet.put_frame(0, b"after", 1)

        async def sent_after() -> bool:
            return outlet.stats.frames == 11

        await until(sent_after)
    assert await frames_on(client) == [*(b"frame-%04d" % n for n in range(10)), b"after"]
    await client.aclose()


async def test_quotes_that_could_not_go_are_replaced_by_newer_ones(
    valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quote that failed to go out never comes back over a newer one of its symbol."""
    outlet = Outlet(valkey, 1, BIG)
    failing = valkey.pipeline(transaction=False)

    async def fail() -> None:
        outlet.put_quote("BTCUSDT", b"newer")
        raise ConnectionError

    monkeypatch.setattr(failing, "execute", fail)
    monkeypatch.setattr(valkey, "pipeline", lambda **_: failing)
    outlet.put_quote("BTCUSDT", b"older")
    outlet.put_quote("ETHUSDT", b"only")
    with pytest.raises(ConnectionError):
        await outlet._send()
    assert outlet._quotes == {"BTCUSDT": b"newer", "ETHUSDT": b"only"}


async def test_a_full_stream_refuses_and_recovers(valkey: Redis) -> None:
    """At the cap new frames are refused and counted; once there is room they are taken again."""
    outlet = Outlet(valkey, 1, 50_000)
    async with running(outlet, watch=True):
        for _ in range(20):
            outlet.put_frame(0, bytes(5_000), 7)

        async def full() -> bool:
            before = outlet.stats.refused_trades
            outlet.put_frame(0, b"one more", 7)
            return outlet.stats.refused_trades == before + 7

        await until(full, pause=0.1)
        assert outlet.stats.stream_bytes >= 50_000
        await valkey.xtrim(STREAM, maxlen=0, approximate=False)

        async def room() -> bool:
            before = outlet.stats.refused_trades
            outlet.put_frame(0, b"again", 7)
            return outlet.stats.refused_trades == before

        await until(room, pause=0.1)

        async def arrived() -> bool:
            return b"again" in await frames_on(valkey)

        await until(arrived)


async def test_what_waits_at_the_end_is_sent(valkey: Redis) -> None:
    """Stopping sends what has been put before."""
    outlet = Outlet(valkey, 1, BIG)
    async with running(outlet):
        for number in range(1_000):
            outlet.put_frame(0, b"%d" % number, 1)
    assert len(await frames_on(valkey)) == 1_000


async def test_stopping_does_not_wait_for_an_absent_valkey(free_port: int) -> None:
    """A feed that is stopped while Valkey is away ends, with what waits uncounted as sent."""
    client = connect(f"redis://127.0.0.1:{free_port}", retries=0)
    outlet = Outlet(client, 1, BIG)
    outlet.put_frame(0, b"lost", 1)
    async with asyncio.timeout(20), running(outlet):
        await asyncio.sleep(0.05)
    assert outlet.stats.frames == 0
    await client.aclose()
