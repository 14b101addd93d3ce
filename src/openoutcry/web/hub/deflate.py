"""permessage-deflate (RFC 7692) without contexts: a frame is compressed once for all its readers. Pure.

Each message is compressed by itself, so that the bytes are the same for every client, and nothing is
remembered of it for any.
"""

from __future__ import annotations

import zlib
from typing import Final

from openoutcry.web.hub.wire import header

LEAST: Final = 1024
"""Bytes of a payload that is worth compressing."""

_LEVEL: Final = 1  # a snapshot of 100 kB takes a millisecond; higher levels save little on JSON
_NAME: Final = "permessage-deflate"
_TAIL: Final = b"\x00\x00\xff\xff"
_COMPRESSED: Final = 0x40
_ANSWER: Final = f"{_NAME}; server_no_context_takeover; client_no_context_takeover"
_PARAMETERS: Final = frozenset(
    {
        "server_no_context_takeover",
        "client_no_context_takeover",
        "client_max_window_bits",
        "server_max_window_bits",
    }
)


def negotiate(offers: str) -> str | None:
    """Return the answer to a `Sec-WebSocket-Extensions` header; None: nothing is agreed on."""
    for offer in offers.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name.lower() == _NAME and _acceptable(parameters):
            return _ANSWER
    return None


def pack(frame: bytes) -> bytes:
    """Return a compressed frame of a final, unmasked frame of at least `LEAST` bytes."""
    start = {126: 4, 127: 10}.get(frame[1], 2)
    squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    body = squeeze.compress(frame[start:]) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    payload = body.removesuffix(_TAIL)
    return header(frame[0] | _COMPRESSED, len(payload)) + payload


def unpack(payload: bytes, most: int) -> bytes | None:
    """Return a client's message; None if it is no deflate or has more than `most` bytes."""
    try:
        message = zlib.decompressobj(-15).decompress(payload + _TAIL, most + 1)
    except zlib.error:
        return None
    return message if len(message) <= most else None


def _acceptable(parameters: list[str]) -> bool:
    seen = set()
    for parameter in parameters:
        name, _, value = (part.strip().strip('"') for part in parameter.partition("="))
        if name not in _PARAMETERS or name in seen:
            return False
        if name == "server_max_window_bits" and value != "15":
            return False  # one window for all, the largest
        seen.add(name)
    return True
