"""`/udf/…`: history and symbols for TradingView's charting library (its UDF protocol)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.core.intervals import INTERVALS, SECOND, Interval
from openoutcry.errors import BadRequestError
from openoutcry.model import Instrument
from openoutcry.services.candle_pages import PageReader
from openoutcry.services.market_time import MarketTime
from openoutcry.web.api.binance_document import Endpoint, operation
from openoutcry.web.api.replies import reply
from openoutcry.web.api.udf_document import ENDPOINTS

MOST_BARS: Final = 10_000
"""Most bars of one answer; the library asks for a few hundred."""
MOST_FOUND: Final = 100

RESOLUTIONS: Final[dict[str, str]] = {
    "1S": "1s",
    "30S": "30s",
    "1": "1m",
    "3": "3m",
    "5": "5m",
    "15": "15m",
    "30": "30m",
    "60": "1h",
    "120": "2h",
    "240": "4h",
    "360": "6h",
    "480": "8h",
    "720": "12h",
    "1D": "1d",
    "3D": "3d",
    "1W": "1w",
    "1M": "1M",
}
"""The library's names of our intervals."""

_ALIASES: Final = {"S": "1S", "D": "1D", "W": "1W", "M": "1M"}
_LAST_TIME: Final = 7_258_118_400  # 2200-01-01
_OPEN: Final = "public, max-age=1"
_FIXED: Final = "public, max-age=60"

Query = dict[str, str]
_Row = tuple[int, str, str, str, str, str, int, str, int, str, str, str]
_ROWS: Final = msgspec.json.Decoder(list[_Row])


class UdfError(Struct, frozen=True):
    """The protocol's shape of an error."""

    errmsg: str
    s: str = "error"


class Udf:
    """Answers the charting library's questions; each method returns what is to be JSON.

    Raises BadRequestError, whose text is shown to the person at the chart.
    """

    def __init__(
        self, instruments: InstrumentReader, pages: PageReader, clock: MarketTime, exchange: str
    ) -> None:
        self._instruments = instruments
        self._pages = pages
        self._clock = clock
        self._exchange = exchange.upper()

    async def config(self, _query: Query) -> Any:
        """Return what the datafeed can do."""
        exchange = {"value": self._exchange, "name": self._exchange, "desc": self._exchange}
        return {
            "supported_resolutions": list(RESOLUTIONS),
            "supports_search": True,
            "supports_group_request": False,
            "supports_marks": False,
            "supports_timescale_marks": False,
            "supports_time": True,
            "exchanges": [{"value": "", "name": "All exchanges", "desc": ""}, exchange],
            "symbols_types": [
                {"name": "All types", "value": ""},
                {"name": "Crypto", "value": "crypto"},
            ],
        }

    async def symbols(self, query: Query) -> Any:
        """Return how one symbol is charted."""
        found = await self._find(query)
        return {
            "name": found.symbol,
            "ticker": found.symbol,
            "full_name": f"{self._exchange}:{found.symbol}",
            "description": f"{found.base} / {found.quote}",
            "type": "crypto",
            "exchange": self._exchange,
            "listed_exchange": self._exchange,
            "session": "24x7",
            "timezone": "Etc/UTC",
            "format": "price",
            "minmov": 1,
            "pricescale": 10**found.price_scale,
            "has_intraday": True,
            "has_seconds": True,
            "seconds_multipliers": ["1", "30"],
            "has_daily": True,
            "daily_multipliers": ["1", "3"],
            "has_weekly_and_monthly": True,
            "weekly_multipliers": ["1"],
            "monthly_multipliers": ["1"],
            "intraday_multipliers": [name for name in RESOLUTIONS if name.isdigit()],
            "supported_resolutions": list(RESOLUTIONS),
            "volume_precision": found.size_scale,
            "currency_code": found.quote,
            "data_status": "streaming",
        }

    async def search(self, query: Query) -> Any:
        """Return the symbols that hold a text, those that begin with it first."""
        text = query.get("query", "").strip().upper()
        limit = min(_number(query, "limit", 30), MOST_FOUND)
        if query.get("type", "crypto").lower() not in {"", "crypto"}:
            return []
        if query.get("exchange", "").upper() not in {"", self._exchange}:
            return []
        listed = sorted(await self._instruments.all(), key=lambda one: one.symbol)
        found = [one for one in listed if text in one.symbol]
        found.sort(key=lambda one: not one.symbol.startswith(text))
        return [
            {
                "symbol": one.symbol,
                "full_name": f"{self._exchange}:{one.symbol}",
                "description": f"{one.base} / {one.quote}",
                "exchange": self._exchange,
                "ticker": one.symbol,
                "type": "crypto",
            }
            for one in found[: max(limit, 0)]
        ]

    async def time(self, _query: Query) -> Any:
        """Return the market's time in seconds."""
        return self._clock.now() // SECOND

    async def history(self, query: Query) -> msgspec.Raw:
        """Return bars before `to` (exclusive): `countback` of them, or those from `from` on."""
        instrument, interval = await self._find(query), _interval(query)
        end = _second(query, "to") * SECOND - 1
        count = _number(query, "countback", 0)
        start = None if count else _second(query, "from") * SECOND
        if start is not None and start > end:
            raise BadRequestError("from is not before to.")
        limit = min(count or MOST_BARS, MOST_BARS)
        page = await self._pages.klines(
            instrument, interval, (start, end), limit, self._clock.now()
        )
        if not page.rows:
            return await self._nothing(instrument, interval, start if start is not None else end)
        return _bars(page.rows)

    async def _nothing(
        self, instrument: Instrument, interval: Interval, before: int
    ) -> msgspec.Raw:
        """Return that there are no bars, and when the last one before them was."""
        page = await self._pages.klines(instrument, interval, (None, before), 1, self._clock.now())
        earlier = f',"nextTime":{page.starts[0] // SECOND}' if page.starts else ""
        return msgspec.Raw(f'{{"s":"no_data"{earlier}}}'.encode())

    async def _find(self, query: Query) -> Instrument:
        text = query.get("symbol", "")
        if not text:
            raise BadRequestError("symbol is missing.")
        found = await self._instruments.find(text.rpartition(":")[2])
        if found is None:
            raise BadRequestError("unknown_symbol")
        return found


def udf_routes(
    instruments: InstrumentReader, pages: PageReader, clock: MarketTime, exchange: str
) -> list[HTTPRouteHandler]:
    """Return the routes of the UDF protocol."""
    udf = Udf(instruments, pages, clock, exchange)
    answers: tuple[Callable[[Query], Awaitable[Any]], ...] = (
        *(udf.config, udf.symbols, udf.search, udf.history, udf.time),
    )
    return [_route(one, ask) for one, ask in zip(ENDPOINTS, answers, strict=True)]


def _route(endpoint: Endpoint, ask: Callable[[Query], Awaitable[Any]]) -> HTTPRouteHandler:
    control = _FIXED if endpoint.path == "/udf/config" else _OPEN

    @get(
        endpoint.path,
        name=f"udf:{endpoint.path}",
        summary=endpoint.summary,
        description=endpoint.description,
        tags=["TradingView"],
        operation_id=endpoint.operation_id,
        operation_class=operation(endpoint),
        responses={
            200: ResponseSpec(endpoint.answer, description="As UDF", generate_examples=False)
        },
    )
    async def answer(request: Request[Any, Any, Any]) -> Response[bytes]:
        query = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), True))
        try:
            body = msgspec.json.encode(await ask(query))
        except BadRequestError as error:
            # The library shows errors of this shape, and only with status 200.
            body = msgspec.json.encode(UdfError(str(error)))
        return reply(request, body, cache_control=control)

    return answer


def _bars(rows: Sequence[str]) -> msgspec.Raw:
    """Return the columns of bars as JSON, numbers digit for digit."""
    decoded = _ROWS.decode(f"[{','.join(rows)}]")
    times = ",".join([str(row[0] // 1000) for row in decoded])
    columns = ",".join(
        f'"{name}":[{",".join([row[at] for row in decoded])}]'  # type: ignore[misc]
        for at, name in enumerate("ohlcv", 1)
    )
    return msgspec.Raw(f'{{"s":"ok","t":[{times}],{columns}}}'.encode())


def _interval(query: Query) -> Interval:
    text = query.get("resolution", "").upper()
    name = RESOLUTIONS.get(_ALIASES.get(text, text))
    if name is None:
        raise BadRequestError(f"resolution is one of {', '.join(RESOLUTIONS)}.")
    return INTERVALS[name]


def _number(query: Query, name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadRequestError(f"{name} is a whole number, 0 or more.")
    return int(text)


def _second(query: Query, name: str) -> int:
    """Return a time in Unix seconds; what lies before 1970 or after 2199 is taken as that."""
    text = query.get(name, "")
    digits = text.removeprefix("-")
    if not digits or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise BadRequestError(f"{name} is a time in Unix seconds.")
    return min(max(int(text), 0), _LAST_TIME)
