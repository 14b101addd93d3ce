"""`/api/v1/orders` and `/api/v1/fills`: what bots have ordered, and what became of it."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from openoutcry.adapters.postgres import trading_reader
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.adapters.postgres.trading_reader import Page
from openoutcry.core.trading.events import Cancel, Event
from openoutcry.core.trading.wire import FillBody, OrderBody, fill_body, order_body
from openoutcry.errors import ConflictError
from openoutcry.services.trading_desk import TradingDesk, now_us
from openoutcry.trading import Account, Order, OrderStatus
from openoutcry.web.api.access import AsUser
from openoutcry.web.api.described import NO_STORE, answers
from openoutcry.web.api.pages import (
    BEFORE,
    FROM,
    LIMIT,
    TO,
    before_of,
    choice_of,
    limit_of,
    text_of,
    time_of,
)
from openoutcry.web.api.trading import CLASH, NONE, TAGS, bot_filter, no_such_order

_BOT = QueryParameter(name="bot_id", description="Only of this bot; a deleted one's too.")


class OrdersBody(Struct, frozen=True):
    """Orders, newest first; `next` is the `before` of the following page, null on the last."""

    orders: list[OrderBody]
    next: str | None


class FillsBody(Struct, frozen=True):
    """Fills, newest first; `next` is the `before` of the following page, null on the last."""

    fills: list[FillBody]
    next: str | None


def order_routes(pool: Pool, desk: TradingDesk) -> list[HTTPRouteHandler]:
    """Return the routes of orders and fills."""
    return [*_orders(pool), _cancel(pool, desk), _fills(pool)]


def _orders(pool: Pool) -> list[HTTPRouteHandler]:
    @get(
        "/api/v1/orders",
        summary="One's orders",
        description="Newest first, page by page. Times are those of the orders' making.",
        tags=TAGS,
        response_headers=NO_STORE,
        responses=answers(OrdersBody),
    )
    async def orders(
        user: AsUser,
        *,
        bot_id: Annotated[str | None, _BOT] = None,
        status: Annotated[
            str | None,
            QueryParameter(name="status", examples=[Example("FILLED", value="FILLED")]),
        ] = None,
        ticker: Annotated[str | None, QueryParameter(name="ticker")] = None,
        exchange_order_id: Annotated[str | None, QueryParameter(name="exchange_order_id")] = None,
        since: Annotated[str | None, FROM] = None,
        until: Annotated[str | None, TO] = None,
        before: Annotated[str | None, BEFORE] = None,
        limit: Annotated[str, LIMIT] = "100",
    ) -> OrdersBody:
        most = limit_of(limit)
        symbol = text_of("ticker", ticker)
        query = trading_reader.orders_query(
            user.id,
            Page(most + 1, before_of(before), time_of("from", since), time_of("to", until)),
            bot_id=bot_filter(bot_id),
            status=choice_of("status", status, OrderStatus),
            symbol=None if symbol is None else symbol.upper(),
            exchange_order_id=text_of("exchange_order_id", exchange_order_id),
        )
        found = await trading_reader.read_orders(pool, query)
        page = found[:most]
        following = str(page[-1][0]) if len(found) > most else None
        return OrdersBody([order_body(order) for _, order in page], following)

    @get(
        "/api/v1/orders/{client_order_id:str}",
        summary="An order",
        description="By its client order id.",
        tags=TAGS,
        response_headers=NO_STORE,
        responses=answers(OrderBody) | {404: NONE},
    )
    async def order(user: AsUser, client_order_id: FromPath[str]) -> OrderBody:
        return order_body(await _find(pool, user.id, client_order_id))

    return [orders, order]


def _cancel(pool: Pool, desk: TradingDesk) -> HTTPRouteHandler:
    @post(
        "/api/v1/orders/{client_order_id:str}/cancel",
        summary="Cancel an order",
        description=(
            "Its bot is stopped: it would place the same order again. At a live exchange the order"
            " is open until the exchange says otherwise."
        ),
        tags=TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses=answers(OrderBody) | {404: NONE, 409: CLASH},
    )
    async def cancel(user: AsUser, client_order_id: FromPath[str]) -> OrderBody:
        known = await _find(pool, user.id, client_order_id)
        if not known.is_open:
            raise ConflictError(f"The order is {known.status} already.")
        context = await desk.context()

        def events(_: Account) -> list[Event]:
            return [Cancel(known.client_order_id, now_us())]

        changes = await desk.tell(user.id, events, context)
        changed = {each.client_order_id: each for each in changes.orders}
        return order_body(changed.get(known.client_order_id, known))

    return cancel


def _fills(pool: Pool) -> HTTPRouteHandler:
    @get(
        "/api/v1/fills",
        summary="One's fills",
        description="What was traded, newest first, page by page.",
        tags=TAGS,
        response_headers=NO_STORE,
        responses=answers(FillsBody),
    )
    async def fills(
        user: AsUser,
        *,
        bot_id: Annotated[str | None, _BOT] = None,
        client_order_id: Annotated[str | None, QueryParameter(name="client_order_id")] = None,
        since: Annotated[str | None, FROM] = None,
        until: Annotated[str | None, TO] = None,
        before: Annotated[str | None, BEFORE] = None,
        limit: Annotated[str, LIMIT] = "100",
    ) -> FillsBody:
        most = limit_of(limit)
        query = trading_reader.fills_query(
            user.id,
            Page(most + 1, before_of(before), time_of("from", since), time_of("to", until)),
            bot_id=bot_filter(bot_id),
            client_order_id=text_of("client_order_id", client_order_id),
        )
        found = await trading_reader.read_fills(pool, query)
        page = found[:most]
        following = str(page[-1][0]) if len(found) > most else None
        return FillsBody([fill_body(fill) for _, fill in page], following)

    return fills


async def _find(pool: Pool, user_id: int, client_order_id: str) -> Order:
    found = None
    if client_order_id.isprintable():
        found = await trading_reader.find_order(pool, user_id, client_order_id)
    if found is None:
        raise no_such_order()
    return found
