"""One socket of the hub: frames in and out, whatever is spoken on its path."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from openoutcry.web.hub import wire
from openoutcry.web.hub.deflate import unpack
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.meter import Meter
from openoutcry.web.hub.outbox import Outbox
from openoutcry.web.hub.protocol import REASONS, CloseCode

UNSENT_BYTES: Final = 128 * 1024
"""What the kernel may hold unsent for one client: past that, conflation is ours."""
CLOSE_SECONDS: Final = 2.0
"""How long a closed connection may take to answer and drain before it is cut."""


class Talk(Protocol):
    """What is spoken on a connection. A client that pings is answered without it."""

    ping_seconds: float
    """How often the client is asked whether it is there."""
    pong_seconds: float
    """How long it may take to answer."""
    max_message: int
    """Bytes of a message that it may send."""

    def start(self) -> None:
        """Say hello."""

    def admits(self) -> bool:
        """Count a frame of the client; return whether it does not send too many."""

    def receive(self, message: bytes) -> None:
        """Take a text message of the client."""

    def ping(self) -> bytes:
        """Return the payload of the next ping."""

    def farewell(self) -> None:
        """Say that the hub is about to close, if that is said in messages."""

    def stop(self) -> None:
        """Let go of everything; the connection is gone."""


class House(Protocol):
    """What a connection needs of its server."""

    fanout: Fanout
    meter: Meter
    outbox_bytes: int

    def opened(self, connection: Connection) -> None:
        """Count a new connection in."""

    def gone(self, connection: Connection) -> None:
        """Count a connection out."""


class Connection(WSListener):
    """One socket. `begin` makes the talk that its path is for; `deflate`: compression is agreed on."""

    def __init__(
        self,
        house: House,
        begin: Callable[[Connection, Client], Talk],
        *,
        deflate: bool = False,
    ) -> None:
        self._house = house
        self._begin = begin
        self._deflate = deflate
        self._packed = False
        self._parts: list[bytes] = []
        self._inbox: deque[bytes] = deque()
        self._closing = False
        self.heard = self.pinged = 0.0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Let the client in and greet it."""
        house = self._house
        self._transport = transport
        raw = transport.underlying_transport
        _tune(raw.get_extra_info("socket"))
        self._client = Client(
            # Without the checks of `write` where the transport offers that: the frames are our own.
            getattr(raw, "write_nocheck", raw.write),
            lambda: self.close(CloseCode.SLOW),
            Outbox(house.outbox_bytes),
            deflate=self._deflate,
        )
        self._talk = self._begin(self, self._client)
        house.fanout.add(self._client)
        house.opened(self)
        self._talk.start()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame: assemble messages, answer pings, see the client off."""
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            if not self._closing:
                self._end(0)
                transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif self._closing:
            return
        elif not self._talk.admits():
            self.close(CloseCode.TOO_MANY_MESSAGES)
        elif kind == WSMsgType.PONG:
            self.pinged = 0.0
        elif kind == WSMsgType.PING:
            self._house.fanout.send(self._client, wire.pong_frame(frame.get_payload_as_bytes()))
        elif not self._in_order(frame):
            self.close(CloseCode.BAD_PROTOCOL)
        else:
            if kind == WSMsgType.TEXT:
                self._packed = bool(frame.rsv1)
            self._on_part(frame.get_payload_as_bytes(), whole=bool(frame.fin))

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  (picows' name)
        """Forget the client."""
        self._end(0)
        self._house.gone(self)

    def pause_writing(self) -> None:
        """Say nothing more while the socket is full, and ask for nothing more to answer."""
        if not self._closing:
            self._house.fanout.pause(self._client)
            self._transport.underlying_transport.pause_reading()

    def resume_writing(self) -> None:
        """Catch up when the socket has drained, then answer what was asked meanwhile."""
        if self._closing:
            return
        self._house.fanout.resume(self._client)
        while self._inbox and not self._client.paused and not self._closing:
            self._receive(self._inbox.popleft())
        if not self._client.paused and not self._closing:
            self._transport.underlying_transport.resume_reading()

    def watch(self, now: float) -> None:
        """Ping the client when that is due; close it when it does not answer."""
        if self.pinged and now - self.pinged > self._talk.pong_seconds:
            self.close(CloseCode.NO_PONG)
        elif not self.pinged and now - self.heard >= self._talk.ping_seconds:
            self.heard = self.pinged = now
            self._house.fanout.send(self._client, wire.ping_frame(self._talk.ping()))

    def farewell(self) -> None:
        """Say that the hub is about to close."""
        if not self._closing:
            self._talk.farewell()

    def close(self, code: CloseCode) -> None:
        """Say why and close; cut the connection if that is not taken in time."""
        if self._closing:
            return
        self._end(code)
        self._transport.send_close(int(code), REASONS[code])  # type: ignore[arg-type]
        loop = asyncio.get_running_loop()
        loop.call_later(CLOSE_SECONDS, self._transport.disconnect, False)

    def _end(self, code: int) -> None:
        if not self._closing:
            self._closing = True
            self._house.meter.closed[code] += 1
            self._talk.stop()
            self._house.fanout.remove(self._client)
            self._inbox.clear()

    def _in_order(self, frame: WSFrame) -> bool:
        """Return whether this frame may follow those before it."""
        kind = frame.msg_type
        if frame.rsv1 and not (self._deflate and kind == WSMsgType.TEXT):
            return False
        return kind != WSMsgType.BINARY and (kind == WSMsgType.TEXT) != bool(self._parts)

    def _on_part(self, part: bytes, *, whole: bool) -> None:
        self._parts.append(part)
        if sum(map(len, self._parts)) > self._talk.max_message:
            self.close(CloseCode.BAD_PROTOCOL)
        elif whole:
            message = b"".join(self._parts)
            self._parts.clear()
            if self._packed:
                unpacked = unpack(message, self._talk.max_message)
                if unpacked is None:
                    self.close(CloseCode.BAD_PROTOCOL)
                    return
                message = unpacked
            if self._client.paused:
                self._inbox.append(message)  # bounded: reading is paused, this was read already
            else:
                self._receive(message)

    def _receive(self, message: bytes) -> None:
        self._house.meter.commands += 1
        self._talk.receive(message)


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
