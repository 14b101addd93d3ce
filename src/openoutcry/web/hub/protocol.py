"""The protocol of `/api/v1/ws/app`, sans I/O: a client's text in, a command or a refusal out.

`docs/websocket.md` is the specification. Where the private channels plug in: `Subscribe` gains
`offset` and `epoch` (resume), `subscribed` gains `recovered`, `offset` and `epoch`, and a token is
checked before the first command, in `server`, which closes with 3005 or 3500.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum
from typing import Any, Final

import msgspec
from msgspec import Struct

from openoutcry.web.hub.channels import Channel, NoChannel, parse_channel

Id = str | int | None


class CloseCode(IntEnum):
    """Why the hub closes a connection; in 3000 to 3499 the client may come back."""

    SHUTDOWN = 3001
    SLOW = 3008
    NO_PONG = 3012
    BAD_PROTOCOL = 3501
    FORCED = 3503
    TOO_MANY_SUBSCRIPTIONS = 3505
    TOO_MANY_MESSAGES = 1008


REASONS: Final = {
    CloseCode.SHUTDOWN: "shutting down",
    CloseCode.SLOW: "too slow",
    CloseCode.NO_PONG: "no pong",
    CloseCode.BAD_PROTOCOL: "not the protocol",
    CloseCode.FORCED: "closed by an operator",
    CloseCode.TOO_MANY_SUBSCRIPTIONS: "too many subscriptions",
    CloseCode.TOO_MANY_MESSAGES: "too many messages",
}

MAX_SUBSCRIPTIONS: Final = 512
MAX_MESSAGE: Final = 4096


class Subscribe(Struct, frozen=True):
    """The client wants a channel."""

    channel: Channel
    id: Id = None


class Unsubscribe(Struct, frozen=True):
    """The client has had enough of a channel."""

    channel: Channel
    id: Id = None


class Ping(Struct, frozen=True):
    """The client asks whether the hub is there."""

    id: Id = None


class Refusal(Struct, frozen=True):
    """A message that is answered with an `error`; the connection stays open."""

    code: str
    message: str
    channel: str | None = None
    id: Id = None


Command = Subscribe | Unsubscribe | Ping


def parse(  # noqa: PLR0911  (one return for each thing that can be wrong)
    payload: bytes, symbols: Collection[str]
) -> Command | Refusal:
    """Return what a text message of a client asks for. Never raises."""
    try:
        message = _decode(payload)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Refusal("bad_json", "The message is not JSON.")
    if not isinstance(message, dict):
        return Refusal("bad_message", "The message is not a JSON object with a `type`.")
    id_ = message.get("id")
    if isinstance(id_, bool) or not isinstance(id_, str | int | None):
        return Refusal("bad_message", "`id` is neither a string nor an integer.")
    kind = message.get("type")
    if not isinstance(kind, str):
        return Refusal("bad_message", "`type` is missing or not a string.", id=id_)
    if kind == "ping":
        return Ping(id_)
    if kind not in ("subscribe", "unsubscribe"):
        return Refusal(
            "unknown_type",
            f"There is no message type {_short(kind)}; send subscribe, unsubscribe or ping.",
            id=id_,
        )
    name = message.get("channel")
    if not isinstance(name, str):
        return Refusal("bad_message", "`channel` is missing or not a string.", id=id_)
    channel = parse_channel(name, symbols)
    if isinstance(channel, NoChannel):
        return Refusal(channel.code, channel.message, name, id_)
    return Subscribe(channel, id_) if kind == "subscribe" else Unsubscribe(channel, id_)


def decide(
    command: Subscribe | Unsubscribe, wanted: Collection[Channel], limit: int = MAX_SUBSCRIPTIONS
) -> Refusal | None:
    """Return why a client that has asked for the channels `wanted` may not have this, if so.

    Subscribing again to a channel is allowed and gives a fresh snapshot.
    """
    name = command.channel.name
    if isinstance(command, Subscribe):
        if len(wanted) >= limit and command.channel not in wanted:
            message = f"A connection may have {limit} subscriptions; unsubscribe from some first."
            return Refusal("too_many_subscriptions", message, name, command.id)
    elif command.channel not in wanted:
        return Refusal("not_subscribed", f"There is no subscription to {name}.", name, command.id)
    return None


def unavailable(command: Subscribe) -> Refusal:
    """Return the refusal for a channel whose snapshot cannot be read just now."""
    message = "The snapshot cannot be read just now; try again in a few seconds."
    return Refusal("unavailable", message, command.channel.name, command.id)


def connected(name: str, symbols: Collection[str], ping: float, timestamp: str) -> bytes:
    """Return the first message to a client of the channels' path."""
    data = {"message": f"Connected to {name}", "symbols": list(symbols), "ping": ping}
    return _encode({"type": "system", "data": data, "timestamp": timestamp})


def connected_plain(name: str, symbols: Collection[str]) -> bytes:
    """Return the first message to a client of the root path."""
    return _encode(
        {"type": "connection", "message": f"Connected to {name}", "assets": list(symbols)}
    )


def subscribed(command: Subscribe, snapshot: bytes, timestamp: str) -> bytes:
    """Return the answer to a subscription; `snapshot` is JSON."""
    return _answer("subscribed", command.channel.name, command.id, timestamp, snapshot)


def unsubscribed(command: Unsubscribe, timestamp: str) -> bytes:
    """Return the answer to the end of a subscription."""
    return _answer("unsubscribed", command.channel.name, command.id, timestamp)


def pong(command: Ping, timestamp: str) -> bytes:
    """Return the answer to a ping."""
    return _answer("pong", None, command.id, timestamp)


def error(refusal: Refusal, timestamp: str) -> bytes:
    """Return the error message for a refusal."""
    answer: dict[str, Any] = {"type": "error", "code": refusal.code, "message": refusal.message}
    if refusal.channel is not None:
        answer["channel"] = refusal.channel
    if refusal.id is not None:
        answer["id"] = refusal.id
    answer["timestamp"] = timestamp
    return _encode(answer)


def _answer(
    kind: str, channel: str | None, id_: Id, timestamp: str, snapshot: bytes | None = None
) -> bytes:
    answer: dict[str, Any] = {"type": kind}
    if channel is not None:
        answer["channel"] = channel
    if id_ is not None:
        answer["id"] = id_
    if snapshot is not None:
        answer["data"] = msgspec.Raw(snapshot)
    answer["timestamp"] = timestamp
    return _encode(answer)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"


_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
