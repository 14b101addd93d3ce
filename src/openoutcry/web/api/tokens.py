"""`/api/tokens/top`, `…/search`, `…/{address}` and `/api/stats/volume`: tokens and their figures."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from openoutcry.core.chain import hexes
from openoutcry.core.tokens import amounts
from openoutcry.core.tokens.shapes import hour_item, token_item
from openoutcry.core.tokens.sought import LONGEST, sought
from openoutcry.errors import BadRequestError
from openoutcry.services.token_desk import Capital, TokenDesk
from openoutcry.services.token_lists import FEW, Kept, Order
from openoutcry.web.api.replies import CACHE_HEADERS, reply, reply_ready
from openoutcry.web.api.token_asked import (
    LIVE,
    MS,
    AddressParameter,
    Asked,
    Limit,
    followed,
    parse_limit,
    responses,
    source,
)
from openoutcry.web.api.token_bodies import (
    PlatformBody,
    PlatformVolume,
    TokenBody,
    TokenDetail,
    TokenList,
    TokenListBody,
    TokensFound,
    TokensFoundBody,
    encoded,
)
from openoutcry.web.api.token_history import chart_routes, list_routes


def token_routes(desk: TokenDesk | None) -> list[HTTPRouteHandler]:
    """Return the routes; without a desk they say that no chain is followed."""

    @get(
        "/api/tokens/top",
        summary="Tokens by volume, or the newest",
        description=(
            "Those that were traded for most in the last 24 hours (`24h`), 7 days (`7d`), ever"
            " (`total`), or those made last (`new`). Exact at the moment of the answer: a trade is in it"
            " once it is committed, and has left a window when it is as old. Tokens without trades in a"
            " window are left out."
        ),
        tags=["tokens"],
        responses=responses(TokenListBody, token=False),
        response_headers=CACHE_HEADERS,
    )
    async def top(
        request: Asked,
        window: Annotated[
            str,
            QueryParameter(
                name="window",
                description="One of 24h, 7d, total, new.",
                examples=[Example("24h", value="24h")],
            ),
        ] = "24h",
        limit: Limit = None,
    ) -> Response[bytes]:
        lists = followed(desk).lists
        order, most = _order(window), parse_limit(limit, 50)
        kept = await lists.tokens(order, most)
        ready = kept.body(most, lambda: encoded(_list(order, kept, most)))
        return reply_ready(request, ready, cache_control=LIVE)

    @get(
        "/api/tokens/search",
        summary="Tokens by what is typed",
        description=(
            "Those whose symbol, name, or a word of the name begins with `q`, in any case of letters; or"
            " whose address or creator does, where `q` is `0x` and two or more hexadecimal digits. First"
            " those whose symbol it is, then by their volume ever, the largest first, of equal ones that"
            " which was known first. What is committed is found; no letter stands for another."
        ),
        tags=["tokens"],
        responses=responses(TokensFoundBody, token=False),
        response_headers=CACHE_HEADERS,
    )
    async def search(
        request: Asked,
        q: Annotated[
            str | None,
            QueryParameter(
                name="q",
                description=f"1 to {LONGEST} characters; spaces around it do not count.",
                required=True,
                examples=[Example("name", value="otter"), Example("address", value="0x634059")],
            ),
        ] = None,
        limit: Annotated[
            str | None,
            QueryParameter(
                name="limit", description="1 to 50.", examples=[Example("20", value="20")]
            ),
        ] = None,
    ) -> Response[bytes]:
        lists = followed(desk).lists
        asked, most = sought(q), parse_limit(limit, 20, FEW)
        kept = await lists.found(asked, most)
        body = TokensFound(asked.text, kept.block, kept.second // MS, kept.tokens)
        return reply(request, encoded(body), cache_control=LIVE)

    @get(
        "/api/tokens/{address:str}",
        summary="A token",
        description=(
            "Its market cap is its price times what circulates by the contract's own word"
            " (`marketCapSource` chain), or by the store's while the chain cannot be asked."
        ),
        tags=["tokens"],
        responses=responses(TokenBody),
        response_headers=CACHE_HEADERS,
    )
    async def token(request: Asked, address: AddressParameter) -> Response[bytes]:
        found = await followed(desk).capital(hexes.address(address))
        return reply(request, encoded(_detail(found)), cache_control=LIVE)

    @get(
        "/api/stats/volume",
        summary="What all tokens together were traded for",
        description="Exact at `asOf`; `hours` are those of the last 7 days that had trades.",
        tags=["tokens"],
        responses=responses(PlatformBody, token=False),
        response_headers=CACHE_HEADERS,
    )
    async def platform(request: Asked) -> Response[bytes]:
        kept = await followed(desk).lists.platform()
        ready = kept.body(0, lambda: encoded(_platform(kept)))
        return reply_ready(request, ready, cache_control=LIVE)

    return [top, search, token, platform, *chart_routes(desk), *list_routes(desk)]


def _order(text: str) -> Order:
    orders: dict[str, Order] = {"24h": "24h", "7d": "7d", "total": "total", "new": "new"}
    if text not in orders:
        raise BadRequestError(f"window is {text[:40]!r}; it is one of {', '.join(orders)}.")
    return orders[text]


def _list(order: Order, kept: Kept, most: int) -> TokenList:
    return TokenList(order, kept.block, kept.second // MS, kept.tokens[:most])


def _detail(found: Capital) -> TokenDetail:
    item = token_item(found.standing.ranked, supply=found.supply)
    return TokenDetail(
        **msgspec.structs.asdict(item), market_cap_source=source(found), block=found.block
    )


def _platform(kept: Kept) -> PlatformVolume:
    found = kept.platform
    assert found is not None  # noqa: S101 - that is what was asked for
    return PlatformVolume(
        volume24h=amounts.ether(found.volumes.day),
        volume7d=amounts.ether(found.volumes.week),
        volume_total=amounts.ether(found.volumes.total),
        token_count=found.tokens,
        trade_count=found.trades,
        block=kept.block,
        as_of=kept.second // MS,
        hours=[hour_item(each) for each in found.hours],
    )
