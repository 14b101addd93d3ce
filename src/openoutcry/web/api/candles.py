"""`GET /candles`: candles of one market and interval, exact, oldest first."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from msgspec import Struct

from openoutcry.adapters.postgres.candle_reader import CandleReader
from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.core.intervals import INTERVALS, Interval, parse_interval
from openoutcry.errors import BadRequestError
from openoutcry.model import Instrument
from openoutcry.services.candle_pages import PageReader
from openoutcry.web.api.described import refusal
from openoutcry.web.api.openapi import RequiredQuery
from openoutcry.web.api.replies import CACHE_HEADERS, reply, reply_ready

LIMIT: Final = 1000
FILLS: Final = ("none", "previous")

# A settled range gives the same answer for as long as retention keeps it.
_SETTLED: Final = "public, max-age=86400, stale-while-revalidate=604800"
_OPEN: Final = "public, max-age=1"

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LAST_YEAR: Final = 2199
_SPACE_FOR_PLUS: Final = re.compile(r"(T.*) (\d\d:?\d\d)$")
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?")


class CandleItem(Struct, frozen=True, rename="camel"):
    """One candle; `time` is its start in Unix seconds, numbers are exact decimals."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trades: int
    complete: bool


class CandlesBody(Struct, frozen=True, rename="camel"):
    """The answer of `GET /candles`."""

    asset: str
    duration: str
    start_time: str
    end_time: str
    candles: list[CandleItem]


def candle_routes(
    reader: CandleReader, pages: PageReader, instruments: InstrumentReader
) -> list[HTTPRouteHandler]:
    """Return the route of `GET /candles`: pages as they are, filled ones from `reader`."""

    @get(
        "/candles",
        summary="Candles of a market",
        description=(
            "Candles whose start lies between startTime and endTime, both inclusive, oldest first,"
            f" at most {LIMIT}: of a longer range the oldest {LIMIT}. `volume` is in base units."
            " `complete` says that the candle is over and no trade of it is missing."
        ),
        tags=["market data"],
        operation_class=RequiredQuery,
        responses={
            200: ResponseSpec(CandlesBody, description="Candles", generate_examples=False),
            400: refusal("What is wrong"),
            503: refusal("No store"),
        },
        response_headers=CACHE_HEADERS,
    )
    async def candles(
        request: Request[Any, Any, Any],
        *,
        asset: Annotated[
            str | None,
            QueryParameter(
                name="asset",
                description="Symbol or base, in any case.",
                examples=[Example("BTC", value="BTC"), Example("BTCUSDT", value="BTCUSDT")],
            ),
        ] = None,
        duration: Annotated[
            str | None,
            QueryParameter(
                name="duration",
                description=f"One of {', '.join(INTERVALS)}.",
                examples=[Example("5m", value="5m")],
            ),
        ] = None,
        start_time: Annotated[
            str | None,
            QueryParameter(
                name="startTime",
                description="ISO 8601; without a zone it is UTC.",
                examples=[Example("start", value="2026-01-01T00:00:00Z")],
            ),
        ] = None,
        end_time: Annotated[
            str | None,
            QueryParameter(
                name="endTime",
                description="ISO 8601; without a zone it is UTC.",
                examples=[Example("end", value="2026-01-01T12:00:00Z")],
            ),
        ] = None,
        fill: Annotated[
            str,
            QueryParameter(
                name="fill",
                description=(
                    "`none`: buckets without trades are left out. `previous`: they become flat"
                    " candles at the last close, where nothing can be missing."
                ),
                examples=[Example("none", value="none"), Example("previous", value="previous")],
            ),
        ] = "none",
    ) -> Response[bytes]:
        interval = parse_duration(duration)
        start = parse_time("startTime", start_time)
        end = parse_time("endTime", end_time)
        if start > end:
            raise BadRequestError("startTime is after endTime; swap them.")
        if fill not in FILLS:
            raise BadRequestError(f"fill is {_quoted(fill)}; it is one of {', '.join(FILLS)}.")
        instrument = await _instrument(instruments, asset)
        head = (
            f'{{"asset":{_json(instrument.symbol)},"duration":"{interval.name}"'
            f',"startTime":"{iso(start)}","endTime":"{iso(end)}","candles":'
        )
        if fill == "previous":
            filled = await reader.filled_page(instrument.id, interval, start, end, LIMIT)
            control = _SETTLED if filled.settled else _OPEN
            return reply(request, f"{head}{filled.body}}}".encode(), cache_control=control)
        page = await pages.candles(instrument, interval, start, end, LIMIT)
        body = pages.ready.get(head, page, lambda page: f"{head}[{','.join(page.rows)}]}}".encode())
        return reply_ready(request, body, cache_control=_SETTLED if page.known else _OPEN)

    return [candles]


def parse_duration(text: str | None) -> Interval:
    """Return the interval called `text`. Raises BadRequestError with the choices."""
    choices = ", ".join(INTERVALS)
    if not text:
        raise BadRequestError(f"duration is missing; it is one of {choices}.")
    interval = parse_interval(text)
    if interval is None:
        raise BadRequestError(f"duration is {_quoted(text)}; it is one of {choices}.")
    return interval


def parse_time(name: str, text: str | None) -> int:
    """Return ISO 8601 `text` as µs since 1970; without a zone it is UTC. Raises BadRequestError."""
    right = "give ISO 8601 such as 2026-01-01T00:00:00Z"
    if not text:
        raise BadRequestError(f"{name} is missing; {right}.")
    if _NUMBER.fullmatch(text):
        raise BadRequestError(f"{name} is a number; Unix times are not taken, {right}.")
    # A plus sign that was not escaped in the query arrives as a space.
    text = _SPACE_FOR_PLUS.sub(r"\1+\2", text)
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        time = (moment - _EPOCH) // dt.timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise BadRequestError(f"{name} is {_quoted(text)}, which is no time; {right}.") from None
    if not 1970 <= moment.year <= _LAST_YEAR or time < 0:
        raise BadRequestError(f"{name} lies outside of 1970 to {_LAST_YEAR}.")
    return time


def iso(time: int) -> str:
    """Return µs since 1970 as ISO 8601 in UTC, with as many digits as it needs."""
    moment = _EPOCH + dt.timedelta(microseconds=time)
    return moment.isoformat().replace("+00:00", "Z")


async def _instrument(instruments: InstrumentReader, asset: str | None) -> Instrument:
    found = await instruments.find(asset) if asset else None
    if found is not None:
        return found
    known = [instrument.symbol for instrument in await instruments.all()]
    choices = f"one of {', '.join(sorted(known)[:50])}" if known else "nothing is recorded yet"
    what = f"asset {_quoted(asset)} is not recorded" if asset else "asset is missing"
    raise BadRequestError(f"{what}; {choices}.")


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")


def _json(text: str) -> str:
    return msgspec.json.encode(text).decode()
