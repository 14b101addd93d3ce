"""WebSocket frames and the two busiest messages of Binance's streams, written as bytes at once."""

from __future__ import annotations

from collections.abc import Iterable

from openoutcry.venues.binance_aggregates import AggregateRow, Row


def frame(payload: bytes) -> bytes:
    """Return a whole, unmasked WebSocket text frame."""
    length = len(payload)
    if length < 126:
        return b"\x81" + length.to_bytes(1, "big") + payload
    if length < 65536:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


def wrap(stream: str, payload: bytes) -> bytes:
    """Return a message as a combined connection gets it."""
    return b'{"stream":"%b","data":%b}' % (stream.encode(), payload)


def frames(stream: str, payloads: Iterable[bytes], *, combined: bool) -> bytes:
    """Return the frames of messages of one stream, one after the other."""
    if not combined:
        return b"".join([frame(payload) for payload in payloads])
    head = f'{{"stream":"{stream}","data":'.encode()
    return b"".join([frame(head + payload + b"}") for payload in payloads])


class TradeWriter:
    """Writes one symbol's trades and aggregates, whose numbers have so many decimal places."""

    def __init__(self, symbol: str, price_scale: int, size_scale: int) -> None:
        self._symbol = symbol
        self._price = price_scale
        self._size = size_scale

    def trades(self, rows: Iterable[Row], now: int, *, micro: bool) -> list[bytes]:
        """Return the `@trade` messages; `now` in µs."""
        unit = 1 if micro else 1000
        head = f'{{"e":"trade","E":{now // unit},"s":"{self._symbol}","t":'
        price, size = _Digits(self._price), _Digits(self._size)
        tail = {True: ',"m":false,"M":true}', False: ',"m":true,"M":true}'}
        return [
            f'{head}{number},"p":"{price(ticks)}","q":"{size(steps)}","T":{time // unit}'
            f"{tail[bought]}".encode()
            for number, time, ticks, steps, _, bought in rows
        ]

    def aggregates(self, rows: Iterable[AggregateRow], now: int, *, micro: bool) -> list[bytes]:
        """Return the `@aggTrade` messages; `now` in µs."""
        unit = 1 if micro else 1000
        head = f'{{"e":"aggTrade","E":{now // unit},"s":"{self._symbol}","a":'
        price, size = _Digits(self._price), _Digits(self._size)
        tail = {True: ',"m":false,"M":true}', False: ',"m":true,"M":true}'}
        return [
            f'{head}{number},"p":"{price(ticks)}","q":"{size(steps)}","f":{first},"l":{last}'
            f',"T":{time // unit}{tail[bought]}'.encode()
            for number, time, ticks, steps, first, last, bought in rows
        ]


class _Digits:
    """Writes a scaled whole number with eight decimals, or more where eight would round."""

    __slots__ = ("_fill", "_unit", "_width")

    def __init__(self, scale: int) -> None:
        self._unit = 10**scale
        self._width = scale
        self._fill = "0" * (8 - scale)

    def __call__(self, scaled: int) -> str:
        whole, rest = divmod(scaled, self._unit)
        digits = str(rest).rjust(self._width, "0") if self._width else ""
        if self._width > 8:
            digits = digits[:8] + digits[8:].rstrip("0")
        return f"{whole}.{digits}{self._fill}"
