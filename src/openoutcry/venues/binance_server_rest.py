"""The server's side of Binance Spot's REST market data: a path and a query in, a reply out."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from openoutcry.core.intervals import DAY, HOUR, INTERVALS, MINUTE, Interval
from openoutcry.errors import BadRequestError
from openoutcry.venues import binance_server_shapes as shapes
from openoutcry.venues.binance_server import KLINE_INTERVALS
from openoutcry.venues.binance_server_data import Listing, MarketData, Ready, Span

_SYMBOL: Final = re.compile(r"[A-Z0-9\-_.]{1,20}")
_SYMBOLS: Final = re.compile(r'\["[A-Z0-9\-_.]{1,20}"(,"[A-Z0-9\-_.]{1,20}")*\]')
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}")
_WINDOW: Final = re.compile(r"([1-9][0-9]?)([mhd])")
_LAST_TIME: Final = 7_258_118_400_000_000  # 2200-01-01; databases and calendars end somewhere
_UNITS: Final = {"m": (MINUTE, 59), "h": (HOUR, 23), "d": (DAY, 7)}


class ApiError(BadRequestError):
    """A request that Binance refuses, with its own code."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Reply(Struct, frozen=True):
    """An answer: HTTP status, JSON body; `ready` holds the body where the market keeps it."""

    status: int
    body: bytes
    ready: Ready | None = None


class Query:
    """A request's parameters, read with Binance's own complaints."""

    def __init__(self, params: Mapping[str, str], *, micro: bool, weight_limit: int) -> None:
        self._params = params
        self.micro = micro
        self.weight_limit = weight_limit

    def text(self, name: str) -> str:
        """Return a parameter, or an empty string."""
        return self._params.get(name, "")

    def number(self, name: str) -> int | None:
        """Return a whole number or None. Raises ApiError for anything else."""
        text = self.text(name)
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            raise illegal(name, "^[0-9]{1,20}$")
        return int(text)

    def limit(self) -> int:
        """Return `limit`, 500 if not given, capped at 1000. Raises ApiError below 1."""
        value = self.number("limit")
        if value is not None and value < 1:
            raise ApiError(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(500 if value is None else value, 1000)

    def span(self) -> Span:
        """Return the times asked for, in µs. Times are read as ms, or as µs where they must be."""
        start, end = self.number("startTime"), self.number("endTime")
        return Span(
            limit=self.limit(),
            start=None if start is None else _to_us(start),
            end=None if end is None else _to_us(end, 999),
        )


def _to_us(value: int, rest: int = 0) -> int:
    # In ms these would be dates after the year 33,000: the client means µs.
    time = value if value >= 10**15 else value * 1000 + rest
    return min(max(time, 0), _LAST_TIME)


def illegal(name: str, legal: str) -> ApiError:
    """Return the error for a parameter with characters that it may not have."""
    return ApiError(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def missing(name: str) -> ApiError:
    """Return the error for a parameter that was left out."""
    return ApiError(
        -1102,
        f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    )


def error_reply(error: ApiError) -> Reply:
    """Return the reply that tells of an error."""
    return Reply(error.status, msgspec.json.encode({"code": error.code, "msg": str(error)}))


def weigh(path: str, params: Mapping[str, str]) -> int:
    """Return the request weight of a call; unknown paths weigh 1."""
    name = path.removeprefix("/api/v3/")
    count = params["symbols"].count(",") + 1 if params.get("symbols") else 0
    if name == "ticker/24hr":
        if params.get("symbol") or 0 < count <= 20:
            return 2
        return 40 if 0 < count <= 100 else 80
    if name in {"ticker/price", "ticker/bookTicker"}:
        return 2 if params.get("symbol") else 4
    if name == "ticker":
        return min(4 * max(count, 1), 200)
    return _WEIGHTS.get(name, 1)


_WEIGHTS: Final = {
    "exchangeInfo": 20,
    "klines": 2,
    "uiKlines": 2,
    "trades": 25,
    "historicalTrades": 25,
    "aggTrades": 4,
    "avgPrice": 2,
    "depth": 5,
}


async def answer(
    market: MarketData,
    path: str,
    params: Mapping[str, str],
    *,
    micro: bool = False,
    weight_limit: int = shapes.WEIGHT_LIMIT,
) -> Reply | None:
    """Return the reply to `GET path?params`, or None for a path that Binance does not have.

    `micro` answers times in µs (header `X-MBX-TIME-UNIT: MICROSECOND`); `weight_limit` is what
    `exchangeInfo` tells of the weight that an address may spend in a minute.
    """
    handler = _HANDLERS.get(path)
    if handler is None:
        return None
    try:
        result = await handler(market, Query(params, micro=micro, weight_limit=weight_limit))
    except ApiError as error:
        return error_reply(error)
    if isinstance(result, Ready):
        return Reply(200, result.body, result)
    return Reply(200, msgspec.json.encode(result))


async def _ping(_market: MarketData, _query: Query) -> Any:
    return {}


async def _time(market: MarketData, query: Query) -> Any:
    return {"serverTime": shapes.stamp(market.now(), micro=query.micro)}


async def _no_futures(market: MarketData, query: Query) -> Any:
    return shapes.exchange_info([], market.now(), query.weight_limit, micro=query.micro)


async def _exchange_info(market: MarketData, query: Query) -> Any:
    listings = await _chosen(market, query)
    return shapes.exchange_info(listings, market.now(), query.weight_limit, micro=query.micro)


async def _klines(market: MarketData, query: Query) -> Any:
    symbol = await _symbol(market, query)
    interval = _interval(query)
    if query.text("timeZone") not in {"", "0", "0:00", "00:00", "+0:00", "+00:00"}:
        raise ApiError(-1130, "Data sent for parameter 'timeZone' is not valid.")
    span = query.span()
    if ready := await market.klines(symbol, interval, span, micro=query.micro):
        return ready
    bars = await market.bars(symbol, interval, span)
    return [shapes.kline_row(bar, micro=query.micro) for bar in bars]


async def _trades(market: MarketData, query: Query) -> Any:
    symbol = await _symbol(market, query)
    rows = await market.trades(symbol, None, query.limit())
    return [shapes.trade_row(row, micro=query.micro) for row in rows]


async def _historical(market: MarketData, query: Query) -> Any:
    symbol = await _symbol(market, query)
    rows = await market.trades(symbol, query.number("fromId"), query.limit())
    return [shapes.trade_row(row, micro=query.micro) for row in rows]


async def _aggregates(market: MarketData, query: Query) -> Any:
    symbol = await _symbol(market, query)
    from_id, span = query.number("fromId"), query.span()
    if from_id is not None and (span.start is not None or span.end is not None):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    rows = await market.aggregates(symbol, from_id, span)
    return [shapes.aggregate_row(row, micro=query.micro) for row in rows]


async def _average(market: MarketData, query: Query) -> Any:
    symbol = await _symbol(market, query)
    now = market.now()
    bars = await market.windows([symbol], now - 5 * MINUTE, now + 1)
    last = await market.newest([symbol])
    if symbol not in bars or symbol not in last:
        return {"mins": 5, "price": "0.00000000", "closeTime": 0}
    return shapes.average_row(bars[symbol], last[symbol], micro=query.micro)


async def _ticker(market: MarketData, query: Query) -> Any:
    if not query.text("symbol") and not query.text("symbols"):
        raise missing("symbol")
    return await _rolling(market, query, _window_length(query), market.now() // MINUTE * MINUTE)


async def _ticker_24h(market: MarketData, query: Query) -> Any:
    return await _rolling(market, query, DAY, None)


async def _rolling(market: MarketData, query: Query, length: int, minute: int | None) -> Any:
    """Return rolling windows; `minute` set: of `/ticker`, which starts on a minute."""
    kind = query.text("type")
    if kind not in {"", "MINI", "FULL"}:
        raise ApiError(-1130, "Data sent for parameter 'type' is not valid.")
    symbols = [listing.symbol for listing in await _chosen(market, query)]
    now, micro = market.now(), query.micro
    bars = await market.windows(symbols, (now if minute is None else minute) - length, now + 1)
    if kind == "MINI":
        rows = [shapes.mini_row(name, bar, micro=micro) for name, bar in bars.items()]
    elif minute is not None:
        rows = [shapes.ticker_row(name, bar, micro=micro) for name, bar in bars.items()]
    else:
        last, books = await market.newest(symbols), await market.books(symbols)
        rows = [
            shapes.ticker_24h_row(name, bar, last[name], books[name], micro=micro)
            for name, bar in bars.items()
            if name in last and name in books
        ]
    return _one_or_all(rows, query)


async def _price(market: MarketData, query: Query) -> Any:
    symbols = [listing.symbol for listing in await _chosen(market, query)]
    rows = [
        {"symbol": name, "price": shapes.decimal_text(last.price)}
        for name, last in (await market.newest(symbols)).items()
    ]
    return _one_or_all(rows, query)


async def _book(market: MarketData, query: Query) -> Any:
    symbols = [listing.symbol for listing in await _chosen(market, query)]
    books = await market.books(symbols)
    return _one_or_all([shapes.book_row(name, book) for name, book in books.items()], query)


async def _depth(market: MarketData, query: Query) -> Any:
    symbol = await _symbol(market, query)
    query.limit()
    books = await market.books([symbol])
    return shapes.depth(books.get(symbol))


def _one_or_all(rows: list[dict[str, Any]], query: Query) -> Any:
    if not query.text("symbol"):
        return rows
    return rows[0] if rows else {}


async def _symbol(market: MarketData, query: Query) -> str:
    symbol = query.text("symbol")
    if not symbol:
        raise missing("symbol")
    if not _SYMBOL.fullmatch(symbol):
        raise illegal("symbol", "^[A-Z0-9-_.]{1,20}$")
    if symbol not in await market.listings():
        raise ApiError(-1121, "Invalid symbol.")
    return symbol


async def _chosen(market: MarketData, query: Query) -> list[Listing]:
    listings = await market.listings()
    if query.text("symbol"):
        if query.text("symbols"):
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        return [listings[await _symbol(market, query)]]
    text = query.text("symbols").replace(" ", "")
    if not text:
        return list(listings.values())
    if not _SYMBOLS.fullmatch(text):
        raise illegal("symbols", '^\\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\\]$')
    names = msgspec.json.decode(text, type=list[str])
    if any(name not in listings for name in names):
        raise ApiError(-1121, "Invalid symbol.")
    return [listings[name] for name in dict.fromkeys(names)]


def _interval(query: Query) -> Interval:
    name = query.text("interval")
    if not name:
        raise missing("interval")
    if name not in KLINE_INTERVALS:
        raise ApiError(-1120, "Invalid interval.")
    return INTERVALS[name]


def _window_length(query: Query) -> int:
    match = _WINDOW.fullmatch(query.text("windowSize") or "1d")
    if match is None or int(match[1]) > _UNITS[match[2]][1]:
        raise illegal("windowSize", "^([1-9]|[1-5][0-9])m|([1-9]|1[0-9]|2[0-3])h|[1-7]d$")
    return int(match[1]) * _UNITS[match[2]][0]


_HANDLERS: Final[dict[str, Callable[[MarketData, Query], Awaitable[Any]]]] = {
    "/api/v3/ping": _ping,
    "/api/v3/time": _time,
    "/api/v3/exchangeInfo": _exchange_info,
    "/api/v3/klines": _klines,
    "/api/v3/uiKlines": _klines,
    "/api/v3/trades": _trades,
    "/api/v3/historicalTrades": _historical,
    "/api/v3/aggTrades": _aggregates,
    "/api/v3/avgPrice": _average,
    "/api/v3/ticker": _ticker,
    "/api/v3/ticker/24hr": _ticker_24h,
    "/api/v3/ticker/price": _price,
    "/api/v3/ticker/bookTicker": _book,
    "/api/v3/depth": _depth,
    "/fapi/v1/exchangeInfo": _no_futures,
    "/dapi/v1/exchangeInfo": _no_futures,
}
