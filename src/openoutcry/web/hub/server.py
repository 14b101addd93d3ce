"""The hub's sockets: picows listens, and the pure parts decide.

permessage-deflate is not offered: quotes are small, and a frame that is encoded once for everybody
could not be shared by clients with contexts of their own. A token on connect (private channels) is
checked in `Server._route`, which sees the whole upgrade request.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import structlog
from msgspec import Struct
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from openoutcry.web.hub import protocol, wire
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.market import Market
from openoutcry.web.hub.meter import Meter
from openoutcry.web.hub.outbox import OWN_BYTES, Outbox
from openoutcry.web.hub.protocol import REASONS, CloseCode
from openoutcry.web.hub.session import Session
from openoutcry.web.hub.sources import Bus, Snapshots

APP_PATH: Final = "/api/v1/ws/app"
NAME: Final = "OpenOutcry"
UNSENT_BYTES: Final = 128 * 1024
"""What the kernel may hold unsent for one client: past that, conflation is ours."""
CLOSE_SECONDS: Final = 2.0
"""How long a closed connection may take to answer and drain before it is cut."""

log = structlog.get_logger(__name__)


class HubOptions(Struct, frozen=True, kw_only=True):
    """What can be configured of a hub."""

    symbols: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 8001
    allowed_origins: tuple[str, ...] = ()
    max_clients: int = 20_000
    max_message: int = protocol.MAX_MESSAGE
    max_subscriptions: int = protocol.MAX_SUBSCRIPTIONS
    outbox_bytes: int = OWN_BYTES
    ping_seconds: float = 25.0
    pong_seconds: float = 10.0


class Connection(WSListener):
    """One socket. On the root path there is no session: the client only listens."""

    def __init__(self, server: Server, *, app: bool) -> None:
        self._server = server
        self._app = app
        self._parts: list[bytes] = []
        self._inbox: deque[bytes] = deque()
        self._closing = False
        self.heard = self.pinged = 0.0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Let the client in and greet it."""
        server = self._server
        self._transport = transport
        raw = transport.underlying_transport
        _tune(raw.get_extra_info("socket"))
        self._client = Client(
            # Without the checks of `write` where the transport offers that: the frames are our own.
            getattr(raw, "write_nocheck", raw.write),
            lambda: self.close(CloseCode.SLOW),
            Outbox(server.options.outbox_bytes),
        )
        self._session = Session(
            self._client,
            server.fanout,
            server.market,
            clock=server.clock,
            close=self.close,
            max_subscriptions=server.options.max_subscriptions,
        )
        server.fanout.add(self._client)
        server.opened(self)
        if self._app:
            self._session.start(NAME, server.options.ping_seconds)
        else:
            hello = protocol.connected_plain(NAME, server.options.symbols)
            server.fanout.send(self._client, wire.text_frame(hello))
            server.fanout.join(self._client, server.market.every_quote)

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
        elif kind == WSMsgType.PONG:
            self.pinged = 0.0
        elif kind == WSMsgType.PING:
            self._server.fanout.send(self._client, wire.pong_frame(frame.get_payload_as_bytes()))
        elif kind == WSMsgType.BINARY or (kind == WSMsgType.TEXT) == bool(self._parts):
            self.close(CloseCode.BAD_PROTOCOL)
        else:
            self._on_part(frame.get_payload_as_bytes(), whole=bool(frame.fin))

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  (picows' name)
        """Forget the client."""
        self._end(0)
        self._server.gone(self)

    def pause_writing(self) -> None:
        """Say nothing more while the socket is full, and ask for nothing more to answer."""
        if not self._closing:
            self._server.fanout.pause(self._client)
            self._transport.underlying_transport.pause_reading()

    def resume_writing(self) -> None:
        """Catch up when the socket has drained, then answer what was asked meanwhile."""
        if self._closing:
            return
        self._server.fanout.resume(self._client)
        while self._inbox and not self._client.paused and not self._closing:
            self._receive(self._inbox.popleft())
        if not self._client.paused and not self._closing:
            self._transport.underlying_transport.resume_reading()

    def ping(self, now: float) -> None:
        """Ask whether the client is there."""
        self.heard = self.pinged = now
        self._server.fanout.send(self._client, wire.ping_frame())

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
            self._server.meter.closed[code] += 1
            self._session.stop()
            self._server.fanout.remove(self._client)
            self._inbox.clear()

    def _on_part(self, part: bytes, *, whole: bool) -> None:
        self._parts.append(part)
        if sum(map(len, self._parts)) > self._server.options.max_message:
            self.close(CloseCode.BAD_PROTOCOL)
        elif whole:
            message = b"".join(self._parts)
            self._parts.clear()
            if self._client.paused:
                self._inbox.append(message)  # bounded: reading is paused, this was read already
            else:
                self._receive(message)

    def _receive(self, message: bytes) -> None:
        self._server.meter.commands += 1
        if self._app:
            self._session.receive(message)


class Server:
    """A hub: its connections and its parts."""

    def __init__(self, options: HubOptions, bus: Bus, store: Snapshots, meter: Meter) -> None:
        self.options = options
        self.meter = meter
        self.fanout = Fanout(asyncio.get_running_loop().call_soon)
        self.market = Market(options.symbols, self.fanout, bus, store, self.clock)
        self._connections: set[Connection] = set()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._bus = bus
        meter.watch(self.fanout, self.market, bus)

    @staticmethod
    def clock() -> int:
        """Return the time in µs since 1970."""
        return time.time_ns() // 1000

    def opened(self, connection: Connection) -> None:
        """Count a new connection in."""
        connection.heard = asyncio.get_running_loop().time()
        self._connections.add(connection)
        self._emptied.clear()
        self.meter.opened += 1
        self.meter.clients = len(self._connections)

    def gone(self, connection: Connection) -> None:
        """Count a connection out."""
        self._connections.discard(connection)
        if not self._connections:
            self._emptied.set()
        self.meter.clients = len(self._connections)

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set, then close everybody with 3001."""
        # picows tells of every connection at `info`; the meter counts them.
        quiet = logging.getLogger("openoutcry.hub.sockets")
        quiet.setLevel(logging.WARNING)
        listener = await ws_create_server(
            self._route,
            self.options.host,
            self.options.port,
            max_frame_size=16 * self.options.max_message,
            enable_auto_pong=False,
            read_buffer_init_size=self.options.max_message,
            backlog=4096,
            logger_name=quiet,
        )
        bus = asyncio.create_task(self._bus.run(self.market))
        watch = asyncio.create_task(self._watch())
        stopped = asyncio.create_task(stop.wait())
        log.info("hub.listening", host=self.options.host, port=self.options.port)
        try:
            done, _ = await asyncio.wait((bus, watch, stopped), return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
        finally:
            listener.close()
            for task in (bus, watch, stopped):
                task.cancel()
            await asyncio.gather(bus, watch, stopped, return_exceptions=True)
            await self.market.aclose()
            await self._close_all()

    async def _close_all(self) -> None:
        self.fanout.flush()
        for connection in tuple(self._connections):
            connection.close(CloseCode.SHUTDOWN)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS + 0.5):
                await self._emptied.wait()

    async def _watch(self) -> None:
        """Once a second: ping who is due, close who does not answer, let time close candles."""
        clock = asyncio.get_running_loop().time
        options = self.options
        step = min(1.0, options.ping_seconds / 4)
        due = clock() + step
        while True:
            await asyncio.sleep(max(due - clock(), 0))
            now = clock()
            # A decaying maximum: one late turn shows in the next few reports.
            self.meter.lag = max(now - due, self.meter.lag * 0.8)
            due = now + step
            for connection in tuple(self._connections):
                if connection.pinged and now - connection.pinged > options.pong_seconds:
                    connection.close(CloseCode.NO_PONG)
                elif not connection.pinged and now - connection.heard >= options.ping_seconds:
                    connection.ping(now)
            self.market.tick()

    def _route(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        path = request.path.decode("latin-1").partition("?")[0]
        if path not in ("/", APP_PATH):
            return self._refuse(404, f"There is nothing at {path}; try / or {APP_PATH}.")
        headers = request.headers
        if not is_allowed(headers.get("Origin"), headers.get("Host"), self.options.allowed_origins):
            return self._refuse(403, "This origin may not connect; see allowed_origins.")
        if len(self._connections) >= self.options.max_clients:
            return self._refuse(503, "The hub is full; try again or try another one.")
        # Firefox sends `keep-alive, Upgrade`, which is right; picows compares the whole value.
        tokens = headers.get("Connection", "").lower().replace(" ", "").split(",")
        if "upgrade" in tokens:
            headers["Connection"] = "Upgrade"
        return Connection(self, app=path == APP_PATH)

    def _refuse(self, status: int, reason: str) -> WSUpgradeResponseWithListener:
        self.meter.refused += 1
        response = WSUpgradeResponse.create_error_response(status, reason.encode())
        return WSUpgradeResponseWithListener(response, None)


def is_allowed(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Return whether a page of `origin` may open the hub at `host` (a Host header).

    Programs send no origin. The dashboard is on the same host, on another port.
    """
    if origin is None or "*" in allowed:
        return True
    if origin.lower().rstrip("/") in {each.lower().rstrip("/") for each in allowed}:
        return True
    try:
        theirs, ours = urlsplit(origin).hostname, urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return theirs is not None and theirs == ours


async def serve(
    options: HubOptions, bus: Bus, store: Snapshots, meter: Meter, stop: asyncio.Event
) -> None:
    """Run a hub until `stop` is set. `meter.status` tells how it is doing."""
    await Server(options, bus, store, meter).run(stop)


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
