"""The server's side of Binance Spot's WebSocket: paths and requests in, replies and streams out."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
from msgspec import Struct

from openoutcry.core.intervals import INTERVALS

MAX_STREAMS: Final = 1024
"""Streams that one connection may listen to."""
MAX_INCOMING: Final = 5
"""Messages (ping, pong and JSON together) that a client may send in one second."""
SHUTDOWN_STREAM: Final = "!serverShutdown"
"""Stream name of the shutdown notice on a combined connection."""

KLINE_INTERVALS: Final = tuple(name for name in INTERVALS if name != "30s")
"""The candle lengths that Binance has."""

_METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_PLAIN: Final = frozenset({"trade", "aggTrade", "miniTicker", "ticker", "bookTicker"})
_ID_RANGE: Final = range(-(2**63), 2**63)


class Stream(Struct, frozen=True):
    """A stream's name taken apart.

    `kind` is trade, aggTrade, kline, miniTicker, ticker, bookTicker, miniTickers (all symbols, then
    `symbol` is empty) or other: a well-formed name that this server knows nothing to send for.
    """

    name: str
    symbol: str
    kind: str
    interval: str = ""


class Opening(Struct, frozen=True):
    """What a connection's path asks for. `micro`: times in µs instead of ms."""

    combined: bool
    streams: tuple[str, ...] = ()
    micro: bool = False


def parse_stream(name: str) -> Stream | None:
    """Return the parts of a stream name, or None for what cannot be one."""
    if name.removesuffix("@1000ms").removesuffix("@3000ms") == "!miniTicker@arr":
        return Stream(name, "", "miniTickers")
    symbol, at, kind = name.partition("@")
    if not at or not symbol or not kind or not name.isascii() or " " in name:
        return None
    if kind.startswith("kline_") and kind.removeprefix("kline_") in KLINE_INTERVALS:
        return Stream(name, symbol.upper(), "kline", kind.removeprefix("kline_"))
    known = kind in _PLAIN and symbol.islower()
    return Stream(name, symbol.upper(), kind if known else "other")


def parse_target(target: str) -> Opening | None:
    """Return what the request target of a handshake asks for; None is answered with a 404.

    Understood are `/ws`, `/ws/<number>`, `/ws/<stream>[/<stream>…]`, `/stream` and
    `/stream?streams=a/b/c`, each with an optional `timeUnit=MICROSECOND`.
    """
    try:
        parts = urlsplit(target)
    except ValueError:  # two slashes and then no host
        return None
    query = parse_qs(parts.query)
    micro = query.get("timeUnit", [""])[-1].upper() == "MICROSECOND"
    path = parts.path.strip("/")
    if path == "stream":
        names = query.get("streams", [""])[-1].split("/")
    elif path == "ws" or path.startswith("ws/"):
        names = [unquote(name) for name in path.split("/")[1:]]
        if len(names) == 1 and names[0].isdigit():
            names = []  # ccxt numbers its connections in the path
    else:
        return None
    streams = tuple(dict.fromkeys(name for name in names if parse_stream(name)))
    return Opening(path == "stream", streams, micro) if len(streams) <= MAX_STREAMS else None


class _Refusal(Exception):  # noqa: N818 - a value on its way to the client, not a failure of ours
    """A request's error: Binance's code and text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Session:
    """One client's conversation: which streams it hears, and whether they come wrapped."""

    def __init__(self, opening: Opening) -> None:
        self.combined = opening.combined
        self.micro = opening.micro
        self._streams: dict[str, Stream] = {}
        self._add(list(opening.streams))

    @property
    def streams(self) -> dict[str, Stream]:
        """The streams that the client listens to, by name, in the order of subscribing."""
        return self._streams

    def receive(self, data: bytes) -> bytes:
        """Carry out one request and return the reply's JSON; nothing that is sent can raise."""
        identifier: Any = None
        try:
            request = _decode(data)
            identifier = _identifier(request)
            result = self._carry_out(request)
        except _Refusal as refusal:
            error = {"code": refusal.code, "msg": str(refusal)}
            return msgspec.json.encode({"error": error, "id": identifier})
        return msgspec.json.encode({"result": result, "id": identifier})

    def _carry_out(self, request: dict[str, Any]) -> Any:
        if "method" not in request:
            raise _Refusal(2, "Invalid request: missing field `method`")
        method = request["method"]
        if method not in _METHODS:
            expected = ", ".join(f"`{name}`" for name in _METHODS)
            raise _Refusal(
                2, f"Invalid request: unknown variant `{method}`, expected one of {expected}"
            )
        if method == "LIST_SUBSCRIPTIONS":
            return list(self._streams)
        params = request.get("params")
        if not isinstance(params, list):
            raise _Refusal(2, "Invalid request: params must be an array")
        if method == "SUBSCRIBE":
            return self._add(params)
        if method == "UNSUBSCRIBE":
            for name in _checked(params):
                self._streams.pop(name, None)
            return None
        return self._property(method, params)

    def _add(self, params: list[Any]) -> None:
        added = _checked(params)
        if len(self._streams.keys() | added.keys()) > MAX_STREAMS:
            raise _Refusal(2, "Invalid request: too many parameters")
        self._streams |= added

    def _property(self, method: str, params: list[Any]) -> Any:
        if not params or not isinstance(params[0], str):
            raise _Refusal(2, "Invalid request: property name must be a string")
        if params[0] != "combined":
            raise _Refusal(0, f"Unknown property {params[0]}")
        if method == "GET_PROPERTY":
            return self.combined
        if len(params) != 2:
            raise _Refusal(2, "Invalid request: too many parameters")
        if not isinstance(params[1], bool):
            raise _Refusal(1, "Invalid value type: expected Boolean")
        self.combined = params[1]
        return None


def _checked(params: list[Any]) -> dict[str, Stream]:
    found: dict[str, Stream] = {}
    for name in params:
        stream = parse_stream(name) if isinstance(name, str) else None
        if stream is None:
            raise _Refusal(2, "Invalid request: invalid stream")
        found[stream.name] = stream
    return found


def _decode(data: bytes) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _Refusal(3, f"Invalid JSON: {error}") from None
    if not isinstance(request, dict):
        raise _Refusal(2, "Invalid request: expected an object")
    return request


def _identifier(request: dict[str, Any]) -> Any:
    identifier = request.get("id")
    if identifier is None:
        return None
    if isinstance(identifier, str) and len(identifier) <= 36:
        return identifier
    if isinstance(identifier, int) and identifier is not True and identifier in _ID_RANGE:
        return identifier
    raise _Refusal(
        2, "Invalid request: request ID must be an int64, a string of at most 36, or null"
    )
