"""Live trading at the sandbox exchange while its trader is killed: each order once, all sums equal."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import asyncpg
import msgspec
import pytest

from e2e.ledger import check_orders, check_outbox, check_positions
from e2e.sandboxed import sandboxed
from e2e.system import System, eventually
from e2e.traders import Somebody, trading

KILLS = int(os.environ.get("OUTCRY_TEST_LIVE_KILLS", "5"))
BOTS = int(os.environ.get("OUTCRY_TEST_LIVE_BOTS", "8"))
KEY = {"exchange": "binance", "name": "sandbox", "api_key": "sandbox", "secret": "sandbox"}
TICK = Decimal("0.01")


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """All roles and a trader that may trade with money, over a made-up market."""
    settings = sandboxed("BTCUSDT", "ETHUSDT", sandbox_rate=60.0, sign_up="open", live_trading=True)
    async with trading(settings, tmp_path) as system:
        yield system


def signed(system: System, path: str, **params: Any) -> Any:
    """Return what the sandbox exchange answers to a signed question."""
    query = urlencode({**params, "timestamp": int(time.time() * 1000)})
    signature = hmac.new(b"sandbox", query.encode(), hashlib.sha256).hexdigest()
    url = f"http://127.0.0.1:{system.sandbox_port}{path}?{query}&signature={signature}"
    with urlopen(Request(url, headers={"X-MBX-APIKEY": "sandbox"}), timeout=10) as answer:
        return msgspec.json.decode(answer.read())


def bots(system: System) -> list[dict[str, Any]]:
    """Describe bots that trade often: at the market every second, and by limits around the price."""
    described = []
    for number in range(BOTS):
        symbol = ("BTCUSDT", "ETHUSDT")[number % 2]
        body = {
            "name": f"bot {number}",
            "ticker": symbol,
            "exchange": "binance",
            "live": True,
            "status": "ACTIVE",
        }
        if number < 2:
            body |= {"strategy": "dca", "parameters": {"amount": "40", "every": "1s"}}
        else:
            price = Decimal(system.get(f"/api/v3/ticker/price?symbol={symbol}")["price"])
            buys = (price * (1 + Decimal(number) / 20_000)).quantize(TICK)
            body |= {
                "quantity": "0.002" if symbol == "BTCUSDT" else "0.04",
                "buy_price": str(buys),
                "sell_price": str(buys + TICK),
                "infinite_loop": True,
            }
        described.append(body)
    return described


def refused(user: Somebody, body: dict[str, Any]) -> tuple[int, str]:
    """Return status and message of a bot that is not taken."""
    with pytest.raises(HTTPError) as error:
        user.ask("POST", "/bots", body)
    return error.value.code, msgspec.json.decode(error.value.read())["message"]


async def count(system: System, sql: str) -> int:
    connection = await asyncpg.connect(system.database_url)
    try:
        return int(await connection.fetchval(sql))
    finally:
        await connection.close()


@pytest.mark.timeout(600)
async def test_killed_traders_place_each_order_once(system: System) -> None:
    """`kill -9` of the trader at random moments, and answers of the exchange that get lost.

    The exchange has each of our orders once and no other, and what it says was traded, to the last
    digit, is what our books say: quantities, money, fees, and the balances that follow from them.
    """
    user = Somebody(system, "ada")
    start = {row["asset"]: Decimal(row["free"]) for row in account(system)}
    described = bots(system)
    status, text = refused(user, {**described[0], "live": False})
    assert status == 400
    assert '"live": true' in text
    user.ask("POST", "/exchange-keys", KEY)
    for body in described:
        user.ask("POST", "/bots", body)
    draw = random.Random(11)
    for kill in range(KILLS):
        before = await count(system, "SELECT count(*) FROM fills")
        if kill % 3 == 1:
            lost = {"kind": "rest_lost", "path": "/api/v3/order", "method": "POST", "count": 2}
            system.sandbox("POST", "/sandbox/faults", lost)
        if kill % 3 == 2:
            slow = {"kind": "rest_delay", "ms": 900, "path": "/api/v3/order", "count": 3}
            system.sandbox("POST", "/sandbox/faults", slow)

        async def more(before: int = before) -> bool:
            return await count(system, "SELECT count(*) FROM fills") > before

        await eventually(f"fills after {kill} kills", more, 90)
        if kill % 3:
            await the_next_send(system)  # killed with a request of its own under way
        await asyncio.sleep(draw.choice((0, 0, draw.uniform(0, 0.1), draw.uniform(0, 3))))
        system.restart("trader")
    system.sandbox("DELETE", "/sandbox/faults")

    async def at_rest() -> bool:
        await asyncio.to_thread(user.ask, "POST", "/kill-switch", {"on": True})
        waiting = "SELECT count(*) FROM orders WHERE status IN ('PENDING', 'PARTIALLY_FILLED')"
        return await count(system, waiting) == 0

    await eventually("every order is over", at_rest, 90)
    await audit(system, start)


async def the_next_send(system: System) -> None:
    """Wait until the exchange gets another order, at most a while: there may be nothing to send."""

    def sends() -> int:
        calls = system.sandbox("GET", "/sandbox/stats")["rest_calls"]
        return int(calls.get("POST /api/v3/order", 0))

    before, deadline = sends(), time.monotonic() + 15
    while time.monotonic() < deadline and await asyncio.to_thread(sends) == before:
        await asyncio.sleep(0.002)


def account(system: System) -> list[dict[str, Any]]:
    """Return the balances at the exchange."""
    found: list[dict[str, Any]] = signed(system, "/api/v3/account")["balances"]
    return found


async def audit(system: System, start: dict[str, Decimal]) -> None:
    """Hold the exchange's books against ours."""
    connection = await asyncpg.connect(system.database_url)
    bots = await connection.fetch("SELECT * FROM bots")
    orders = await connection.fetch("SELECT * FROM orders ORDER BY id")
    fills = await connection.fetch("SELECT * FROM fills ORDER BY id")
    check_orders(bots, orders, fills)
    check_positions(bots, fills)
    await check_outbox(connection)
    epoch = await connection.fetchval("SELECT epoch FROM trading_epoch")
    theirs = [
        row
        for symbol in ("BTCUSDT", "ETHUSDT")
        for row in signed(system, "/api/v3/allOrders", symbol=symbol, orderId=0, limit=1000)
    ]
    named = {order["client_order_id"].replace("oo-", f"oo{epoch[:8]}-"): order for order in orders}
    ids = [row["clientOrderId"] for row in theirs]
    assert len(ids) == len(set(ids))
    never_sent = {
        name
        for name, order in named.items()
        if order["exchange_order_id"] is None and order["status"] in ("CANCELLED", "FAILED")
    }
    assert set(ids) == named.keys() - never_sent
    for row in theirs:
        order = named[row["clientOrderId"]]
        assert order["exchange_order_id"] == str(row["orderId"])
        told = (row["side"], Decimal(row["origQty"]), Decimal(row["executedQty"]))
        assert told == (order["side"], order["quantity"], order["filled_quantity"]), order
        assert Decimal(row["cummulativeQuoteQty"]) == order["filled_quote"], order
    await check_executions(system, start, orders, fills)
    assert len(fills) > KILLS
    await connection.close()


async def check_executions(
    system: System,
    start: dict[str, Decimal],
    orders: list[asyncpg.Record],
    fills: list[asyncpg.Record],
) -> None:
    """Each execution is one fill, with its price, quantity and fee; balances follow from them."""
    numbers = {order["exchange_order_id"]: order["client_order_id"] for order in orders}
    expected: dict[tuple[str, str], tuple[Decimal, Decimal, Decimal]] = {}
    moved: dict[str, Decimal] = defaultdict(Decimal, start)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        for row in signed(system, "/api/v3/myTrades", symbol=symbol, fromId=0, limit=1000):
            price, quantity, fee = (Decimal(row[name]) for name in ("price", "qty", "commission"))
            sign = 1 if row["isBuyer"] else -1
            moved[symbol.removesuffix("USDT")] += sign * quantity
            moved["USDT"] -= sign * quantity * price
            moved[row["commissionAsset"]] -= fee
            in_quote = fee if row["commissionAsset"] == "USDT" else fee * price
            key = (numbers[str(row["orderId"])], str(row["id"]))
            expected[key] = (price, quantity, in_quote)
    ours = {
        (fill["client_order_id"], fill["execution_id"]): (
            fill["price"],
            fill["quantity"],
            fill["fee"],
        )
        for fill in fills
    }
    assert ours == expected
    for row in account(system):
        assert Decimal(row["free"]) + Decimal(row["locked"]) == moved[row["asset"]], row["asset"]
        assert Decimal(row["locked"]) == 0
