"""Binance's signed endpoints: orders, balances and executions of one customer, as JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

from openoutcry.sandbox.customers import Customers
from openoutcry.sandbox.matching import FEE, Customer, Execution, Kind, Refused, Side, VenueOrder
from openoutcry.venues.binance_server_data import Book, Listing
from openoutcry.venues.binance_server_shapes import decimal_text

Json = Any
Params = Mapping[str, str]

_CLIENT_ID: Final = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
_LEAST_NOTIONAL: Final = Decimal(5)
_MOST_PRICE: Final = Decimal(1_000_000)
_MOST_ROWS: Final = 1000
_GONE: Final = "Order does not exist."


class Till:
    """Answers signed requests. `book` is called by who places an order, just before."""

    def __init__(self, customers: Customers, listings: Mapping[str, Listing]) -> None:
        self._customers = customers
        self._listings = listings

    def answer(self, method: str, path: str, params: Params, customer: Customer, now: int) -> Json:
        """Return the JSON of anything but a new order. Raises Refused."""
        handler = _HANDLERS[method, path]
        return handler(self, params, customer, now)

    def place(self, params: Params, customer: Customer, book: Book, now: int) -> Json:
        """Take a new order in and return what Binance answers to it. Raises Refused."""
        order = self._order(params, now)
        done = customer.place(order, self._listings[order.symbol], book)
        row = _order_row(order) | {"transactTime": now // 1000}
        row["fills"] = [
            {
                "price": decimal_text(one.price),
                "qty": decimal_text(one.quantity),
                "commission": decimal_text(one.fee),
                "commissionAsset": one.fee_asset,
                "tradeId": one.id,
            }
            for one in done
        ]
        return row

    def check(self, params: Params, now: int) -> Json:
        """Check a new order without taking it in. Raises Refused."""
        self._order(params, now, count=False)
        return {}

    def listing(self, params: Params) -> Listing:
        """Return the market that a request names. Raises Refused."""
        symbol = _text(params, "symbol")
        if symbol not in self._listings:
            raise Refused(-1121, "Invalid symbol.")
        return self._listings[symbol]

    def _order(self, params: Params, now: int, *, count: bool = True) -> VenueOrder:
        listing = self.listing(params)
        side, kind = _text(params, "side"), _text(params, "type")
        if side not in {"BUY", "SELL"}:
            raise Refused(-1117, "Invalid side.")
        if kind not in {"LIMIT", "LIMIT_MAKER", "MARKET"}:
            raise Refused(-1116, "Invalid orderType.")
        if kind == "LIMIT" and _text(params, "timeInForce") != "GTC":
            raise Refused(-1115, "Invalid timeInForce.")
        client_id = params.get("newClientOrderId", "")
        if client_id and not _CLIENT_ID.fullmatch(client_id):
            raise Refused(
                -1100,
                "Illegal characters found in parameter 'newClientOrderId'; "
                r"legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
            )
        quantity = _amount(params, "quantity")
        price = Decimal(0) if kind == "MARKET" else _amount(params, "price")
        _check_filters(listing, quantity, None if kind == "MARKET" else price)
        number = self._customers.next_order_id() if count else 0
        return VenueOrder(
            id=number,
            client_id=client_id or f"sandbox{number}",
            symbol=listing.symbol,
            side=cast("Side", side),
            kind=cast("Kind", kind),
            price=price,
            quantity=quantity,
            time=now,
            updated=now,
        )

    def _find(self, params: Params, customer: Customer, complaint: Refused) -> VenueOrder:
        symbol = self.listing(params).symbol
        number, client_id = params.get("orderId"), params.get("origClientOrderId")
        if not number and not client_id:
            text = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            raise Refused(-1102, text)
        if number and not (number.isdecimal() and len(number) < 20):
            raise Refused(-1100, "Illegal characters found in parameter 'orderId'.")
        order = customer.find(symbol, int(number) if number else None, client_id)
        if order is None:
            raise complaint
        return order

    def get_order(self, params: Params, customer: Customer, _now: int) -> Json:
        """Return an order."""
        return _order_row(self._find(params, customer, Refused(-2013, _GONE)))

    def cancel(self, params: Params, customer: Customer, now: int) -> Json:
        """Cancel an open order."""
        unknown = Refused(-2011, "Unknown order sent.")
        order = self._find(params, customer, unknown)
        if not order.is_open:
            raise unknown
        customer.cancel(order, self._listings[order.symbol], now)
        return _cancelled_row(order, params.get("newClientOrderId", ""))

    def cancel_all(self, params: Params, customer: Customer, now: int) -> Json:
        """Cancel every open order of a market."""
        listing = self.listing(params)
        found = [one for one in customer.open.values() if one.symbol == listing.symbol]
        if not found:
            raise Refused(-2011, "Unknown order sent.")
        for order in found:
            customer.cancel(order, listing, now)
        return [_cancelled_row(order, "") for order in found]

    def open_orders(self, params: Params, customer: Customer, _now: int) -> Json:
        """Return open orders, of one market or of all."""
        wanted = self.listing(params).symbol if params.get("symbol") else None
        return [_order_row(one) for one in customer.open.values() if wanted in {None, one.symbol}]

    def all_orders(self, params: Params, customer: Customer, _now: int) -> Json:
        """Return orders of a market, the oldest first."""
        symbol, first = self.listing(params).symbol, _number(params, "orderId")
        rows = [one for one in customer.orders.values() if one.symbol == symbol]
        return [_order_row(one) for one in _page(rows, first, params, lambda one: one.id)]

    def my_trades(self, params: Params, customer: Customer, _now: int) -> Json:
        """Return executions of a market or of one order, the oldest first."""
        symbol, order = self.listing(params).symbol, _number(params, "orderId")
        start, end = _number(params, "startTime"), _number(params, "endTime")
        rows = [
            one
            for one in customer.executions
            if one.symbol == symbol
            and order in {None, one.order_id}
            and (start is None or one.time // 1000 >= start)
            and (end is None or one.time // 1000 <= end)
        ]
        page = _page(rows, _number(params, "fromId"), params, lambda one: one.id)
        return [_execution_row(one) for one in page]

    def account(self, _params: Params, customer: Customer, now: int) -> Json:
        """Return balances and commissions."""
        rate = decimal_text(FEE)
        return {
            "makerCommission": 10,
            "takerCommission": 10,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {
                "maker": rate,
                "taker": rate,
                "buyer": "0.00000000",
                "seller": "0.00000000",
            },
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": now // 1000,
            "accountType": "SPOT",
            "balances": [
                {"asset": asset, "free": decimal_text(one.free), "locked": decimal_text(one.locked)}
                for asset, one in customer.purses.items()
            ],
            "permissions": ["SPOT"],
            "uid": 1,
        }

    def nothing(self, _params: Params, _customer: Customer, _now: int) -> Json:
        """Return an empty list."""
        return []


PLACE: Final = ("POST", "/api/v3/order")
TEST: Final = ("POST", "/api/v3/order/test")

_HANDLERS: Final[dict[tuple[str, str], Callable[[Till, Params, Customer, int], Json]]] = {
    ("GET", "/api/v3/order"): Till.get_order,
    ("DELETE", "/api/v3/order"): Till.cancel,
    ("GET", "/api/v3/openOrders"): Till.open_orders,
    ("DELETE", "/api/v3/openOrders"): Till.cancel_all,
    ("GET", "/api/v3/allOrders"): Till.all_orders,
    ("GET", "/api/v3/myTrades"): Till.my_trades,
    ("GET", "/api/v3/account"): Till.account,
    # What ccxt asks as soon as it has keys; there is no margin here, and nothing to withdraw.
    ("GET", "/sapi/v1/capital/config/getall"): Till.nothing,
    ("GET", "/sapi/v1/margin/allPairs"): Till.nothing,
    ("GET", "/sapi/v1/margin/isolated/allPairs"): Till.nothing,
}

SIGNED: Final = frozenset({PLACE, TEST, *_HANDLERS})
"""Methods and paths that want an API key and a signature."""

WEIGHTS: Final = {
    ("GET", "/api/v3/order"): 4,
    ("GET", "/api/v3/openOrders"): 6,
    ("GET", "/api/v3/allOrders"): 20,
    ("GET", "/api/v3/myTrades"): 20,
    ("GET", "/api/v3/account"): 20,
}
"""Request weights; what is not here weighs 1."""


def weigh_signed(method: str, path: str, params: Params) -> int:
    """Return the request weight of a signed call."""
    if path == "/api/v3/openOrders" and method == "GET" and not params.get("symbol"):
        return 80
    if path == "/api/v3/myTrades" and params.get("orderId"):
        return 5
    return WEIGHTS.get((method, path), 1)


def _check_filters(listing: Listing, quantity: Decimal, price: Decimal | None) -> None:
    if quantity < listing.step or quantity % listing.step:
        raise Refused(-1013, "Filter failure: LOT_SIZE")
    if price is None:
        return
    if not listing.tick <= price <= _MOST_PRICE or price % listing.tick:
        raise Refused(-1013, "Filter failure: PRICE_FILTER")
    if price * quantity < _LEAST_NOTIONAL:
        raise Refused(-1013, "Filter failure: NOTIONAL")


def _text(params: Params, name: str) -> str:
    if not params.get(name):
        text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
        raise Refused(-1102, text)
    return params[name]


def _amount(params: Params, name: str) -> Decimal:
    text = _text(params, name)
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or len(text) > 30 or "e" in text.lower():
        raise Refused(
            -1100,
            f"Illegal characters found in parameter '{name}'; "
            "legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'.",
        )
    if amount <= 0:
        raise Refused(-1013, f"Invalid {name}.")
    return amount


def _number(params: Params, name: str) -> int | None:
    text = params.get(name)
    if not text:
        return None
    if not text.isdecimal() or len(text) > 19:
        raise Refused(-1100, f"Illegal characters found in parameter '{name}'.")
    return int(text)


def _page(
    rows: list[Any], first: int | None, params: Params, number: Callable[[Any], int]
) -> Iterable[Any]:
    limit = min(_number(params, "limit") or 500, _MOST_ROWS)
    if first is None:
        return rows[-limit:]
    return [one for one in rows if number(one) >= first][:limit]


def _order_row(order: VenueOrder) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": decimal_text(order.price),
        "origQty": decimal_text(order.quantity),
        "executedQty": decimal_text(order.filled),
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": decimal_text(order.quote),
        "status": order.status,
        "timeInForce": "GTC",
        "type": order.kind,
        "side": order.side,
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": order.time // 1000,
        "updateTime": order.updated // 1000,
        "isWorking": True,
        "workingTime": order.time // 1000,
        "selfTradePreventionMode": "NONE",
    }


def _cancelled_row(order: VenueOrder, client_id: str) -> dict[str, Any]:
    return _order_row(order) | {
        "origClientOrderId": order.client_id,
        "clientOrderId": client_id or f"cancel{order.id}",
        "transactTime": order.updated // 1000,
    }


def _execution_row(one: Execution) -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "id": one.id,
        "orderId": one.order_id,
        "orderListId": -1,
        "price": decimal_text(one.price),
        "qty": decimal_text(one.quantity),
        "quoteQty": decimal_text(one.price * one.quantity),
        "commission": decimal_text(one.fee),
        "commissionAsset": one.fee_asset,
        "time": one.time // 1000,
        "isBuyer": one.side == "BUY",
        "isMaker": one.maker,
        "isBestMatch": True,
    }
