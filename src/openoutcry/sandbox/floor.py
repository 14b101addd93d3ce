"""The WebSocket side: connections, who listens to what, and the exchange's manners."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)

from openoutcry.core.intervals import SECOND
from openoutcry.sandbox.faults import Faults
from openoutcry.venues.binance_server import (
    MAX_INCOMING,
    SHUTDOWN_STREAM,
    Session,
    Stream,
    parse_target,
)
from openoutcry.venues.binance_server_shapes import shutdown_event
from openoutcry.venues.binance_stream_writer import frame, frames, wrap

PING_EVERY = 20 * SECOND
PONG_WITHIN = 60 * SECOND
NOTICE = 10 * SECOND
"""How long before the end of a connection's lifetime `serverShutdown` is sent."""
OUTBOX_BYTES = 32 * 2**20
"""A client that lets this much pile up is cut off."""
HIGH_WATER = 2**20
"""Unsent bytes above which a replay at full speed waits."""


class FloorStats(Struct):
    """Totals since the start."""

    connections: int = 0
    messages: int = 0
    refused: int = 0
    slow: int = 0


class Connection(WSListener):
    """One client."""

    def __init__(self, floor: Floor, session: Session, now: int) -> None:
        self.floor = floor
        self.session = session
        self.opened = now
        self.pinged = now
        self.unanswered: int | None = None
        self.noticed = False
        self.paused = False
        self.outbox: list[bytes] = []
        self._incoming: deque[int] = deque(maxlen=MAX_INCOMING + 1)
        self._fragments: list[bytes] = []
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Start to listen."""
        self.transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=HIGH_WATER)
        self.floor.joined(self)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        """Forget the client."""
        self.floor.left(self)

    def pause_writing(self) -> None:
        """Note that the client reads slower than we write."""
        self.paused = True

    def resume_writing(self) -> None:
        """Note that there is room again."""
        self.paused = False
        self.floor.drained.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer pings, take pongs and requests; cut off who sends too many of them."""
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        now = self.floor.clock()
        self._incoming.append(now)
        if len(self._incoming) > MAX_INCOMING and now - self._incoming[0] < SECOND:
            self.close(WSCloseCode.POLICY_VIOLATION, b"Too many requests")
        elif self.floor.faults.silent("", now):
            pass
        elif kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.PONG:
            self.unanswered = None
        else:
            self._fragments.append(frame.get_payload_as_bytes())
            if frame.fin:
                text, self._fragments = b"".join(self._fragments), []
                transport.send(WSMsgType.TEXT, self.session.receive(text))
                self.floor.listens(self)

    def close(self, code: WSCloseCode, reason: bytes = b"") -> None:
        """Say goodbye and close."""
        if self.transport is not None and not self.transport.is_disconnected:
            self.transport.send_close(code, reason)
            self.transport.disconnect()

    def abort(self) -> None:
        """Close without a word."""
        if self.transport is not None:
            self.transport.disconnect(graceful=False)

    def beat(self, now: int, lifetime: int, market_time: int) -> None:
        """Ping with the market's time, give notice, and end what must end; `lifetime` in µs."""
        if self.transport is None:
            return
        if self.unanswered is not None and now - self.unanswered > PONG_WITHIN:
            self.close(WSCloseCode.POLICY_VIOLATION, b"Pong timeout")
        elif now - self.opened >= lifetime:
            self.close(WSCloseCode.GOING_AWAY)
        elif not self.noticed and now - self.opened >= lifetime - min(NOTICE, lifetime // 2):
            self.notice(now)
        if now - self.pinged >= PING_EVERY and not self.floor.faults.silent("", now):
            self.pinged = now
            self.unanswered = self.unanswered or now
            self.transport.send_ping(str(market_time // 1000).encode())

    def notice(self, now: int) -> None:
        """Tell the client to connect anew."""
        self.noticed = True
        payload = msgspec.json.encode(shutdown_event(now, micro=self.session.micro))
        if self.session.combined:
            payload = wrap(SHUTDOWN_STREAM, payload)
        self.outbox.append(frame(payload))
        self.flush()

    def flush(self) -> None:
        """Write what has gathered, in one go."""
        chunk, self.outbox = b"".join(self.outbox), []
        if self.transport is None or self.transport.is_disconnected:
            return
        raw = self.transport.underlying_transport
        raw.write(chunk)
        if raw.get_write_buffer_size() > OUTBOX_BYTES:
            self.floor.stats.slow += 1
            self.abort()


class Floor:
    """All connections. `lifetime` (µs) is how long each may last."""

    def __init__(self, clock: Callable[[], int], faults: Faults, lifetime: int) -> None:
        self.clock = clock
        self.faults = faults
        self.lifetime = lifetime
        self.stats = FloorStats()
        self.connections: dict[Connection, None] = {}
        self.drained = asyncio.Event()
        self.changed = asyncio.Event()
        self._listeners: dict[str, dict[Connection, None]] = {}
        self._streams: dict[str, Stream] = {}
        self._heard: dict[Connection, set[str]] = {}
        self._dirty: dict[Connection, None] = {}

    def open(self, request: WSUpgradeRequest) -> Connection | WSUpgradeResponseWithListener | None:
        """Return the listener for a handshake; None answers 404."""
        now = self.clock()
        if self.faults.refusing(now):
            self.stats.refused += 1
            refusal = WSUpgradeResponse.create_error_response(503, b"Service Unavailable")
            return WSUpgradeResponseWithListener(refusal, None)
        opening = parse_target(request.path.decode("ascii", "replace"))
        return None if opening is None else Connection(self, Session(opening), now)

    def joined(self, connection: Connection) -> None:
        """Take a connection in."""
        self.stats.connections += 1
        self.connections[connection] = None
        self._heard[connection] = set()
        self.listens(connection)

    def left(self, connection: Connection) -> None:
        """Let a connection go."""
        self.connections.pop(connection, None)
        self._dirty.pop(connection, None)
        for name in self._heard.pop(connection, set()):
            self._drop(name, connection)
        self.drained.set()
        self.changed.set()

    def listens(self, connection: Connection) -> None:
        """Bring the lists of listeners in line with what a connection's session says."""
        heard, wanted = self._heard[connection], connection.session.streams
        for name in heard - wanted.keys():
            self._drop(name, connection)
        for name in wanted.keys() - heard:
            self._listeners.setdefault(name, {})[connection] = None
            self._streams[name] = wanted[name]
        self._heard[connection] = set(wanted)
        self.changed.set()

    def _drop(self, name: str, connection: Connection) -> None:
        listeners = self._listeners[name]
        listeners.pop(connection, None)
        if not listeners:
            del self._listeners[name], self._streams[name]

    def streams(self) -> list[Stream]:
        """Return every stream that somebody listens to."""
        return list(self._streams.values())

    def heard(self, name: str) -> bool:
        """Return whether anybody listens to a stream."""
        return name in self._listeners

    def publish(self, name: str, write: Callable[[bool], list[bytes]]) -> None:
        """Queue the messages that `write` gives for a stream: for times in ms, or (True) in µs.

        They are written once for all connections that want them alike.
        """
        written: dict[tuple[bool, bool], tuple[bytes, int]] = {}
        for connection in self._listeners.get(name, ()):
            style = (connection.session.combined, connection.session.micro)
            if style not in written:
                payloads = write(style[1])
                written[style] = frames(name, payloads, combined=style[0]), len(payloads)
            self.push(connection, *written[style])

    def push(self, connection: Connection, chunk: bytes, messages: int) -> None:
        """Queue a chunk of whole frames for one connection."""
        connection.outbox.append(chunk)
        self._dirty[connection] = None
        self.stats.messages += messages

    def flush(self) -> None:
        """Write all that is queued."""
        dirty, self._dirty = self._dirty, {}
        for connection in dirty:
            connection.flush()

    def beat(self, now: int, market_time: int) -> None:
        """Do what falls due, about once a second; in a replay the market has a time of its own."""
        for connection in list(self.connections):
            connection.beat(now, self.lifetime, market_time)

    def notice(self, now: int) -> None:
        """Tell every client to connect anew."""
        for connection in list(self.connections):
            connection.notice(now)

    def cut(self, connections: Iterable[Connection], *, farewell: bool) -> None:
        """Close connections, with or without a close frame."""
        for connection in list(connections):
            if farewell:
                connection.close(WSCloseCode.GOING_AWAY)
            else:
                connection.abort()
