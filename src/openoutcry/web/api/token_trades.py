"""`/api/trades`: confirm a trade of a token, and ask for a token's price."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from openoutcry.core.chain import hexes
from openoutcry.core.tokens.confirming import Claim
from openoutcry.core.tokens.shapes import market_cap, token_item
from openoutcry.errors import BadRequestError
from openoutcry.services.token_desk import Capital, TokenDesk
from openoutcry.tokens import TradeSide
from openoutcry.web.api.access import AsUser
from openoutcry.web.api.bodies import body_of, takes
from openoutcry.web.api.described import refusal
from openoutcry.web.api.replies import CACHE_HEADERS, reply
from openoutcry.web.api.token_asked import (
    LIVE,
    AddressParameter,
    Asked,
    followed,
    responses,
    source,
)
from openoutcry.web.api.token_bodies import (
    Confirm,
    Confirmed,
    ConfirmedBody,
    Price,
    PriceBody,
    TokenCacheBody,
    TokenCacheStats,
    VolumeMetrics,
    encoded,
)

CONFIRM: Final = "/api/trades/confirm"
PRICE: Final = "/api/trades/price/"
STATS: Final = "/api/admin/token-cache-stats"

LIMITED: Final = ("/api/tokens/", PRICE, "/api/stats/volume")
"""Where the limit of reading about tokens stands."""

_SIDES: Final = {"buy": TradeSide.BUY, "sell": TradeSide.SELL}
_REFUSALS: Final = {
    404: "No such transaction or token, or no chain is followed",
    409: "Its block has been taken back: confirm it again",
    422: "It failed, or has not traded this token on this side",
    425: "Not mined, or not deep enough yet; Retry-After says when to ask again",
    503: "Neither a node nor the store can be asked",
}


def token_trade_routes(
    desk: TokenDesk | None, cache_bytes: int, ttl: int
) -> list[HTTPRouteHandler]:
    """Return the routes; without a desk they say that no chain is followed."""

    @post(
        CONFIRM,
        status_code=200,
        summary="Confirm a trade",
        description=(
            "Reads the transaction's receipt from the chain, checks that it is final enough, of that"
            " token and of that kind, and records it, once however often it is sent; then answers with"
            " the token's figures, the trade in them. Amounts are in wei."
        ),
        tags=["tokens"],
        operation_class=takes(Confirm),
        responses={
            **responses(ConfirmedBody),
            **{status: refusal(text) for status, text in _REFUSALS.items()},
        },
    )
    async def confirm(request: Asked) -> Response[bytes]:
        asked = followed(desk)
        body = await body_of(request, Confirm)
        if body.trade_type not in _SIDES:
            raise BadRequestError(f"tradeType is {body.trade_type[:40]!r}; it is buy or sell.")
        claim = Claim(
            hexes.tx_hash(body.tx_hash, "txHash"),
            hexes.address(body.token_address, "tokenAddress"),
            _SIDES[body.trade_type],
        )
        found = await asked.confirm(claim)
        return _answer(_confirmed(found, body.trade_type))

    @get(
        PRICE + "{address:str}",
        summary="A token's price",
        description=(
            "In ETH, exact at the moment of the answer; price and market cap are null before the first"
            " trade. `marketCapSource` says who has told what circulates, of which `block`."
        ),
        tags=["tokens"],
        responses=responses(PriceBody),
        response_headers=CACHE_HEADERS,
    )
    async def price(request: Asked, address: AddressParameter) -> Response[bytes]:
        found = await followed(desk).capital(hexes.address(address))
        return reply(request, encoded(_price(found)), cache_control=LIVE)

    @get(
        STATS,
        summary="The token cache's figures",
        description="What this process keeps of tokens, and where it found what was asked. For admins.",
        tags=["operations"],
        responses=responses(TokenCacheBody, token=False),
    )
    async def stats(admin: AsUser) -> Response[bytes]:  # noqa: ARG001 - protects the route
        return _answer(_stats(followed(desk), cache_bytes, ttl))

    @post(
        STATS,
        status_code=200,
        summary="Clear the token cache",
        description=(
            "Here and in Valkey. What other processes keep goes on until something happens to its token:"
            " it is right until then. Answers with the figures before, and how many entries are gone."
        ),
        tags=["operations"],
        responses=responses(TokenCacheBody, token=False),
    )
    async def clear(admin: AsUser) -> Response[bytes]:  # noqa: ARG001 - protects the route
        asked = followed(desk)
        before = _stats(asked, cache_bytes, ttl)
        return _answer(_with(before, await asked.cache.clear()))

    return [confirm, price, stats, clear]


def _answer(data: object) -> Response[bytes]:
    return Response(
        encoded(data),
        status_code=200,
        headers={"Cache-Control": "no-store"},
        media_type="application/json",
    )


def _confirmed(found: Capital, kind: str) -> Confirmed:
    ranked = found.standing.ranked
    volumes, capital = ranked.volumes, market_cap(ranked, found.supply)
    return Confirmed(
        VolumeMetrics(str(volumes.day), str(volumes.week), str(volumes.total)),
        None if capital is None else str(capital),
        ranked.token.holders,
        f"{kind} confirmed: it counts",
    )


def _price(found: Capital) -> Price:
    item = token_item(found.standing.ranked, supply=found.supply)
    return Price(
        current_price=item.current_price,
        market_cap=item.market_cap,
        volume24h=item.volume24h,
        volume7d=item.volume7d,
        volume_total=item.volume_total,
        holder_count=item.holder_count,
        progress_percent=item.progress_percent,
        market_cap_source=source(found),
        block=found.block,
    )


def _stats(desk: TokenDesk, cache_bytes: int, ttl: int) -> TokenCacheStats:
    cache, stats, lists = desk.cache, desk.cache.stats, desk.lists
    hits = stats.local_hits + stats.shared_hits
    asked = hits + stats.misses
    return TokenCacheStats(
        entries=len(cache),
        bytes=cache.bytes,
        max_bytes=cache_bytes,
        ttl_seconds=ttl,
        local_hits=stats.local_hits,
        shared_hits=stats.shared_hits,
        misses=stats.misses,
        joined=stats.joined,
        hit_rate=round(hits / asked, 4) if asked else None,
        expired=stats.expired,
        evicted=stats.evicted,
        failures=stats.failures,
        round_trips=stats.round_trips,
        list_hits=lists.hits,
        list_misses=lists.misses,
    )


def _with(before: TokenCacheStats, cleared: int) -> TokenCacheStats:
    return msgspec.structs.replace(before, cleared=cleared)
