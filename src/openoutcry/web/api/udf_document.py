"""What the OpenAPI document says of the UDF endpoints."""

from __future__ import annotations

from typing import Any, Final

from litestar.openapi.spec import Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType

from openoutcry.web.api.binance_document import Endpoint


def _query(
    name: str, description: str, *, required: bool = False, number: bool = False
) -> Parameter:
    kind = OpenAPIType.INTEGER if number else OpenAPIType.STRING
    return Parameter(
        name=name,
        param_in="query",
        required=required,
        description=description,
        schema=Schema(type=kind),
    )


_SYMBOL: Final = _query("symbol", "BTCUSDT, or BINANCE:BTCUSDT.", required=True)

ENDPOINTS: Final = (
    Endpoint("/udf/config", "What the datafeed can do", "As UDF says.", "", dict[str, Any]),
    Endpoint(
        "/udf/symbols",
        "How a symbol is charted",
        "An unknown symbol gives an error in UDF's shape, with status 200.",
        "",
        dict[str, Any],
        (_SYMBOL,),
    ),
    Endpoint(
        "/udf/search",
        "Symbols that hold a text",
        "A bare array.",
        "",
        list[dict[str, Any]] | dict[str, Any],
        (
            _query("query", "Part of a symbol."),
            _query("type", "crypto, or empty."),
            _query("exchange", "BINANCE, or empty."),
            _query("limit", "Most symbols: 30 without it, at most 100.", number=True),
        ),
    ),
    Endpoint(
        "/udf/history",
        "Bars of a symbol",
        "Columns of numbers, times in Unix seconds. `to` is exclusive, `countback` goes before"
        " `from`. Without bars `no_data`, with `nextTime` if there are earlier ones.",
        "",
        dict[str, Any],
        (
            _SYMBOL,
            _query("resolution", "1S, 30S, 1 … 720 (minutes), 1D, 3D, 1W, 1M.", required=True),
            _query("from", "Unix seconds, inclusive; not needed with countback.", number=True),
            _query("to", "Unix seconds, exclusive.", required=True, number=True),
            _query("countback", "So many bars before `to`.", number=True),
        ),
    ),
    Endpoint("/udf/time", "The market's time", "A bare integer, Unix seconds.", "", int),
)
