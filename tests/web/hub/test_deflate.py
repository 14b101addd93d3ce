"""permessage-deflate: what is agreed on, and that both sides read what the other compressed."""

from __future__ import annotations

import json
import zlib
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubkit import Hub, quote
from openoutcry.web.hub import deflate, fanout, wire
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.outbox import EveryTopic, LatestTopic
from openoutcry.web.hub.server import APP_PATH

pytest_plugins = ["hubkit"]
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offers", "agreed"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate; client_max_window_bits=10; server_no_context_takeover", True),
        ('foo, permessage-deflate; server_max_window_bits="15"', True),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        ("", False),
        ("x-webkit-deflate-frame", False),
        ("permessage-deflate; server_max_window_bits=10", False),
        ("permessage-deflate; unheard_of", False),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits", False),
    ],
)
def test_negotiation(offers: str, agreed: bool) -> None:
    """The first acceptable offer is taken without contexts; one that cannot be kept is not."""
    assert deflate.negotiate(offers) == (AGREED if agreed else None)


@given(st.binary(max_size=200_000))
def test_there_and_back(payload: bytes) -> None:
    """What is packed is the same message compressed; longer than allowed it is not unpacked."""
    packed = deflate.pack(wire.text_frame(payload))
    assert packed[0] == 0xC1
    start = {126: 4, 127: 10}.get(packed[1], 2)
    assert deflate.unpack(packed[start:], len(payload)) == payload
    if payload:
        assert deflate.unpack(packed[start:], len(payload) - 1) is None


@given(st.binary(max_size=200))
def test_nonsense(payload: bytes) -> None:
    """Bytes that are no deflate are refused or are something short; nothing is raised."""
    found = deflate.unpack(payload, 1000)
    assert found is None or len(found) <= 1000


def test_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large message is compressed once, however many want it; a small one never."""
    packed: list[bytes] = []

    def pack(frame: bytes) -> bytes:
        packed.append(frame)
        return b"packed"

    monkeypatch.setattr(fanout, "pack", pack)
    turns: list[Any] = []
    hub = Fanout(turns.append)
    every, latest = EveryTopic(), LatestTopic()
    written: list[list[bytes]] = [[] for _ in range(6)]
    clients = [Client(box.append, lambda: None, deflate=at < 4) for at, box in enumerate(written)]
    for at, client in enumerate(clients):
        hub.add(client)
        hub.join(client, every)
        if at % 2:
            hub.join(client, latest)
    hub.pause(clients[0])
    large = b"x" * (deflate.LEAST + 1)
    hub.publish_every(every, large)
    hub.publish_latest(latest, b"small")
    turns.pop()()
    assert packed == [large]
    assert written[1] == written[3] == [b"packedsmall"]
    assert (written[2], written[4], written[5]) == ([b"packed"], [large], [large + b"small"])
    hub.resume(clients[0])
    assert written[0] == [b"packed"]


async def test_over_a_socket(hub: Hub) -> None:
    """A client that offers compression gets large messages compressed, and may compress its own."""
    async with aiohttp.ClientSession() as session:
        socket = await hub.connect(session, compress=15)
        assert socket.compress
        await socket.receive_str(timeout=30)
        await socket.send_str(json.dumps({"type": "ping", "id": "é" * 300}))
        assert json.loads(await socket.receive_str(timeout=30))["id"] == "é" * 300
        await socket.send_str('{"type":"subscribe","channel":"price:BTCUSDT"}')
        await socket.receive_str(timeout=30)
        before = hub.server.fanout.bytes
        long = quote("BTCUSDT", 1)[:-1] + b',"padding":"' + b"y" * 50_000 + b'"}'
        hub.bus.say("market:BTCUSDT", long)
        assert len(await socket.receive_str(timeout=30)) > 50_000
        assert hub.server.fanout.bytes - before < 5_000
        plain = await hub.connect(session, "/", compress=15)
        assert not plain.compress, "only the channels' path has large messages"


async def test_a_bomb(hub: Hub) -> None:
    """A small message that unpacks to a large one is refused, as a large one is."""
    async with aiohttp.ClientSession() as session:
        socket = await hub.connect(session, compress=15)
        await socket.send_str("x" * 1_000_000)
        while (message := await socket.receive(timeout=30)).type == aiohttp.WSMsgType.TEXT:
            pass
        assert message.data == 3501


async def test_uninvited(hub: Hub) -> None:
    """A compressed frame from a client that agreed on nothing is not the protocol."""
    async with aiohttp.ClientSession() as session:
        socket = await hub.connect(session, APP_PATH)
        squeeze = zlib.compressobj(1, zlib.DEFLATED, -15)
        body = squeeze.compress(b'{"type":"ping"}') + squeeze.flush(zlib.Z_SYNC_FLUSH)
        assert socket._response.connection is not None
        transport = socket._response.connection.transport
        assert transport is not None
        transport.write(bytes((0xC1, 0x80 | len(body[:-4]))) + bytes(4) + body[:-4])
        while (message := await socket.receive(timeout=30)).type == aiohttp.WSMsgType.TEXT:
            pass
        assert message.data == 3501
