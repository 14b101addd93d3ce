"""One WebSocket connection to a venue, as a client: whole messages with the time they came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from openoutcry.errors import VenueUnavailableError

_HANDSHAKE_SECONDS: Final = 10.0
_MAX_MESSAGE: Final = 4 * 1024 * 1024

Chunk = tuple[int, list[bytes]]
"""Messages of one read from the socket, and the time (µs) of that read."""


class VenueSocket(WSListener):
    """Gathers text messages until `take`; answers pings with their own payload, as venues ask.

    `on_data` is called when the first message after a `take` is there. `last_heard` is the
    monotonic time (s) of the last bytes, pings included.
    """

    def __init__(
        self, on_data: Callable[[VenueSocket], None], on_ping: Callable[[VenueSocket, bytes], None]
    ) -> None:
        self._on_data = on_data
        self._on_ping = on_ping
        self._transport: WSTransport | None = None
        self._chunks: list[Chunk] = []
        self._messages: list[bytes] = []
        self._partial = bytearray()
        self._held = False
        self.last_heard = time.monotonic()
        self.closed = asyncio.Event()

    @classmethod
    async def open(
        cls,
        url: str,
        on_data: Callable[[VenueSocket], None],
        on_ping: Callable[[VenueSocket, bytes], None],
    ) -> VenueSocket:
        """Return a connection to `url` after its handshake.

        Raises VenueUnavailableError when the venue cannot be reached or does not upgrade.
        """
        socket = cls(on_data, on_ping)
        try:
            await picows.ws_connect(
                lambda: socket,
                url,
                websocket_handshake_timeout=_HANDSHAKE_SECONDS,
                enable_auto_pong=False,
                max_frame_size=_MAX_MESSAGE,
                logger_name="venue",
            )
        except (TimeoutError, OSError, picows.WSError) as error:
            raise VenueUnavailableError(f"{url}: {type(error).__name__}: {error}") from None
        return socket

    def take(self) -> list[Chunk]:
        """Return what has come since the last call."""
        if self._messages:
            self._end_chunk()
        chunks, self._chunks = self._chunks, []
        return chunks

    def send(self, message: bytes) -> None:
        """Send a text message; on a closed connection nothing happens."""
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)

    def hold(self, *, held: bool) -> None:
        """Stop reading from the socket, so that the venue's own buffers fill; or go on."""
        transport = None if self._transport is None else self._transport.underlying_transport
        if transport is None or transport.is_closing() or held == self._held:
            return
        self._held = held
        if held:
            transport.pause_reading()
        else:
            transport.resume_reading()
            self.last_heard = time.monotonic()

    def close(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Picows: the handshake is done."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Picows: a frame is there."""
        kind = frame.msg_type
        if kind is WSMsgType.TEXT and frame.fin:
            if not self._messages and not self._chunks:
                self._on_data(self)
            self._messages.append(frame.get_payload_as_bytes())
            if frame.last_in_buffer:
                self._end_chunk()
        else:
            self._on_rare_frame(transport, frame, kind)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows' name
        """Picows: the connection is gone, for whatever reason."""
        self.closed.set()

    def _on_rare_frame(self, transport: WSTransport, frame: WSFrame, kind: WSMsgType) -> None:
        self.last_heard = time.monotonic()
        if kind is WSMsgType.PING:
            payload = frame.get_payload_as_bytes()
            transport.send_pong(payload)
            self._on_ping(self, payload)
        elif kind is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._on_fragment(frame)

    def _on_fragment(self, frame: WSFrame) -> None:
        self._partial += frame.get_payload_as_bytes()
        if len(self._partial) > _MAX_MESSAGE:
            self.close()
        elif frame.fin:
            if not self._messages and not self._chunks:
                self._on_data(self)
            self._messages.append(bytes(self._partial))
            self._partial.clear()
            self._end_chunk()

    def _end_chunk(self) -> None:
        self.last_heard = time.monotonic()
        self._chunks.append((time.time_ns() // 1000, self._messages))
        self._messages = []
