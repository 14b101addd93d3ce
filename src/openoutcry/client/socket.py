"""One WebSocket to the hub, as a client: text messages in and out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from openoutcry.client.errors import HubClosedError
from openoutcry.client.subscriptions import Request

HANDSHAKE_SECONDS: Final = 10.0
PING_SECONDS: Final = 25.0
PONG_SECONDS: Final = 10.0
MOST_BYTES: Final = 16 * 1024 * 1024
"""A snapshot's size at most."""

_REFUSALS: Final = (400, 401, 403, 404)
_NO_CODE: Final = 1006


class HubSocket(WSListener):
    """Gives each text message to `on_text`. `closed` has the close code and reason at the end."""

    def __init__(self, on_text: Callable[[bytes], None]) -> None:
        self._on_text = on_text
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._end = (_NO_CODE, "")
        self.closed: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, url: str, token: str, on_text: Callable[[bytes], None]) -> HubSocket:
        """Return a connection after its handshake. `token` may be empty.

        Raises OSError when the hub is not there or full, HubClosedError when it does not want us.
        """
        socket = cls(on_text)
        try:
            await picows.ws_connect(
                lambda: socket,
                url,
                websocket_handshake_timeout=HANDSHAKE_SECONDS,
                enable_auto_ping=True,
                auto_ping_idle_timeout=PING_SECONDS,
                auto_ping_reply_timeout=PONG_SECONDS,
                max_frame_size=MOST_BYTES,
                extra_headers={"Authorization": f"Bearer {token}"} if token else None,
                logger_name="openoutcry.client",
            )
        except picows.WSHandshakeError as error:
            status = int(error.response.status) if error.response else 0
            if status in _REFUSALS:
                reason = (error.raw_body or b"").decode(errors="replace")
                raise HubClosedError(status, reason) from None
            raise OSError(f"{url}: {error}") from None
        except (TimeoutError, picows.WSError) as error:
            raise OSError(f"{url}: {type(error).__name__}: {error}") from None
        return socket

    def send(self, request: Request) -> None:
        """Send a message; on a closed connection nothing happens."""
        if self._transport is not None and not self.closed.done():
            self._transport.send(WSMsgType.TEXT, _encode(request))

    def hold(self, *, held: bool) -> None:
        """Stop reading, so that the hub sees that we are slow; or go on."""
        raw = self._transport.underlying_transport if self._transport else None
        if raw is not None and not raw.is_closing():
            if held:
                raw.pause_reading()
            else:
                raw.resume_reading()

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Picows: the handshake is done."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Picows: a frame is there."""
        kind = frame.msg_type
        if kind is WSMsgType.TEXT and frame.fin:
            self._on_text(frame.get_payload_as_bytes())
        elif kind in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                text = b"".join(self._parts)
                self._parts.clear()
                self._on_text(text)
        elif kind is WSMsgType.CLOSE:
            code = frame.get_close_code()
            reason = (frame.get_close_message() or b"").decode(errors="replace")
            self._end = (_number(code), reason)
            transport.send_close(code)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  (picows' name)
        """Picows: the connection is gone, for whatever reason."""
        if not self.closed.done():
            self.closed.set_result(self._end)


def _number(code: object) -> int:
    number = getattr(code, "value", code)
    return number if isinstance(number, int) else _NO_CODE


_encode = msgspec.json.Encoder().encode
