"""What a client of the hub is told, as values."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct


class Message(Struct, frozen=True):
    """A message of the hub (docs/websocket.md), or of the client itself.

    The client's own are `connected` and `disconnected`, whose data is `{"code", "reason",
    "retry_in"}`. `data` is plain JSON; amounts in it are decimal strings. `offset` and `epoch` are
    those of the private channel, `recovered` of its `subscribed`; `code`, `message` of an `error`.
    """

    type: str
    channel: str = ""
    data: Any = None
    timestamp: str = ""
    offset: int | None = None
    epoch: str | None = None
    recovered: bool | None = None
    code: str = ""
    message: str = ""
    id: str | int | None = None

    @property
    def is_snapshot(self) -> bool:
        """Whether `data` replaces whatever was known of the channel."""
        return self.type == "subscribed" and not self.recovered


def decode(text: bytes) -> Message:
    """Return a message of the hub. Raises msgspec.DecodeError."""
    return _decode(text)


_decode = msgspec.json.Decoder(Message).decode
