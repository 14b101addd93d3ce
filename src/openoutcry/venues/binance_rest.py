"""Binance Spot's REST answers: requests with their weights, and what comes back.

Sans-IO. Weights and limits: Binance's "Market Data endpoints" of the Spot REST API.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from openoutcry.core.klines import Klines
from openoutcry.core.scales import parse_decimals, plain, scale_of
from openoutcry.core.tickers import BookTop, Ticker
from openoutcry.errors import ProtocolError
from openoutcry.model import Candle
from openoutcry.venues.interface import TradeColumns

T = TypeVar("T")

PAGE: Final = 1000
"""Most trades, aggregates or klines in one answer."""

WEIGHT_PER_MINUTE: Final = 6000
"""What the venue allows one address to spend in a minute."""

_SCALE_WITHOUT_FILTERS: Final = 8


class Request(Struct, frozen=True):
    """A GET: path, query and the weight it costs."""

    path: str
    query: dict[str, str]
    weight: int


class SymbolInfo(Struct, frozen=True):
    """What `exchangeInfo` says of a symbol, with the scales its tick and step sizes need."""

    symbol: str
    base: str
    quote: str
    price_scale: int
    size_scale: int


def exchange_info(symbols: list[str]) -> Request:
    """Ask for the instruments called `symbols` (upper case)."""
    names = msgspec.json.encode(sorted(symbols)).decode()
    return Request("/api/v3/exchangeInfo", {"symbols": names}, 20)


def every_symbol() -> Request:
    """Ask for every instrument."""
    return Request("/api/v3/exchangeInfo", {}, 20)


def every_ticker() -> Request:
    """Ask for the last 24 hours of every symbol, in the short form."""
    return Request("/api/v3/ticker/24hr", {"type": "MINI"}, 80)


def every_book(symbols: list[str]) -> Request:
    """Ask for the best bid and ask of `symbols` (upper case)."""
    names = msgspec.json.encode(sorted(symbols)).decode().replace(" ", "")
    return Request("/api/v3/ticker/bookTicker", {"symbols": names}, 4)


def historical_trades(symbol: str, from_id: int) -> Request:
    """Ask for up to 1000 trades from `from_id` on."""
    query = {"symbol": symbol, "fromId": str(from_id), "limit": str(PAGE)}
    return Request("/api/v3/historicalTrades", query, 25)


def newest_aggregate(symbol: str) -> Request:
    """Ask for the newest aggregate trade: the cheapest way to learn the newest trade id."""
    return Request("/api/v3/aggTrades", {"symbol": symbol, "limit": "1"}, 4)


def first_aggregate(symbol: str, start_ms: int) -> Request:
    """Ask for the first aggregate trade at or after `start_ms`."""
    query = {"symbol": symbol, "startTime": str(start_ms), "limit": "1"}
    return Request("/api/v3/aggTrades", query, 4)


def klines(symbol: str, interval: str, start_ms: int, end_ms: int) -> Request:
    """Ask for up to 1000 klines that open in start_ms..end_ms, both inclusive."""
    query = {
        "symbol": symbol,
        "interval": interval,
        "startTime": str(start_ms),
        "endTime": str(end_ms),
        "limit": str(PAGE),
    }
    return Request("/api/v3/klines", query, 2)


class _Ticker(Struct, rename="camel", gc=False):
    symbol: str
    last_price: str
    open_price: str
    high_price: str
    low_price: str
    volume: str
    quote_volume: str
    close_time: int


class _BookTop(Struct, rename="camel", gc=False):
    symbol: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str


class _Filter(Struct, rename="camel"):
    filter_type: str
    tick_size: str = ""
    step_size: str = ""


class _Symbol(Struct, rename="camel"):
    symbol: str
    base_asset: str
    quote_asset: str
    filters: list[_Filter] = []


class _RateLimit(Struct, rename="camel"):
    rate_limit_type: str = ""
    interval: str = ""
    interval_num: int = 0
    limit: int = 0


class _ExchangeInfo(Struct, rename="camel"):
    symbols: list[_Symbol]
    rate_limits: list[_RateLimit] = []


class _Trade(Struct, rename="camel", gc=False):
    id: int
    price: str
    qty: str
    time: int
    is_buyer_maker: bool


class _Aggregate(Struct, gc=False):
    f: int
    l: int  # noqa: E741 - the venue's own name
    T: int


def parse_exchange_info(body: bytes) -> dict[str, SymbolInfo]:
    """Return the symbols of an `exchangeInfo` answer by name."""
    info = _decode(body, _ExchangeInfo)
    return {symbol.symbol: _symbol_info(symbol) for symbol in info.symbols}


def parse_weight_limit(body: bytes) -> int | None:
    """Return the request weight a minute that an `exchangeInfo` answer allows, if it says."""
    for one in _decode(body, _ExchangeInfo).rate_limits:
        if (one.rate_limit_type, one.interval, one.interval_num) == ("REQUEST_WEIGHT", "MINUTE", 1):
            return one.limit or None
    return None


def parse_tickers(body: bytes) -> list[Ticker]:
    """Return the rows of a `ticker/24hr` answer, also those whose numbers make no sense.

    Raises ProtocolError if it is not a list of tickers at all, or an empty one.
    """
    rows = _decode(body, list[_Ticker])
    if not rows:
        raise ProtocolError("the venue's answer has no ticker in it")
    return [
        Ticker(
            row.symbol,
            row.last_price,
            row.open_price,
            row.high_price,
            row.low_price,
            row.volume,
            row.quote_volume,
            to_us(row.close_time),
        )
        for row in rows
    ]


def parse_books(body: bytes, received: int) -> list[BookTop]:
    """Return the rows of a `ticker/bookTicker` answer, without update numbers (0).

    `received` is when it came, in µs. A side that nobody quotes is left out with its symbol.
    Raises ProtocolError if it is not such an answer.
    """
    return [
        BookTop(row.symbol, 0, row.bid_price, row.bid_qty, row.ask_price, row.ask_qty, received)
        for row in _decode(body, list[_BookTop])
        if row.bid_price.strip("0.") and row.ask_price.strip("0.")
    ]


def parse_trades(symbol: str, body: bytes) -> TradeColumns | None:
    """Return the trades of a `trades` or `historicalTrades` answer, ascending; None if empty."""
    trades = _decode(body, list[_Trade])
    if not trades:
        return None
    trades.sort(key=lambda trade: trade.id)
    price, price_scale = parse_decimals([trade.price for trade in trades])
    size, size_scale = parse_decimals([trade.qty for trade in trades])
    maker = np.array([trade.is_buyer_maker for trade in trades], bool)
    times = np.array([to_us(trade.time) for trade in trades], np.int64)
    return TradeColumns(
        symbol=[symbol] * len(trades),
        trade_id=np.array([trade.id for trade in trades], np.int64),
        price=price,
        price_scale=price_scale,
        size=size,
        size_scale=size_scale,
        side=np.where(maker, -1, 1).astype(np.int32),
        venue_time=times,
        event_time=int(times[-1]),
    )


def parse_aggregate(body: bytes) -> tuple[int, int, int] | None:
    """Return first trade id, last trade id and time (µs) of the last aggregate in an answer."""
    aggregates = _decode(body, list[_Aggregate])
    if not aggregates:
        return None
    last = aggregates[-1]
    return last.f, last.l, to_us(last.T)


def parse_klines(instrument: int, base: str, start: int, end: int, body: bytes) -> Klines:
    """Return a `klines` answer for venue times start..end (µs); buckets without trades are left out."""
    rows = _decode(body, list[list[Any]])
    try:
        candles = [_candle(row) for row in rows]
    except (ValueError, TypeError, ArithmeticError, IndexError) as error:
        raise ProtocolError(f"a kline cannot be read: {error!r}") from None
    inside = [c for c in candles if c.trades and start <= c.bucket < end]
    return Klines(instrument=instrument, base=base, start=start, end=end, candles=inside)


def to_us(time: int) -> int:
    """Return a time that the venue sends in ms, or in µs, in µs."""
    return time * 1000 if time < 100_000_000_000_000 else time


def _candle(row: list[Any]) -> Candle:
    return Candle(
        bucket=to_us(int(row[0])),
        open=plain(Decimal(row[1])),
        high=plain(Decimal(row[2])),
        low=plain(Decimal(row[3])),
        close=plain(Decimal(row[4])),
        volume=plain(Decimal(row[5])),
        quote_volume=plain(Decimal(row[7])),
        trades=int(row[8]),
        taker_buy_volume=plain(Decimal(row[9])),
        taker_buy_quote_volume=plain(Decimal(row[10])),
    )


def _symbol_info(symbol: _Symbol) -> SymbolInfo:
    steps = {"PRICE_FILTER": "", "LOT_SIZE": ""}
    for one in symbol.filters:
        if one.filter_type in steps:
            steps[one.filter_type] = one.tick_size or one.step_size
    return SymbolInfo(
        symbol.symbol,
        symbol.base_asset,
        symbol.quote_asset,
        _scale(steps["PRICE_FILTER"]),
        _scale(steps["LOT_SIZE"]),
    )


def _scale(step: str) -> int:
    if not step or Decimal(step) == 0:
        return _SCALE_WITHOUT_FILTERS
    return scale_of(Decimal(step))


def _decode(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"the venue's answer cannot be read: {error}") from None
