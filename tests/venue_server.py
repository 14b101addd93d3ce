"""A venue in a few lines: a WebSocket server that speaks Binance and does what a test tells it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import picows
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

T0_MS = 1_723_161_255_342


def trade_message(
    symbol: str, trade_id: int, price: str = "61837.63000000", **changes: Any
) -> bytes:
    """Return a `@trade` message; each id is a millisecond later than the one before."""
    message = {
        "e": "trade", "E": T0_MS + trade_id, "s": symbol, "t": trade_id, "p": price,
        "q": "0.02000000", "T": T0_MS + trade_id, "m": True, "M": True,
    }  # fmt: skip
    return json.dumps(message | changes).encode()


class Peer(WSListener):
    """One connection of a client."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self.transport: WSTransport | None = None
        self.streams: set[str] = set()
        self.asked: list[tuple[float, dict[str, Any]]] = []
        self.pongs: list[bytes] = []
        self.open = True

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Picows: the client is here."""
        self.transport = transport
        self._venue.peers.append(self)
        self._venue.events.append(("open", len(self._venue.peers) - 1))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Picows: answer subscriptions, keep pongs."""
        if frame.msg_type is WSMsgType.TEXT:
            request = json.loads(frame.get_payload_as_bytes())
            self.asked.append((time.monotonic(), request))
            if self._venue.answers:
                self.streams |= set(request["params"])
                self.send(json.dumps({"result": None, "id": request["id"]}).encode())
                self._venue.events.append(("subscribed", self._venue.peers.index(self)))
        elif frame.msg_type is WSMsgType.PONG:
            self.pongs.append(frame.get_payload_as_bytes())
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' name
        """Picows: the client has gone."""
        self.open = False
        self._venue.events.append(("closed", self._venue.peers.index(self)))

    def send(self, *messages: bytes) -> None:
        """Send text messages."""
        assert self.transport is not None
        for message in messages:
            self.transport.send(WSMsgType.TEXT, message)

    def ping(self, payload: bytes) -> None:
        """Send a ping."""
        assert self.transport is not None
        self.transport.send_ping(payload)

    def close(self) -> None:
        """Close as a server does that goes down."""
        assert self.transport is not None
        self.transport.send_close(WSCloseCode.GOING_AWAY)
        self.transport.disconnect()


class Venue:
    """All connections so far, and what happened to them in its order."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.events: list[tuple[str, int]] = []
        self.answers = True
        self.url = ""

    @property
    def open(self) -> list[Peer]:
        """The connections that are open and subscribed to something."""
        return [peer for peer in self.peers if peer.open and peer.streams]

    def tell(self, *messages: bytes) -> None:
        """Send messages to every subscriber."""
        for peer in self.open:
            peer.send(*messages)


@asynccontextmanager
async def venue_server() -> AsyncIterator[Venue]:
    """Serve a venue on a free port."""
    venue = Venue()
    server = await picows.ws_create_server(
        lambda _: Peer(venue), "127.0.0.1", 0, enable_auto_pong=False
    )
    venue.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield venue
    finally:
        server.close()
        for peer in venue.peers:
            if peer.open and peer.transport is not None:
                peer.transport.disconnect(graceful=False)
