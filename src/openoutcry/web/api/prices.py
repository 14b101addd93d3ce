"""Prices for everybody: the list of coins, one symbol's price, and the aggregator's own figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from litestar.types import Scope
from msgspec import Struct

from openoutcry.adapters.valkey.weight import SteadyBudget
from openoutcry.core.breaker import State
from openoutcry.core.coins import Coin
from openoutcry.core.prices import PriceRow, change, change_percent, plain_text, price_rows
from openoutcry.core.tickers import Ticker
from openoutcry.errors import NotFoundError
from openoutcry.services.prices import Prices, PricesUnavailableError, View
from openoutcry.web.api.access import AsUser
from openoutcry.web.api.errors import ErrorBody, failure
from openoutcry.web.api.hot import JSON, NO_SNIFFING, Headers, HotAnswer, asked_for
from openoutcry.web.api.replies import CACHE_HEADERS, etag_of

AGGREGATED: Final = "/api/prices/aggregated"
STATS: Final = "/api/admin/price-cache-stats"
KEY: Final = "tickers"

_STATES: Final = {State.CLOSED: "closed", State.OPEN: "open", State.HALF_OPEN: "halfOpen"}


class SymbolPrice(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One symbol's last 24 hours; numbers with the venue's own digits. `timestamp` in ms."""

    symbol: str
    price: float
    price_change: float
    price_change_percent: float
    high24h: float = msgspec.field(name="high24h")
    low24h: float = msgspec.field(name="low24h")
    volume: float
    timestamp: int
    stale: bool = False
    age: int = 0


class CacheEntry(Struct, frozen=True, rename="camel"):
    """A snapshot that is kept."""

    key: str
    age: str
    requests_served: int
    symbol_count: int


class CacheStats(Struct, frozen=True, rename="camel"):
    """What is kept, and how it is come by.

    Counters are this process's since it started; `upstreamCallsLastMinute`, `usedWeight` and the
    breaker are those of all processes.
    """

    cache_size: int
    active_fetches: int
    entries: list[CacheEntry]
    source: str
    breaker: str
    breaker_failures: int
    upstream_calls_last_minute: int
    used_weight: int
    weight_limit: int
    weight_blocked_seconds: float
    last_error: str | None
    hits: int
    waits: int
    stale_served: int
    upstream_calls: int
    upstream_errors: int
    stream_messages: int
    stream_age: float | None
    switches: int


class Cleared(Struct, frozen=True, rename="camel"):
    """What has been cleared, in the shape of the figures."""

    cleared: CacheStats
    message: str
    success: bool = True


class Aggregated:
    """The list of coins, encoded once for each snapshot; while stale, once a second."""

    def __init__(self, prices: Prices, coins: Sequence[Coin]) -> None:
        self._prices = prices
        self._coins = tuple(coins)
        rules = prices.rules
        self._cache_control = (
            f"public, s-maxage={max(1, round(rules.fresh))},"
            f" stale-while-revalidate={max(1, round(rules.grace))}"
        ).encode()
        self._view: View | None = None
        self._second = -1
        self._body = self._etag = b""
        self._headers: Headers = []

    def hot(self, scope: Scope) -> HotAnswer | None:
        """Answer at once, if nobody has to be waited for."""
        view = self._prices.ready()
        return None if view is None else self.answer(view, scope["headers"])

    def answer(self, view: View, asked: Iterable[tuple[bytes, bytes]]) -> HotAnswer:
        """Return the answer to a request with the headers `asked`."""
        last = self._view
        if (
            last is None
            or view.snapshot is not last.snapshot
            or view.stale is not last.stale
            or int(view.age) != self._second
        ):
            self._prepare(view, last)
        if asked_for(asked, self._etag):
            return HotAnswer(304, self._headers, b"")
        return HotAnswer(200, self._headers, self._body)

    def _prepare(self, view: View, last: View | None) -> None:
        self._view, self._second = view, int(view.age)
        fresh_again = last is None or last.snapshot is not view.snapshot or last.stale
        if fresh_again or view.stale:
            rows = price_rows(self._coins, view.snapshot, self._second if view.stale else None)
            self._body = msgspec.json.encode(rows)
            self._etag = etag_of(self._body).encode()
        self._headers = [
            JSON,
            (b"cache-control", self._cache_control),
            (b"etag", self._etag),
            (b"age", str(self._second).encode()),
            NO_SNIFFING,
        ]
        if view.stale:
            self._headers.append((b"x-prices-stale", b"true"))


def price_routes(
    prices: Prices, aggregated: Aggregated, budget: SteadyBudget | None, symbol_fresh: float
) -> list[HTTPRouteHandler]:
    """Return the routes; a symbol's price is fresh for `symbol_fresh` seconds."""

    @get(
        AGGREGATED,
        summary="Prices of the chosen coins",
        description=(
            "One snapshot for everybody, at most 10 s old. While the exchange cannot be reached the"
            " last prices go on: `X-Prices-Stale: true`, and each row has `stale` and `age`."
        ),
        tags=["prices"],
        responses={
            200: ResponseSpec(list[PriceRow], generate_examples=False),
            503: ResponseSpec(ErrorBody, description="Never heard of", generate_examples=False),
        },
        response_headers=CACHE_HEADERS,
    )
    async def coins(request: Request[Any, Any, Any]) -> Response[bytes]:
        try:
            view = await prices.view()
        except PricesUnavailableError as error:
            return _unavailable(error)
        answer = aggregated.answer(view, request.scope["headers"])
        return Response(
            answer.body,
            status_code=answer.status,
            headers={name.decode(): value.decode() for name, value in answer.headers},
            media_type="application/json",
        )

    @get(
        "/api/prices/symbol/{symbol:str}",
        summary="One symbol's price",
        description="At most 5 s old, while the exchange can be reached. The digits are exact.",
        tags=["prices"],
        responses={
            200: ResponseSpec(SymbolPrice, generate_examples=False),
            404: ResponseSpec(ErrorBody, description="No such symbol", generate_examples=False),
            503: ResponseSpec(ErrorBody, description="Never heard of", generate_examples=False),
        },
    )
    async def one(
        user: AsUser,  # noqa: ARG001 - its being here protects the route
        symbol: Annotated[str, Parameter(description="Such as BTCUSDT, in any case.")],
    ) -> Response[bytes]:
        try:
            view = await prices.view(symbol_fresh, 0.0)
        except PricesUnavailableError as error:
            return _unavailable(error)
        ticker = view.snapshot.tickers.get(symbol.upper())
        if ticker is None:
            raise NotFoundError(
                f"There is no symbol {symbol[:40]!r}; GET /api/v1/markets lists what there is."
            )
        return Response(
            _symbol_body(ticker, view),
            headers={"Cache-Control": "private, no-cache"},
            media_type="application/json",
        )

    @get(
        STATS,
        summary="The price aggregator's figures",
        description="What is kept and how it is come by. For admins.",
        tags=["operations"],
        responses={200: ResponseSpec(CacheStats, generate_examples=False)},
    )
    async def stats(admin: AsUser) -> Response[bytes]:  # noqa: ARG001 - protects the route
        return _json(await _stats(prices, budget))

    @post(
        STATS,
        status_code=200,
        summary="Clear the prices that are kept",
        description=(
            "In every process: the next reader waits for new ones. The old ones are served, as"
            " stale, only if none can be had. For admins."
        ),
        tags=["operations"],
        responses={200: ResponseSpec(Cleared, generate_examples=False)},
    )
    async def clear(admin: AsUser) -> Response[bytes]:  # noqa: ARG001 - protects the route
        before = await _stats(prices, budget)
        await prices.clear()
        count = before.cache_size
        return _json(Cleared(before, f"{count} {'entry' if count == 1 else 'entries'} cleared"))

    return [coins, one, stats, clear]


async def _stats(prices: Prices, budget: SteadyBudget | None) -> CacheStats:
    snapshot, counted, asker = prices.snapshot, prices.stats, prices.asker
    breaker = await asker.breaker()
    weight = None if budget is None else await budget.read()
    entries = []
    if snapshot is not None:
        age = max(0, int(prices.age or 0))
        entries.append(CacheEntry(KEY, f"{age}s", prices.served, len(snapshot.tickers)))
    heard = prices.stream_age
    return CacheStats(
        cache_size=len(entries),
        active_fetches=int(prices.refreshing),
        entries=entries,
        source=prices.source,
        breaker=_STATES[breaker.state],
        breaker_failures=breaker.failures,
        upstream_calls_last_minute=await asker.calls_last_minute(),
        used_weight=weight.used if weight else 0,
        weight_limit=weight.limit if weight else 0,
        weight_blocked_seconds=round(weight.blocked_seconds, 1) if weight else 0.0,
        last_error=counted.last_error or None,
        hits=counted.hits,
        waits=counted.waits,
        stale_served=counted.stale,
        upstream_calls=asker.calls,
        upstream_errors=asker.errors,
        stream_messages=counted.stream_messages,
        stream_age=None if heard is None else round(heard, 1),
        switches=counted.switches,
    )


def _symbol_body(ticker: Ticker, view: View) -> bytes:
    """Return the JSON of one symbol: numbers, written with the digits that they have."""
    numbers = {
        "price": Decimal(ticker.price),
        "priceChange": change(ticker),
        "priceChangePercent": change_percent(ticker),
        "high24h": Decimal(ticker.high),
        "low24h": Decimal(ticker.low),
        "volume": Decimal(ticker.volume),
    }
    written = ",".join(f'"{name}":{plain_text(number)}' for name, number in numbers.items())
    late = f',"stale":true,"age":{int(view.age)}' if view.stale else ""
    symbol = msgspec.json.encode(ticker.symbol).decode()
    return f'{{"symbol":{symbol},{written},"timestamp":{ticker.time // 1000}{late}}}'.encode()


def _json(value: Struct) -> Response[bytes]:
    return Response(
        msgspec.json.encode(value),
        status_code=200,
        headers={"Cache-Control": "no-store"},
        media_type="application/json",
    )


def _unavailable(error: PricesUnavailableError) -> Response[bytes]:
    return failure(503, str(error), {"Retry-After": "1"})
