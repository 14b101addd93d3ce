"""Clients that do not read: they cost nobody anything, and are told what became of them."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

from hubkit import Hub, quote
from openoutcry.model import User
from openoutcry.web.hub.server import APP_PATH
from privatekit import Floor, Tab, stuck_upgrade, text_frame

pytest_plugins = ["hubkit", "privatekit"]


async def _stuck(hub: Hub, token: str, *channels: str) -> socket.socket:
    """Return a signed-in connection with subscriptions that nobody reads from."""
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect(("127.0.0.1", hub.port))
    stuck.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(stuck, stuck_upgrade(APP_PATH, token))
    for channel in channels:
        await loop.sock_sendall(stuck, text_frame({"type": "subscribe", "channel": channel}))
    return stuck


async def _read_all(stuck: socket.socket) -> bytes:
    """Return everything that is left to read until the end of the connection."""
    loop, read = asyncio.get_running_loop(), bytearray()
    while chunk := await asyncio.wait_for(loop.sock_recv(stuck, 1 << 20), 30):
        read += chunk
    return bytes(read)


def _texts(read: bytes) -> tuple[list[Any], int | None]:
    """Return the JSON messages of a stream of frames, and the close code."""
    at, messages = read.index(b"\r\n\r\n") + 4, list[Any]()
    while at < len(read):
        kind, size, start = read[at] & 15, read[at + 1], at + 2
        if size == 126:
            size, start = int.from_bytes(read[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, start = int.from_bytes(read[at + 2 : at + 10], "big"), at + 10
        payload = read[start : start + size]
        at = start + size
        if kind == 8:
            return messages, int.from_bytes(payload[:2], "big")
        if kind == 1:
            messages.append(json.loads(payload))
    return messages, None


async def _subscribed(hub: Hub, user: User, count: int) -> None:
    """Wait until a user has so many clients here."""
    async with asyncio.timeout(10):
        while True:
            feed = hub.server.private._feeds.get(user.id)
            if feed is not None and len(feed.clients) == count:
                return
            await asyncio.sleep(0.02)


async def test_past_the_bound_it_is_closed(floor: Floor) -> None:
    """Private messages pile up to the bound; then 3008, with all that was sent whole and in order."""
    hub, ada = await floor.hub(outbox_bytes=256 * 1024), await floor.user("ada")
    token = await floor.token(ada)
    stuck = await _stuck(hub, token, "user")
    async with hub.talk(headers={"X-API-Key": token}) as talk:
        quick = Tab(talk)
        await quick.subscribe()
        await _subscribed(hub, ada, 2)
        offset, text = 0, "x" * 4000
        while not hub.meter.closed[3008]:
            assert offset < 20_000, "a client that does not read goes past the bound"
            await floor.commit(ada, *[text] * 50)
            offset += 50
            await quick.reach(offset)
            slow = [c for c in hub.server._connections if c._client.paused]
            assert sum(each._client.outbox.size for each in slow) <= 256 * 1024
        messages, code = _texts(await _read_all(stuck))
        offsets = [m["offset"] for m in messages if m["type"] == "log_created"]
        assert code == 3008
        assert offsets == list(range(1, len(offsets) + 1))
        assert len(offsets) < offset
        # It comes back with its last offset and has missed nothing (or is told that it has).
        await floor.commit(ada, "after")
        await quick.reach(offset + 1)
        async with hub.talk(headers={"X-API-Key": token}) as again:
            tab = Tab(again)
            answer = await tab.subscribe(offsets[-1], quick.epoch)
            await tab.reach(offset + 1)
            assert answer["recovered"] or len(tab.known) == offset + 1
    stuck.close()


async def test_within_the_bound_it_gets_all(floor: Floor) -> None:
    """One that reads again in time gets every private message, and the latest of each price."""
    hub, ada = await floor.hub(), await floor.user("ada")
    token = await floor.token(ada)
    stuck = await _stuck(hub, token, "user", "price:BTCUSDT")
    async with hub.talk(headers={"X-API-Key": token}) as talk:
        quick = Tab(talk)
        await quick.subscribe()
        await _subscribed(hub, ada, 2)
        offset, number = 0, 0
        while not hub.server.fanout.paused or offset < 500:
            await floor.commit(ada, *["x" * 500] * 20)
            offset += 20
            await quick.reach(offset)
            for _ in range(200):
                number += 1
                hub.server.on_message("market:BTCUSDT", quote("BTCUSDT", number))
            await asyncio.sleep(0)
            assert offset < 1500, "a megabyte is the bound"
    reading = asyncio.create_task(_read_all(stuck))
    while hub.server.fanout.paused:
        await asyncio.sleep(0.02)
    await hub.end()
    messages, code = _texts(await reading)
    offsets = [m["offset"] for m in messages if m["type"] == "log_created"]
    prices = [m for m in messages if m["type"] == "price_update"]
    assert offsets == list(range(1, offset + 1))
    assert prices[-1]["data"]["originalPrice"] == str(number)
    assert len(prices) < number
    assert code == 3001
    stuck.close()
