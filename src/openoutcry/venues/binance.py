"""Binance Spot market data, the client's side: what to send, and what the messages mean.

Sans-IO: bytes in, values out. Facts: Binance's "WebSocket Streams" and "General REST API information".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from openoutcry.core.scales import parse_decimals
from openoutcry.errors import ProtocolError, ScaleOverflowError
from openoutcry.venues.interface import Control, ControlKind, TradeColumns, VenueLimits

LIMITS: Final = VenueLimits(
    streams_per_connection=1024,
    messages_per_second=5,
    connections_per_window=300,
    window_seconds=300,
    lifetime_seconds=24 * 3600,
)

STREAMS_PER_MESSAGE: Final = 200
PATH: Final = "/ws"

_YEAR_10000: Final = 253_402_300_800_000_000


class _Trade(Struct, gc=False, tag_field="e", tag="trade"):
    """A `@trade` event: symbol, id, price, quantity, trade and event time, buyer is maker."""

    s: str
    t: int
    p: str
    q: str
    T: int
    E: int
    m: bool


class _Other(Struct, gc=False):
    """An answer, an error or an event that is no trade."""

    e: str = ""
    id: int | str | None = None
    error: Raw = Raw(b"")


class BinanceProtocol:
    """Speaks for one connection. Feed it whole text messages; it holds no clock and no socket."""

    limits = LIMITS
    consecutive_ids = True

    def __init__(self) -> None:
        self._decode_trade = msgspec.json.Decoder(_Trade).decode
        self._decode_trades = msgspec.json.Decoder(list[_Trade]).decode
        self._decode_other = msgspec.json.Decoder(_Other).decode
        self._next_id = 1

    def url(self, base: str) -> str:
        """Return the address to connect to, given the host `base`."""
        return base.rstrip("/") + PATH

    def subscribe(self, symbols: Sequence[str]) -> Iterator[bytes]:
        """Yield the messages that ask for the trades of `symbols`, to be sent within the limits."""
        for at in range(0, len(symbols), STREAMS_PER_MESSAGE):
            streams = [f"{s.lower()}@trade" for s in symbols[at : at + STREAMS_PER_MESSAGE]]
            yield msgspec.json.encode(
                {"method": "SUBSCRIBE", "params": streams, "id": self._next_id}
            )
            self._next_id += 1

    def receive(self, messages: Sequence[bytes]) -> tuple[TradeColumns | None, list[Control]]:
        """Return the trades in `messages`, in order, and everything else that matters.

        A message that cannot be read becomes a control of kind MALFORMED; the others are unharmed.
        Raises ScaleOverflowError if no scale fits all of them; one by one they fit.
        """
        controls: list[Control] = []
        try:
            trades = self._decode_trades(b"[" + b",".join(messages) + b"]")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            trades = self._decode_each(messages, controls)
        if not trades:
            return None, controls
        try:
            return _columns(trades), controls
        except (ProtocolError, ScaleOverflowError, OverflowError):
            return _columns_of_good(trades, controls), controls

    def ping_time(self, payload: bytes) -> int | None:
        """Return the venue's clock in µs: Binance sends it in ms as the payload of its pings."""
        if len(payload) == 13 and payload.isdigit():
            return int(payload) * 1000
        return None

    def _decode_each(self, messages: Sequence[bytes], controls: list[Control]) -> list[_Trade]:
        """Tell trades from the rest: the path for batches that hold more than trades."""
        trades = []
        for message in messages:
            try:
                trades.append(self._decode_trade(message))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                controls.append(self._control(message, str(error)))
        return trades

    def _control(self, message: bytes, reason: str) -> Control:
        shown = message[:200].decode(errors="replace")
        try:
            other = self._decode_other(message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Control(ControlKind.MALFORMED, f"{reason}: {shown}")
        if other.e == "serverShutdown":
            return Control(ControlKind.SHUTDOWN, shown)
        if other.error:
            return Control(ControlKind.REFUSED, shown)
        if other.id is not None:
            return Control(ControlKind.SUBSCRIBED, str(other.id))
        return Control(ControlKind.MALFORMED, f"{reason}: {shown}")


def _columns(trades: list[_Trade]) -> TradeColumns:
    price, price_scale = parse_decimals([trade.p for trade in trades])
    size, size_scale = parse_decimals([trade.q for trade in trades])
    times = _to_us(np.array([trade.T for trade in trades], np.int64))
    if times.min() < 0 or times.max() >= _YEAR_10000:
        raise ProtocolError("a trade's time is outside the years 1970-9999")
    return TradeColumns(
        symbol=[trade.s for trade in trades],
        trade_id=np.array([trade.t for trade in trades], np.int64),
        price=price,
        price_scale=price_scale,
        size=size,
        size_scale=size_scale,
        side=_taker_side(np.array([trade.m for trade in trades], bool)),
        venue_time=times,
        event_time=max(_to_us_one(trades[-1].E), _to_us_one(trades[-1].T)),
    )


def _columns_of_good(trades: list[_Trade], controls: list[Control]) -> TradeColumns | None:
    """Return the trades whose numbers make sense; report the others."""
    good = []
    for trade in trades:
        try:
            _columns([trade])
            good.append(trade)
        except (ProtocolError, ScaleOverflowError, OverflowError) as error:
            controls.append(
                Control(ControlKind.MALFORMED, f"trade {trade.t} of {trade.s}: {error}")
            )
    return _columns(good) if good else None


def _taker_side(buyer_is_maker: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return -1 where the buyer was the maker (so the taker sold), else 1."""
    return np.where(buyer_is_maker, -1, 1).astype(np.int32)


def _to_us(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return times in µs; the venue sends ms, or µs with `timeUnit=MICROSECOND`."""
    return np.where(times < 100_000_000_000_000, times * 1000, times)


def _to_us_one(time: int) -> int:
    return time * 1000 if time < 100_000_000_000_000 else time
