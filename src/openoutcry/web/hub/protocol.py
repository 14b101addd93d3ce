"""The protocol of `/api/v1/ws/app`, sans I/O: a client's text in, a command or a refusal out.

`docs/websocket.md` is the specification.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum
from typing import Any, Final

import msgspec
from msgspec import Struct

from openoutcry.core.keys import STATS_TRADES
from openoutcry.core.user_messages import CHANNEL, Position
from openoutcry.web.hub.channels import Channel, NoChannel, parse_channel

Id = str | int | None


class CloseCode(IntEnum):
    """Why the hub closes a connection; in 3000 to 3499 the client may come back."""

    SHUTDOWN = 3001
    UNAVAILABLE = 3004
    EXPIRED = 3005
    SLOW = 3008
    NO_PONG = 3012
    INVALID_TOKEN = 3500
    BAD_PROTOCOL = 3501
    FORCED = 3503
    TOO_MANY_SUBSCRIPTIONS = 3505
    TOO_MANY_MESSAGES = 1008


REASONS: Final = {
    CloseCode.SHUTDOWN: "shutting down",
    CloseCode.UNAVAILABLE: "the sign-in cannot be checked just now",
    CloseCode.EXPIRED: "the token has expired",
    CloseCode.SLOW: "too slow",
    CloseCode.NO_PONG: "no pong",
    CloseCode.INVALID_TOKEN: "not signed in, or no more",
    CloseCode.BAD_PROTOCOL: "not the protocol",
    CloseCode.FORCED: "closed by an operator",
    CloseCode.TOO_MANY_SUBSCRIPTIONS: "too many subscriptions",
    CloseCode.TOO_MANY_MESSAGES: "too many messages",
}

MAX_SUBSCRIPTIONS: Final = 512
MAX_MESSAGE: Final = 4096
# Enough to subscribe to everything twice: who comes back may be refused first, until its token is known.
MESSAGES_AT_ONCE: Final = 1200
MESSAGES_A_SECOND: Final = 50


class Subscribe(Struct, frozen=True):
    """The client wants a channel; with `position`, to go on from there."""

    channel: Channel
    id: Id = None
    position: Position | None = None


class Unsubscribe(Struct, frozen=True):
    """The client has had enough of a channel."""

    channel: Channel
    id: Id = None


class Auth(Struct, frozen=True):
    """The client shows a token or a key: its first, or one to go on with."""

    token: str
    id: Id = None

    def __repr__(self) -> str:
        # A secret must not get into a log by way of a traceback or an f-string.
        return "Auth(…)"


class Ping(Struct, frozen=True):
    """The client asks whether the hub is there."""

    id: Id = None


class Refusal(Struct, frozen=True):
    """A message that is answered with an `error`; the connection stays open."""

    code: str
    message: str
    channel: str | None = None
    id: Id = None


Command = Subscribe | Unsubscribe | Auth | Ping


def parse(payload: bytes, symbols: Collection[str]) -> Command | Refusal:
    """Return what a text message of a client asks for. Never raises."""
    message = _object(payload)
    if isinstance(message, Refusal):
        return message
    id_, kind = message.get("id"), message["type"]
    if kind == "ping":
        return Ping(id_)
    if kind == "auth":
        token = message.get("token")
        if not isinstance(token, str) or not token:
            return Refusal("bad_message", "`token` is missing or not a string.", id=id_)
        return Auth(token, id_)
    if kind in ("subscribe", "unsubscribe"):
        return _about_channel(kind, message, symbols)
    return Refusal(
        "unknown_type",
        f"There is no message type {_short(kind)}; send subscribe, unsubscribe, auth or ping.",
        id=id_,
    )


def _object(payload: bytes) -> dict[str, Any] | Refusal:
    """Return a message that has a type and, if any, a proper id."""
    try:
        message = _decode(payload)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return Refusal("bad_json", "The message is not JSON.")
    if not isinstance(message, dict):
        return Refusal("bad_message", "The message is not a JSON object with a `type`.")
    id_ = message.get("id")
    if isinstance(id_, bool) or not isinstance(id_, str | int | None):
        return Refusal("bad_message", "`id` is neither a string nor an integer.")
    if not isinstance(message.get("type"), str):
        return Refusal("bad_message", "`type` is missing or not a string.", id=id_)
    return message


def _about_channel(
    kind: str, message: dict[str, Any], symbols: Collection[str]
) -> Subscribe | Unsubscribe | Refusal:
    id_, name = message.get("id"), message.get("channel")
    if not isinstance(name, str):
        return Refusal("bad_message", "`channel` is missing or not a string.", id=id_)
    channel = parse_channel(name, symbols)
    if isinstance(channel, NoChannel):
        return Refusal(channel.code, channel.message, name, id_)
    if kind == "unsubscribe":
        return Unsubscribe(channel, id_)
    return _resume(message, channel, id_) if channel.private else Subscribe(channel, id_)


def _resume(message: dict[str, Any], channel: Channel, id_: Id) -> Subscribe | Refusal:
    offset, epoch = message.get("offset"), message.get("epoch")
    if offset is None and epoch is None:
        return Subscribe(channel, id_)
    if type(offset) is not int or offset < 0 or not isinstance(epoch, str):
        problem = "`offset` (an integer from 0) and `epoch` (a string) go together."
        return Refusal("bad_message", problem, channel.name, id_)
    return Subscribe(channel, id_, Position(offset, epoch))


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


def may_not(
    command: Subscribe, *, signed_in: bool, public: bool, guest: bool = False
) -> Refusal | None:
    """Return why a client may not have a channel, if so.

    `public` says that market data needs no sign-in. A `guest` is a page of an origin that may hear
    the public counter and nothing else; that is for everybody.
    """
    if command.channel.kind == STATS_TRADES:
        return None
    if guest:
        return guests_may_not(command.channel.name, command.id)
    if signed_in or (public and not command.channel.private):
        return None
    message = "Sign in first: connect with a token, or send it in a message of type auth."
    return Refusal("unauthorized", message, command.channel.name, command.id)


def guests_may_not(channel: str | None, id_: Id) -> Refusal:
    """Return the refusal of what a page of a public origin may not do."""
    message = f"Pages of this origin may hear {STATS_TRADES} only; see public_origins."
    return Refusal("forbidden", message, channel, id_)


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


def resumed(command: Subscribe, at: Position, timestamp: str) -> bytes:
    """Return the answer to a subscription that goes on where it was, at `at`."""
    return _private(command.id, at, timestamp, None)


def renewed(id_: Id, at: Position, snapshot: bytes, timestamp: str) -> bytes:
    """Return a private channel's snapshot (JSON), true at `at`: an answer, or sent unasked."""
    return _private(id_, at, timestamp, snapshot)


def _private(id_: Id, at: Position, timestamp: str, snapshot: bytes | None) -> bytes:
    answer: dict[str, Any] = {"type": "subscribed", "channel": CHANNEL}
    if id_ is not None:
        answer["id"] = id_
    answer |= {"recovered": snapshot is None, "offset": at.offset, "epoch": at.epoch}
    if snapshot is not None:
        answer["data"] = msgspec.Raw(snapshot)
    answer["timestamp"] = timestamp
    return _encode(answer)


def authenticated(
    id_: Id, user: tuple[int, str, str], expires: str | None, timestamp: str
) -> bytes:
    """Return the news that the client is signed in: its user's id, name and role, and until when."""
    data = {"user_id": user[0], "name": user[1], "role": user[2], "expires_at": expires}
    answer: dict[str, Any] = {"type": "authenticated", "data": data, "timestamp": timestamp}
    return _encode(answer if id_ is None else {**answer, "id": id_})


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
