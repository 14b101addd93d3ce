"""What the OpenAPI document says of Binance's endpoints: their parameters and answers."""

from __future__ import annotations

from typing import Any, Final

from litestar.openapi.spec import Operation, Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType
from msgspec import Struct

from openoutcry.venues.binance_server import KLINE_INTERVALS

_SYMBOL_TEXT: Final = "A symbol in capitals, as exchangeInfo lists it."

_SYMBOL: Final = Parameter(
    name="symbol",
    param_in="query",
    required=True,
    description=_SYMBOL_TEXT,
    schema=Schema(type=OpenAPIType.STRING, pattern=r"^[A-Z0-9\-_.]{1,20}$"),
    example="BTCUSDT",
)
_ONE: Final = Parameter(
    name="symbol",
    param_in="query",
    required=False,
    description=f"{_SYMBOL_TEXT} Without it (and without symbols): all of them.",
    schema=_SYMBOL.schema,
    example="BTCUSDT",
)
_SEVERAL: Final = Parameter(
    name="symbols",
    param_in="query",
    required=False,
    description='A JSON array of symbols, such as ["BTCUSDT","ETHUSDT"].',
    schema=Schema(
        type=OpenAPIType.STRING,
        pattern=r'^\["[A-Z0-9\-_.]{1,20}"(,"[A-Z0-9\-_.]{1,20}"){0,9}\]$',
    ),
    example='["BTCUSDT"]',
)
_INTERVAL: Final = Parameter(
    name="interval",
    param_in="query",
    required=True,
    description="The length of a candle; 1m is a minute, 1M a month.",
    schema=Schema(type=OpenAPIType.STRING, enum=list(KLINE_INTERVALS)),
    example="1m",
)
_KIND: Final = Parameter(
    name="type",
    param_in="query",
    required=False,
    description="FULL (default) or MINI: without changes and averages.",
    schema=Schema(type=OpenAPIType.STRING, enum=["FULL", "MINI"]),
)
_WINDOW: Final = Parameter(
    name="windowSize",
    param_in="query",
    required=False,
    description="1m to 59m, 1h to 23h, 1d to 7d; 1d without it.",
    schema=Schema(
        type=OpenAPIType.STRING, pattern="^(([1-9]|[1-5][0-9])m|([1-9]|1[0-9]|2[0-3])h|[1-7]d)$"
    ),
)


def _number(name: str, description: str, least: int = 0) -> Parameter:
    schema = Schema(type=OpenAPIType.INTEGER, minimum=least, maximum=10**18)
    return Parameter(
        name=name, param_in="query", required=False, description=description, schema=schema
    )


_LIMIT: Final = _number("limit", "Most rows: 500 without it, 1000 if it is more.", 1)
_FROM: Final = _number("fromId", "The first row's id; without it the newest rows come.")
_TIMES: Final = (
    _number("startTime", "Unix ms, inclusive: the oldest rows from it on."),
    _number("endTime", "Unix ms, inclusive: without startTime the newest rows up to it."),
)

Rows = list[dict[str, Any]]


class Endpoint(Struct, frozen=True):
    """One of Binance's endpoints as the document describes it."""

    path: str
    summary: str
    description: str
    weight: str
    answer: Any
    parameters: tuple[Parameter, ...] = ()
    for_all: bool = False
    """Needs no sign-in, also where market data does: it tells nothing of a market."""

    @property
    def operation_id(self) -> str:
        """Return a name for generated clients."""
        return "Binance" + "".join(
            part[:1].upper() + part[1:]
            for part in self.path.split("/")
            if part not in {"api", "v3"}
        )


ENDPOINTS: Final = (
    Endpoint("/api/v3/ping", "Is it there", "An empty object.", "1", dict[str, Any], for_all=True),
    Endpoint(
        "/api/v3/time",
        "The market's time",
        "`serverTime` in ms.",
        "1",
        dict[str, int],
        for_all=True,
    ),
    Endpoint(
        "/api/v3/exchangeInfo",
        "Which markets there are",
        "The symbols that are recorded, with the grids of their prices and sizes.",
        "20",
        dict[str, Any],
        (_ONE, _SEVERAL),
    ),
    *(
        Endpoint(
            f"/api/v3/{name}",
            "Candles",
            "Arrays of twelve, oldest first: open time, open, high, low, close, volume, close time,"
            " quote volume, trades, taker's base and quote volume, 0. Flat where it is known that"
            " nobody traded.",
            "2",
            list[list[int | str]],
            (_SYMBOL, _INTERVAL, *_TIMES, _LIMIT),
        )
        for name in ("klines", "uiKlines")
    ),
    Endpoint("/api/v3/trades", "Newest trades", "Oldest first.", "25", Rows, (_SYMBOL, _LIMIT)),
    Endpoint(
        "/api/v3/historicalTrades",
        "Trades by id",
        "Oldest first.",
        "25",
        Rows,
        (_SYMBOL, _FROM, _LIMIT),
    ),
    Endpoint(
        "/api/v3/aggTrades",
        "Trades gathered by taker and price",
        "Oldest first. `fromId` cannot be combined with times. An aggregate's id is its first"
        " trade's.",
        "4",
        Rows,
        (_SYMBOL, _FROM, *_TIMES, _LIMIT),
    ),
    Endpoint(
        "/api/v3/avgPrice",
        "Average price of five minutes",
        "Weighted by volume.",
        "2",
        dict[str, Any],
        (_SYMBOL,),
    ),
    Endpoint(
        "/api/v3/ticker/24hr",
        "Rolling 24 hours",
        "Exact to the trade. An object for `symbol`, else an array.",
        "2 for up to 20 symbols, 40 for up to 100, else 80",
        dict[str, Any] | Rows,
        (_ONE, _SEVERAL, _KIND),
    ),
    Endpoint(
        "/api/v3/ticker",
        "A rolling window",
        "From a whole minute to now. An object for `symbol`, an array for `symbols`; one is needed.",
        "4 for each symbol, at most 200",
        dict[str, Any] | Rows,
        (_ONE, _SEVERAL, _WINDOW, _KIND),
    ),
    Endpoint(
        "/api/v3/ticker/price",
        "Last prices",
        "An object for `symbol`, else an array.",
        "2, for several 4",
        dict[str, Any] | Rows,
        (_ONE, _SEVERAL),
    ),
    Endpoint(
        "/api/v3/ticker/bookTicker",
        "Best bids and asks",
        "An object for `symbol`, else an array.",
        "2, for several 4",
        dict[str, Any] | Rows,
        (_ONE, _SEVERAL),
    ),
    Endpoint(
        "/api/v3/depth",
        "The book's best level",
        "Binance's shape with one level a side: more of the book is not known here.",
        "5",
        dict[str, Any],
        (_SYMBOL, _LIMIT),
    ),
    *(
        Endpoint(
            f"/{kind}/v1/exchangeInfo",
            "No futures",
            "An empty list: clients ask for it before anything else.",
            "1",
            dict[str, Any],
        )
        for kind in ("fapi", "dapi")
    ),
)


def operation(endpoint: Endpoint) -> type[Operation]:
    """Return the class of an operation with the endpoint's parameters."""

    class BinanceOperation(Operation):
        def __init__(self, **told: Any) -> None:
            super().__init__(**told)
            self.parameters = list(endpoint.parameters) or None

    return BinanceOperation
