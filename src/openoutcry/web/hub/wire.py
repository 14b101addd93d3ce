"""What goes over the wire: WebSocket frames, and market data as the JSON inside them.

Everything here is made once for all the clients that get it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec import Struct

from openoutcry.core.frames import Frame
from openoutcry.core.intervals import SECOND
from openoutcry.model import Candle

_FINAL_TEXT: Final = 0x81
_FINAL_PING: Final = 0x89
_FINAL_PONG: Final = 0x8A
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class TapeTrade(Struct, frozen=True):
    """A trade that is ready to be sent: its venue's id and its JSON."""

    trade_id: int
    text: bytes


class LiveCandle(Struct, frozen=True):
    """A candle as it is told: its row, whether its bucket is over, whether nothing is missing."""

    candle: Candle
    closed: bool
    complete: bool


def text_frame(payload: bytes) -> bytes:
    """Return a whole, final, unmasked text frame."""
    return header(_FINAL_TEXT, len(payload)) + payload


def ping_frame(payload: bytes = b"") -> bytes:
    """Return a ping of `payload`."""
    return header(_FINAL_PING, len(payload)) + payload


def pong_frame(payload: bytes) -> bytes:
    """Return the pong that answers a ping of `payload`."""
    return header(_FINAL_PONG, len(payload)) + payload


def header(first: int, size: int) -> bytes:
    """Return the header of an unmasked frame; `first` is its first byte."""
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")


def timestamp(now: int) -> str:
    """Return `now` (µs) as ISO 8601 UTC in milliseconds."""
    moment = _EPOCH + dt.timedelta(microseconds=now)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def plain_quote(symbol: str, quote: bytes) -> bytes:
    """Return the root path's message of a quote, which is JSON already."""
    return b'{"type":"price_update","symbol":"%b","data":%b}' % (symbol.encode(), quote)


def update(kind: str, channel: str, data: bytes, now: str) -> bytes:
    """Return a change of a channel; `kind` is price, candle or trade, `data` JSON."""
    return b'{"type":"%b_update","channel":"%b","data":%b,"timestamp":"%b"}' % (
        kind.encode(),
        channel.encode(),
        data,
        now.encode(),
    )


def trades_data(symbol: str, trades: Iterable[bytes], skipped: int) -> bytes:
    """Return the data of a `trade_update`."""
    return b'{"symbol":"%b","trades":[%b],"skipped":%d}' % (
        symbol.encode(),
        b",".join(trades),
        skipped,
    )


def trades_snapshot(trades: Iterable[bytes]) -> bytes:
    """Return the snapshot of a trade channel."""
    return b'{"trades":[%b]}' % b",".join(trades)


def candles_snapshot(candles: Iterable[bytes]) -> bytes:
    """Return the snapshot of a candle channel."""
    return b'{"candles":[%b]}' % b",".join(candles)


def candle_data(symbol: str, interval: str, live: LiveCandle) -> bytes:
    """Return a candle's JSON: times in Unix seconds, numbers as decimal strings."""
    row = live.candle
    return (
        f'{{"symbol":"{symbol}","interval":"{interval}","time":{row.bucket // SECOND}'
        f',"open":"{decimal_text(row.open)}","high":"{decimal_text(row.high)}"'
        f',"low":"{decimal_text(row.low)}","close":"{decimal_text(row.close)}"'
        f',"volume":"{decimal_text(row.volume)}","quoteVolume":"{decimal_text(row.quote_volume)}"'
        f',"trades":{row.trades},"takerBuyVolume":"{decimal_text(row.taker_buy_volume)}"'
        f',"takerBuyQuoteVolume":"{decimal_text(row.taker_buy_quote_volume)}"'
        f',"closed":{_bool(live.closed)},"complete":{_bool(live.complete)}}}'
    ).encode()


def trade_text(trade_id: int, price: str, size: str, side: int, venue_time: int) -> bytes:
    """Return a trade's JSON; `side` is 1 if the taker bought, `venue_time` in µs."""
    taker = "buy" if side > 0 else "sell"
    return (
        f'{{"id":{trade_id},"price":"{price}","size":"{size}","side":"{taker}"'
        f',"time":{venue_time // 1000}}}'
    ).encode()


def tape_trades(frame: Frame) -> list[TapeTrade]:
    """Return the trades of a frame, ready to be sent, in the frame's order.

    Raises KeyError when the frame does not carry the scale of a trade's instrument.
    """
    scales = {
        int(row["instrument"]): (int(row["price_scale"]), int(row["size_scale"]))
        for row in frame.scales
    }
    trades = []
    for time, _, trade_id, price, size, instrument, side in frame.trades.tolist():
        price_scale, size_scale = scales[instrument]
        text = trade_text(
            trade_id, scaled_text(price, price_scale), scaled_text(size, size_scale), side, time
        )
        trades.append(TapeTrade(trade_id, text))
    return trades


def scaled_text(value: int, scale: int) -> str:
    """Return a scaled integer as a decimal without trailing zeros: 6184000, 2 -> 61840."""
    if scale == 0:
        return str(value)
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(scale + 1, "0")
    fraction = digits[-scale:].rstrip("0")
    return f"{sign}{digits[:-scale]}.{fraction}" if fraction else f"{sign}{digits[:-scale]}"


def decimal_text(value: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _bool(value: bool) -> str:
    return "true" if value else "false"
