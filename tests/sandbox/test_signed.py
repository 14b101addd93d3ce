"""Trading at the sandbox exchange: Binance's signed endpoints, spoken by an unchanged ccxt."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import ccxt.async_support as ccxt
import pytest

from sandbox.support import Sandbox, running

KEYS = {"apiKey": "sandbox", "secret": "sandbox"}


@asynccontextmanager
async def exchange_of(sandbox: Sandbox, **more: Any) -> AsyncIterator[Any]:
    """Return ccxt with nothing changed but addresses; numbers as they are written."""
    exchange = ccxt.binance({**KEYS, "number": str, **more})
    api = exchange.urls["api"]
    api["public"] = api["private"] = sandbox.rest + "/api/v3"
    api["sapi"] = sandbox.rest + "/sapi/v1"
    api["fapiPublic"] = sandbox.rest + "/fapi/v1"
    api["dapiPublic"] = sandbox.rest + "/dapi/v1"
    try:
        yield exchange
    finally:
        await exchange.close()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running(rate=60.0) as one:
        yield one


async def ask(
    sandbox: Sandbox, method: str, path: str, *, secret: str = KEYS["secret"], **params: Any
) -> tuple[int, Any]:
    """Send a signed request and return status and JSON."""
    params = {"timestamp": int(time.time() * 1000), **params}
    query = urlencode({name: value for name, value in params.items() if value is not None})
    signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    url = f"{sandbox.rest}{path}?{query}&signature={signature}"
    headers = {"X-MBX-APIKEY": "sandbox"}
    async with sandbox.http.request(method, url, headers=headers) as response:
        return response.status, await response.json()


def limit(price: str, **more: Any) -> dict[str, Any]:
    """Return the parameters of a limit order for 0.01 BTC."""
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    return {**order, "quantity": "0.01", "price": price, **more}


async def test_ccxt_trades(sandbox: Sandbox) -> None:
    """Balances, a market order with its trades and fees, a resting one found by id and cancelled."""
    async with exchange_of(sandbox) as exchange:
        before = await exchange.fetch_balance()
        assert Decimal(before["USDT"]["free"]) == 100_000
        bought = await exchange.create_order(
            "BTC/USDT", "market", "buy", "0.5", None, {"clientOrderId": "oo-1-0"}
        )
        assert bought["status"] == "closed"
        trades = await exchange.fetch_order_trades(bought["id"], "BTC/USDT")
        assert sum(Decimal(t["amount"]) for t in trades) == Decimal("0.5")
        cost = sum(Decimal(t["price"]) * Decimal(t["amount"]) for t in trades)
        assert cost == Decimal(bought["cost"])
        assert {t["fee"]["currency"] for t in trades} == {"BTC"}
        fees = sum(Decimal(t["fee"]["cost"]) for t in trades)
        after = await exchange.fetch_balance()
        assert Decimal(after["USDT"]["free"]) == 100_000 - cost
        assert Decimal(after["BTC"]["free"]) == Decimal("2.5") - fees
        low = str(Decimal(trades[0]["price"]).quantize(Decimal(1)) - 10_000)
        resting = await exchange.create_order(
            "BTC/USDT", "limit", "buy", "0.01", low, {"clientOrderId": "oo-1-1"}
        )
        found = await exchange.fetch_order(None, "BTC/USDT", {"clientOrderId": "oo-1-1"})
        assert (found["id"], found["status"]) == (resting["id"], "open")
        assert [o["clientOrderId"] for o in await exchange.fetch_open_orders("BTC/USDT")] == [
            "oo-1-1"
        ]
        locked = await exchange.fetch_balance()
        assert Decimal(locked["USDT"]["used"]) == Decimal(low) * Decimal("0.01")
        gone = await exchange.cancel_order(None, "BTC/USDT", {"clientOrderId": "oo-1-1"})
        assert gone["status"] == "canceled"
        assert (await exchange.fetch_balance())["USDT"] == after["USDT"]


async def test_ccxt_is_told_what_is_wrong(sandbox: Sandbox) -> None:
    """Its own errors: funds, an unknown order, a filter, a wrong key and a wrong secret."""
    async with exchange_of(sandbox) as exchange:
        await exchange.load_markets()
        with pytest.raises(ccxt.InsufficientFunds):
            await exchange.create_order("BTC/USDT", "limit", "sell", "50", "90000")
        with pytest.raises(ccxt.OrderNotFound):
            await exchange.cancel_order("77", "BTC/USDT")
        with pytest.raises(ccxt.OrderNotFound):
            await exchange.fetch_order(None, "BTC/USDT", {"clientOrderId": "oo-9-9"})
        with pytest.raises(ccxt.InvalidOrder):
            await exchange.private_post_order(limit("0.001"))
        exchange.apiKey = "somebody"
        with pytest.raises(ccxt.AuthenticationError):
            await exchange.fetch_balance()
    async with exchange_of(sandbox, secret="wrong") as exchange:  # noqa: S106 - it is
        with pytest.raises(ccxt.AuthenticationError):
            await exchange.fetch_balance()


async def test_a_resting_order_is_filled_by_the_tape(sandbox: Sandbox) -> None:
    """At its own price, as a maker, by trades at that price or better, and never beyond its quantity.

    One below the price and one above it: wherever the market goes, it meets one of them.
    """
    book = await sandbox.get("/api/v3/ticker/bookTicker", symbol="BTCUSDT")
    prices: dict[int, str] = {}
    for side, price in (("BUY", book["bidPrice"]), ("SELL", book["askPrice"])):
        status, placed = await ask(
            sandbox, "POST", "/api/v3/order", **limit(price, side=side, quantity="0.2")
        )
        assert status == 200, placed
        prices[placed["orderId"]] = price
    deadline = time.monotonic() + 60
    made: list[Any] = []
    while not made:
        assert time.monotonic() < deadline
        _, rows = await ask(sandbox, "GET", "/api/v3/myTrades", symbol="BTCUSDT")
        made = [row for row in rows if row["isMaker"]]
        await asyncio.sleep(0.1)
    for row in made:
        assert row["price"] == prices[row["orderId"]]
    for order in prices:
        filled = sum(Decimal(row["qty"]) for row in rows if row["orderId"] == order)
        assert filled <= Decimal("0.2")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"timestamp": None}, -1102),
        ({"timestamp": int(time.time() * 1000) - 3_600_000}, -1021),
        ({"timestamp": int(time.time() * 1000) + 3_600_000}, -1021),
        ({"recvWindow": 60_001}, -1131),
        ({"secret": "another"}, -1022),
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"price": "0.001"}, -1013),
        ({"price": "100"}, -1013),
        ({"quantity": "0.000001"}, -1013),
        ({"quantity": "1e3"}, -1100),
        ({"quantity": "many"}, -1100),
        ({"side": "HOLD"}, -1117),
        ({"type": "STOP"}, -1116),
        ({"timeInForce": "FOK"}, -1115),
        ({"newClientOrderId": "no spaces"}, -1100),
        ({"quantity": "100"}, -2010),
    ],
)
async def test_what_is_wrong_has_binances_code(
    sandbox: Sandbox, change: dict[str, Any], code: int
) -> None:
    """And nothing has happened then: no order, no balance that is locked."""
    status, told = await ask(sandbox, "POST", "/api/v3/order", **(limit("60000") | change))
    assert (status, told["code"]) == (400, code), told
    assert (await ask(sandbox, "GET", "/api/v3/openOrders"))[1] == []
    account = (await ask(sandbox, "GET", "/api/v3/account"))[1]
    assert all(Decimal(row["locked"]) == 0 for row in account["balances"])


async def test_keys_are_asked_for(sandbox: Sandbox) -> None:
    """Without a key -2014, with a strange one -2015, both 401."""
    for headers, code in (({}, -2014), ({"X-MBX-APIKEY": "no"}, -2015)):
        url = sandbox.rest + "/api/v3/account?timestamp=1&signature=1"
        async with sandbox.http.get(url, headers=headers) as response:
            assert response.status == 401
            assert (await response.json())["code"] == code


async def test_a_client_id_is_unique_among_open_orders(sandbox: Sandbox) -> None:
    """As at Binance: while it is open the second is refused; afterwards the id may be used again."""
    order = limit("30000", newClientOrderId="mine")
    assert (await ask(sandbox, "POST", "/api/v3/order", **order))[0] == 200
    assert (await ask(sandbox, "POST", "/api/v3/order", **order))[1]["code"] == -2010
    named = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
    assert (await ask(sandbox, "DELETE", "/api/v3/order", **named))[1]["status"] == "CANCELED"
    assert (await ask(sandbox, "DELETE", "/api/v3/order", **named))[1]["code"] == -2011
    assert (await ask(sandbox, "POST", "/api/v3/order", **order))[0] == 200
    every = (await ask(sandbox, "GET", "/api/v3/allOrders", symbol="BTCUSDT"))[1]
    assert [row["status"] for row in every] == ["CANCELED", "NEW"]


async def test_an_answer_can_be_lost(sandbox: Sandbox) -> None:
    """The order is there, and whoever sent it does not know."""
    await sandbox.fault(kind="rest_lost", path="/api/v3/order", method="POST", count=1)
    async with exchange_of(sandbox) as exchange:
        with pytest.raises(ccxt.NetworkError):
            await exchange.create_order(
                "BTC/USDT", "limit", "buy", "0.01", "30000", {"clientOrderId": "lost"}
            )
        found = await exchange.fetch_order(None, "BTC/USDT", {"clientOrderId": "lost"})
        assert found["status"] == "open"


async def test_a_request_that_comes_late_is_refused(sandbox: Sandbox) -> None:
    """What has been under way for longer than its window does nothing."""
    await sandbox.fault(kind="rest_delay", ms=700, method="POST", count=1)
    late = limit("30000", recvWindow=300)
    assert (await ask(sandbox, "POST", "/api/v3/order", **late))[1]["code"] == -1021
    assert (await ask(sandbox, "GET", "/api/v3/openOrders"))[1] == []
