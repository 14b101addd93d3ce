"""`/api/tokens/{address}/…`: a token's candles, trades, holders, and how its volume is spread."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from openoutcry.adapters.postgres.token_charts import TOKEN_INTERVALS
from openoutcry.adapters.postgres.token_reader import HolderCursor, TradeCursor
from openoutcry.core.chain import hexes
from openoutcry.core.tokens import amounts, cursors
from openoutcry.core.tokens.shapes import (
    candle_row,
    holder_item,
    hour_item,
    size_item,
    trade_item,
)
from openoutcry.errors import BadRequestError
from openoutcry.services.token_desk import TokenDesk
from openoutcry.tokens import Window
from openoutcry.web.api.replies import CACHE_HEADERS, reply
from openoutcry.web.api.token_asked import (
    LIVE,
    MS,
    AddressParameter,
    Asked,
    Cursor,
    Limit,
    back_from,
    followed,
    parse_interval,
    parse_limit,
    parse_time,
    responses,
)
from openoutcry.web.api.token_bodies import (
    Candles,
    CandlesOfTokenBody,
    DistributionBody,
    Holders,
    HoldersBody,
    Shares,
    Trades,
    TradesOfTokenBody,
    VolumeDistribution,
    encoded,
)


def chart_routes(desk: TokenDesk | None) -> list[HTTPRouteHandler]:
    """Return the routes of what is drawn: candles, and how a volume is spread."""

    @get(
        "/api/tokens/{address:str}/candles",
        summary="Candles of a token",
        description=(
            "Those that start in start..end (ms, both inclusive), oldest first; of a longer range the"
            " oldest `limit`. Without `start`, as many buckets as `limit` up to `end`. Each is"
            " `[openTime, open, high, low, close, volume, quoteVolume, trades, buys, buyQuoteVolume]`:"
            " prices in ETH, volume in tokens, quote volumes in ETH. Buckets without trades have none."
        ),
        tags=["tokens"],
        responses=responses(CandlesOfTokenBody),
        response_headers=CACHE_HEADERS,
    )
    async def candles(  # noqa: PLR0917 - all that may be asked
        request: Asked,
        address: AddressParameter,
        interval: Annotated[
            str,
            QueryParameter(
                name="interval",
                description=f"One of {', '.join(TOKEN_INTERVALS)}.",
                examples=[Example("1m", value="1m")],
            ),
        ] = "1m",
        start: Annotated[
            str | None,
            QueryParameter(
                name="start",
                description="Milliseconds since 1970.",
                examples=[Example("start", value="1767225600000")],
            ),
        ] = None,
        end: Annotated[
            str | None,
            QueryParameter(
                name="end",
                description="Milliseconds since 1970; now, if left out.",
                examples=[Example("end", value="1767229200000")],
            ),
        ] = None,
        limit: Annotated[
            str | None,
            QueryParameter(
                name="limit", description="1 to 1000.", examples=[Example("500", value="500")]
            ),
        ] = None,
    ) -> Response[bytes]:
        asked = followed(desk)
        kind, most = parse_interval(interval), parse_limit(limit, 500, 1000)
        until = asked.clock() // MS if end is None else parse_time("end", end)
        since = back_from(kind, until, most) if start is None else parse_time("start", start)
        if since > until:
            raise BadRequestError("start is after end; swap them.")
        standing, rows = await asked.candles(
            hexes.address(address), kind, since * MS, until * MS, most
        )
        decimals = standing.ranked.token.decimals
        body = Candles(kind.name, [candle_row(each, decimals) for each in rows])
        return reply(request, encoded(body), cache_control=LIVE)

    @get(
        "/api/tokens/{address:str}/volume/distribution",
        summary="When and in which sizes a token was traded",
        description=(
            "By the hours that the window touches, and by powers of ten of the trades' ETH. New trades"
            " are in it at once; what is older than the window leaves it within a minute."
        ),
        tags=["tokens"],
        responses=responses(DistributionBody),
        response_headers=CACHE_HEADERS,
    )
    async def distribution(
        request: Asked,
        address: AddressParameter,
        window: Annotated[
            str,
            QueryParameter(
                name="window",
                description="24h or 7d.",
                examples=[Example("24h", value="24h")],
            ),
        ] = "24h",
    ) -> Response[bytes]:
        if window not in {"24h", "7d"}:
            raise BadRequestError(f"window is {window[:40]!r}; it is 24h or 7d.")
        found = await followed(desk).distribution(hexes.address(address), Window(window))
        body = VolumeDistribution(
            window,
            [hour_item(each) for each in found.hours],
            [size_item(each) for each in found.sizes],
        )
        return reply(request, encoded(body), cache_control=LIVE)

    return [candles, distribution]


def list_routes(desk: TokenDesk | None) -> list[HTTPRouteHandler]:
    """Return the routes of what is listed, page by page."""

    @get(
        "/api/tokens/{address:str}/holders",
        summary="Who holds a token",
        description=(
            "The largest balance first. `firstBoughtAt` is null for who was only given it;"
            " `distribution` is what the largest have together, in percent of the supply."
        ),
        tags=["tokens"],
        responses=responses(HoldersBody),
        response_headers=CACHE_HEADERS,
    )
    async def holders(
        request: Asked, address: AddressParameter, limit: Limit = None, cursor: Cursor = None
    ) -> Response[bytes]:
        most = parse_limit(limit, 100)
        after = HolderCursor(*cursors.read_holder_cursor(cursor)) if cursor else None
        standing, rows, largest = await followed(desk).holders(
            hexes.address(address), most + 1, after
        )
        known, page = standing.ranked.token, rows[:most]
        shares = (largest.ten, largest.fifty, largest.hundred)
        body = Holders(
            known.holders,
            amounts.text(known.supply, known.decimals),
            [holder_item(each, known.supply, known.decimals) for each in page],
            Shares(*(amounts.percent(each, known.supply) for each in shares)),
            cursors.holder_cursor(page[-1].balance, page[-1].address) if rows[most:] else None,
        )
        return reply(request, encoded(body), cache_control=LIVE)

    @get(
        "/api/tokens/{address:str}/trades",
        summary="Trades of a token",
        description="The newest first. What a reorganisation has taken back is not among them.",
        tags=["tokens"],
        responses=responses(TradesOfTokenBody),
        response_headers=CACHE_HEADERS,
    )
    async def trades(
        request: Asked, address: AddressParameter, limit: Limit = None, cursor: Cursor = None
    ) -> Response[bytes]:
        most = parse_limit(limit, 100)
        before = TradeCursor(*cursors.read_trade_cursor(cursor)) if cursor else None
        standing, rows = await followed(desk).trades(hexes.address(address), most + 1, before)
        decimals, page = standing.ranked.token.decimals, rows[:most]
        more = None
        if rows[most:]:
            last = page[-1]
            more = cursors.trade_cursor(last.time, last.block_number, last.trade.index)
        body = Trades([trade_item(each, decimals) for each in page], more)
        return reply(request, encoded(body), cache_control=LIVE)

    return [holders, trades]
