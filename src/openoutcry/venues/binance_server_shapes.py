"""The JSON that Binance Spot answers and pushes, built from values."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from openoutcry.venues.binance_server_data import Aggregate, Bar, Book, Listing, Print

Json = dict[str, Any]

WEIGHT_LIMIT: Final = 6000
"""Request weight that one address may spend in a minute."""

_EIGHT: Final = Decimal(1).scaleb(-8)


def decimal_text(number: Decimal) -> str:
    """Return a number as Binance writes it: eight decimals, or more where eight would round."""
    exponent = number.as_tuple().exponent
    return f"{number:.8f}" if isinstance(exponent, int) and exponent >= -8 else f"{number:f}"


def stamp(time: int, *, micro: bool) -> int:
    """Return a time (µs) in the unit that the client asked for: ms, or µs."""
    return time if micro else time // 1000


def exchange_info(listings: Iterable[Listing], now: int, weight_limit: int, *, micro: bool) -> Json:
    """Return the answer of `/exchangeInfo`."""
    limits = (("REQUEST_WEIGHT", 1, weight_limit), ("RAW_REQUESTS", 5, 61000))
    return {
        "timezone": "UTC",
        "serverTime": stamp(now, micro=micro),
        "rateLimits": [
            {"rateLimitType": kind, "interval": "MINUTE", "intervalNum": number, "limit": limit}
            for kind, number, limit in limits
        ],
        "exchangeFilters": [],
        "symbols": [_symbol(listing) for listing in listings],
    }


def _symbol(listing: Listing) -> Json:
    return {
        "symbol": listing.symbol,
        "status": "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": decimal_text(listing.tick),
                "maxPrice": "1000000.00000000",
                "tickSize": decimal_text(listing.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": decimal_text(listing.step),
                "maxQty": "90000000000.00000000",
                "stepSize": decimal_text(listing.step),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": "5.00000000",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def trade_row(trade: Print, *, micro: bool) -> Json:
    """Return one row of `/trades` and `/historicalTrades`."""
    return {
        "id": trade.id,
        "price": decimal_text(trade.price),
        "qty": decimal_text(trade.size),
        "quoteQty": decimal_text(trade.price * trade.size),
        "time": stamp(trade.time, micro=micro),
        "isBuyerMaker": not trade.bought,
        "isBestMatch": True,
    }


def aggregate_row(aggregate: Aggregate, *, micro: bool) -> Json:
    """Return one row of `/aggTrades`."""
    return {
        "a": aggregate.id,
        "p": decimal_text(aggregate.price),
        "q": decimal_text(aggregate.size),
        "f": aggregate.first,
        "l": aggregate.last,
        "T": stamp(aggregate.time, micro=micro),
        "m": not aggregate.bought,
        "M": True,
    }


def kline_row(bar: Bar, *, micro: bool) -> list[Any]:
    """Return one row of `/klines`, twelve elements."""
    return [
        stamp(bar.start, micro=micro),
        decimal_text(bar.open),
        decimal_text(bar.high),
        decimal_text(bar.low),
        decimal_text(bar.close),
        decimal_text(bar.volume),
        stamp(bar.end - 1, micro=micro),
        decimal_text(bar.quote_volume),
        bar.trades,
        decimal_text(bar.bought_volume),
        decimal_text(bar.bought_quote_volume),
        "0",
    ]


def _change(bar: Bar) -> tuple[str, str, str]:
    """Return price change, change in percent and volume-weighted average price as text."""
    change = bar.close - bar.open
    average = (bar.quote_volume / bar.volume) if bar.volume else bar.close
    percent = (change * 100 / bar.open).quantize(Decimal("0.001"))
    return decimal_text(change), str(percent), decimal_text(average.quantize(_EIGHT))


def mini_row(symbol: str, bar: Bar, *, micro: bool) -> Json:
    """Return a ticker of type MINI."""
    return {
        "symbol": symbol,
        "openPrice": decimal_text(bar.open),
        "highPrice": decimal_text(bar.high),
        "lowPrice": decimal_text(bar.low),
        "lastPrice": decimal_text(bar.close),
        "volume": decimal_text(bar.volume),
        "quoteVolume": decimal_text(bar.quote_volume),
        "openTime": stamp(bar.start, micro=micro),
        "closeTime": stamp(bar.end - 1, micro=micro),
        "firstId": bar.first_id,
        "lastId": bar.last_id,
        "count": bar.trades,
    }


def ticker_row(symbol: str, bar: Bar, *, micro: bool) -> Json:
    """Return one answer of `/ticker` (a rolling window)."""
    change, percent, average = _change(bar)
    row = mini_row(symbol, bar, micro=micro)
    del row["symbol"]
    head = {
        "symbol": symbol,
        "priceChange": change,
        "priceChangePercent": percent,
        "weightedAvgPrice": average,
    }
    return head | row


def ticker_24h_row(symbol: str, bar: Bar, last: Print, book: Book, *, micro: bool) -> Json:
    """Return one answer of `/ticker/24hr`."""
    row = ticker_row(symbol, bar, micro=micro)
    extra = {
        "prevClosePrice": decimal_text(bar.open if bar.before is None else bar.before),
        "lastQty": decimal_text(last.size),
    }
    return row | extra | book_row(symbol, book)


def book_row(symbol: str, book: Book) -> Json:
    """Return one answer of `/ticker/bookTicker`."""
    return {
        "symbol": symbol,
        "bidPrice": decimal_text(book.bid),
        "bidQty": decimal_text(book.bid_size),
        "askPrice": decimal_text(book.ask),
        "askQty": decimal_text(book.ask_size),
    }


def depth(book: Book | None) -> Json:
    """Return the answer of `/depth`: the best level of each side, all that we know of the book."""
    if book is None:
        return {"lastUpdateId": 0, "bids": [], "asks": []}
    row = book_row("", book)
    return {
        "lastUpdateId": book.update,
        "bids": [[row["bidPrice"], row["bidQty"]]],
        "asks": [[row["askPrice"], row["askQty"]]],
    }


def average_row(bar: Bar, last: Print, *, micro: bool) -> Json:
    """Return the answer of `/avgPrice`, over the five minutes of `bar`."""
    return {"mins": 5, "price": _change(bar)[2], "closeTime": stamp(last.time, micro=micro)}


def trade_event(symbol: str, trade: Print, now: int, *, micro: bool) -> Json:
    """Return a message of `<symbol>@trade`."""
    return {
        "e": "trade",
        "E": stamp(now, micro=micro),
        "s": symbol,
        "t": trade.id,
        "p": decimal_text(trade.price),
        "q": decimal_text(trade.size),
        "T": stamp(trade.time, micro=micro),
        "m": not trade.bought,
        "M": True,
    }


def aggregate_event(symbol: str, aggregate: Aggregate, now: int, *, micro: bool) -> Json:
    """Return a message of `<symbol>@aggTrade`."""
    head = {"e": "aggTrade", "E": stamp(now, micro=micro), "s": symbol}
    return head | aggregate_row(aggregate, micro=micro)


def kline_event(
    symbol: str, interval: str, bar: Bar, now: int, *, closed: bool, micro: bool
) -> Json:
    """Return a message of `<symbol>@kline_<interval>`."""
    return {
        "e": "kline",
        "E": stamp(now, micro=micro),
        "s": symbol,
        "k": {
            "t": stamp(bar.start, micro=micro),
            "T": stamp(bar.end - 1, micro=micro),
            "s": symbol,
            "i": interval,
            "f": bar.first_id,
            "L": bar.last_id,
            "o": decimal_text(bar.open),
            "c": decimal_text(bar.close),
            "h": decimal_text(bar.high),
            "l": decimal_text(bar.low),
            "v": decimal_text(bar.volume),
            "n": bar.trades,
            "x": closed,
            "q": decimal_text(bar.quote_volume),
            "V": decimal_text(bar.bought_volume),
            "Q": decimal_text(bar.bought_quote_volume),
            "B": "0",
        },
    }


def mini_ticker_event(symbol: str, bar: Bar, now: int, *, micro: bool) -> Json:
    """Return a message of `<symbol>@miniTicker`, and an element of `!miniTicker@arr`."""
    return {
        "e": "24hrMiniTicker",
        "E": stamp(now, micro=micro),
        "s": symbol,
        "c": decimal_text(bar.close),
        "o": decimal_text(bar.open),
        "h": decimal_text(bar.high),
        "l": decimal_text(bar.low),
        "v": decimal_text(bar.volume),
        "q": decimal_text(bar.quote_volume),
    }


def ticker_event(symbol: str, bar: Bar, last: Print, book: Book, now: int, *, micro: bool) -> Json:
    """Return a message of `<symbol>@ticker`."""
    change, percent, average = _change(bar)
    return {
        "e": "24hrTicker",
        "E": stamp(now, micro=micro),
        "s": symbol,
        "p": change,
        "P": percent,
        "w": average,
        "x": decimal_text(bar.open if bar.before is None else bar.before),
        "c": decimal_text(bar.close),
        "Q": decimal_text(last.size),
        "b": decimal_text(book.bid),
        "B": decimal_text(book.bid_size),
        "a": decimal_text(book.ask),
        "A": decimal_text(book.ask_size),
        "o": decimal_text(bar.open),
        "h": decimal_text(bar.high),
        "l": decimal_text(bar.low),
        "v": decimal_text(bar.volume),
        "q": decimal_text(bar.quote_volume),
        "O": stamp(bar.start, micro=micro),
        "C": stamp(bar.end - 1, micro=micro),
        "F": bar.first_id,
        "L": bar.last_id,
        "n": bar.trades,
    }


def book_event(symbol: str, book: Book) -> Json:
    """Return a message of `<symbol>@bookTicker`."""
    return {
        "u": book.update,
        "s": symbol,
        "b": decimal_text(book.bid),
        "B": decimal_text(book.bid_size),
        "a": decimal_text(book.ask),
        "A": decimal_text(book.ask_size),
    }


def shutdown_event(now: int, *, micro: bool) -> Json:
    """Return the message that tells a client to connect anew now."""
    return {"e": "serverShutdown", "E": stamp(now, micro=micro)}


def refusal_text(status: int, limit: int, banned_until: int) -> str:
    """Return the message of a 429 or a 418; `banned_until` in µs."""
    if status == 418:
        return (
            f"Way too much request weight used; IP banned until {banned_until // 1000}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
    return (
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
