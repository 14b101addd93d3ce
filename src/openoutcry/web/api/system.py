"""`/api/v1/config`, `gaps` and `status`: what there is, what is missing and how it all runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from msgspec import Struct

from openoutcry.adapters.postgres.figures_reader import Gap, read_gaps
from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.pool import Source
from openoutcry.core.intervals import INTERVALS
from openoutcry.errors import BadRequestError
from openoutcry.model import GapState
from openoutcry.services.status import SystemStatus
from openoutcry.web.api.access import FOR_ALL
from openoutcry.web.api.candles import iso
from openoutcry.web.api.described import answers, refusal
from openoutcry.web.api.replies import reply
from openoutcry.web.api.status_cache import StatusCache

MOST_GAPS: Final = 1000
_STATES: Final = ", ".join(state.value for state in GapState)


class SymbolItem(Struct, frozen=True, rename="camel"):
    """A market, and how many decimals its prices and sizes carry."""

    symbol: str
    base: str
    quote: str
    price_scale: int
    size_scale: int


class ConfigBody(Struct, frozen=True, rename="camel"):
    """What a front end has to know before it asks for anything else."""

    symbols: list[SymbolItem]
    intervals: list[str]
    ws_url: str
    ws_port: int
    version: str
    public_market_data: bool
    live_exchanges: list[str]
    sign_up: bool
    tokens: bool


class GapItem(Struct, frozen=True, rename="camel"):
    """One row of the gap ledger; times are those of the trades around it, ISO 8601."""

    id: int
    symbol: str
    from_id: int
    to_id: int
    from_time: str
    to_time: str
    state: GapState
    missing: int
    absent: int
    detected_at: str
    resolved_at: str | None


class GapsBody(Struct, frozen=True):
    """Gaps, newest first."""

    gaps: list[GapItem]


def system_routes(
    source: Source,
    instruments: InstrumentReader,
    cache: StatusCache,
    *,
    ws_url: str,
    ws_port: int,
    version: str,
    public_market_data: bool,
    live_exchanges: Sequence[str] = (),
    sign_up: bool = False,
    tokens: bool = False,
) -> list[HTTPRouteHandler]:
    """Return the routes that describe the system."""

    @get(
        "/api/v1/config",
        summary="Markets, intervals and where the hub is",
        description=(
            "`wsUrl` empty: the hub is on this host at `wsPort`. `publicMarketData` false: prices,"
            " candles and trades are for users. `liveExchanges`: where bots may trade with real"
            " money; empty where live trading is off. `signUp`: whether anybody may make an account."
            " `tokens`: whether a chain is followed."
        ),
        opt=FOR_ALL,
        tags=["market data"],
        responses=answers(ConfigBody),
    )
    async def config(request: Request[Any, Any, Any]) -> Response[bytes]:
        body = ConfigBody(
            symbols=[
                SymbolItem(each.symbol, each.base, each.quote, each.price_scale, each.size_scale)
                for each in await instruments.all()
            ],
            intervals=list(INTERVALS),
            ws_url=ws_url,
            ws_port=ws_port,
            version=version,
            public_market_data=public_market_data,
            live_exchanges=list(live_exchanges),
            sign_up=sign_up,
            tokens=tokens,
        )
        return reply(request, msgspec.json.encode(body), cache_control="public, max-age=5")

    @get(
        "/api/v1/gaps",
        summary="The gap ledger",
        description="Jumps in a venue's trade ids, newest first, and what became of them.",
        tags=["market data"],
        responses={
            200: ResponseSpec(GapsBody, generate_examples=False),
            400: refusal("What is wrong"),
        },
    )
    async def gaps(
        request: Request[Any, Any, Any],
        symbol: Annotated[
            str | None,
            QueryParameter(
                name="symbol",
                description="Only this symbol or base.",
                examples=[Example("BTCUSDT", value="BTCUSDT")],
            ),
        ] = None,
        wanted: Annotated[
            str | None,
            QueryParameter(
                name="state",
                description=f"One of {_STATES}.",
                examples=[Example("suspected", value="suspected")],
            ),
        ] = None,
        limit: Annotated[
            str,
            QueryParameter(
                name="limit",
                description=f"1 to {MOST_GAPS}.",
                examples=[Example("100", value="100")],
            ),
        ] = "100",
    ) -> Response[bytes]:
        name = None
        if symbol:
            found = await instruments.find(symbol)
            if found is None:
                raise BadRequestError(
                    f"symbol {symbol[:40]!r} is not recorded; GET /api/v1/config lists what is."
                )
            name = found.symbol
        rows = await read_gaps(source, name, _state(wanted), _limit(limit))
        body = GapsBody(gaps=[_gap(row) for row in rows])
        return reply(request, msgspec.json.encode(body), cache_control="public, max-age=1")

    @get(
        "/api/v1/status",
        summary="How the system runs",
        description=(
            "Engines with their latency, every role's own counters, the streams and how far the"
            " store is behind them, gaps and the last trade of each symbol. Times are in µs."
        ),
        opt=FOR_ALL,
        tags=["operations"],
        responses=answers(SystemStatus),
    )
    async def status(request: Request[Any, Any, Any]) -> Response[bytes]:
        body = msgspec.json.encode(await cache.get())
        return reply(request, body, cache_control="no-cache")

    return [config, gaps, status]


def _state(text: str | None) -> GapState | None:
    if not text:
        return None
    try:
        return GapState(text)
    except ValueError:
        raise BadRequestError(f"state is {text[:40]!r}; it is one of {_STATES}.") from None


def _limit(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST_GAPS:
        return int(text)
    raise BadRequestError(f"limit is {text[:40]!r}; it is a number from 1 to {MOST_GAPS}.")


def _gap(gap: Gap) -> GapItem:
    return GapItem(
        id=gap.id,
        symbol=gap.symbol,
        from_id=gap.from_id,
        to_id=gap.to_id,
        from_time=iso(gap.from_time),
        to_time=iso(gap.to_time),
        state=gap.state,
        missing=gap.missing,
        absent=gap.absent,
        detected_at=iso(gap.detected_at),
        resolved_at=None if gap.resolved_at is None else iso(gap.resolved_at),
    )
