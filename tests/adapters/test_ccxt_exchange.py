"""The ccxt adapter against the sandbox exchange: exact numbers, errors by type, nothing sent late."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from msgspec import structs

from openoutcry.adapters.ccxt_exchange import (
    CcxtExchange,
    ClockError,
    KeyRefusedError,
    UnknownOrderError,
)
from openoutcry.core.trading.events import ReportStatus
from openoutcry.errors import RateLimitedError, VenueError, VenueUnavailableError
from openoutcry.trading import Market, Order, OrderKind, OrderSide
from sandbox.support import Sandbox, running

D = Decimal
BTC = Market("BTCUSDT", "BTC", "USDT", D("0.01"), D("0.00001"))
BUY = Order("oo-1-0", 1, "BTCUSDT", OrderSide.BUY, OrderKind.MARKET, D("0.3"), None, 0, 0)


def limit(number: int, price: str, side: OrderSide = OrderSide.BUY) -> Order:
    return structs.replace(
        BUY, client_order_id=f"oo-1-{number}", kind=OrderKind.LIMIT, price=D(price), side=side
    )


def now() -> int:
    return int(time.time() * 1000)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running(rate=60.0) as one:
        yield one


@asynccontextmanager
async def opened(sandbox: Sandbox, secret: str = "sandbox") -> AsyncIterator[CcxtExchange]:  # noqa: S107
    exchange = await CcxtExchange.open("binance", "sandbox", secret, sandbox.rest)
    try:
        yield exchange
    finally:
        await exchange.close()


async def test_an_order_is_placed_followed_and_cancelled(sandbox: Sandbox) -> None:
    """A market order's executions add up to it; a resting one is found by its id, open, then gone."""
    async with opened(sandbox) as exchange:
        done = await exchange.place(BUY, BTC, "ooX-1-0", now())
        assert (done.status, done.filled) == (ReportStatus.CLOSED, D("0.3"))
        parts = await exchange.executions(done.exchange_order_id, BTC)
        assert sum(part.quantity for part in parts) == D("0.3")
        for part in parts:  # charged in BTC, 0.1 % to eight decimals, told in USDT
            in_btc = (part.quantity / 1000).quantize(D("1e-8"), "ROUND_DOWN")
            assert part.fee == in_btc * part.price
        resting = await exchange.place(limit(1, "30000"), BTC, "ooX-1-1", now())
        assert resting.status is ReportStatus.OPEN
        assert await exchange.find("ooX-1-1", BTC) == resting
        assert await exchange.open_orders(BTC) == {"ooX-1-1": resting}
        await exchange.cancel("ooX-1-1", BTC)
        found = await exchange.find("ooX-1-1", BTC)
        assert found is not None
        assert found.status is ReportStatus.CANCELLED
        with pytest.raises(UnknownOrderError):
            await exchange.cancel("ooX-1-1", BTC)
        assert await exchange.find("ooX-9-9", BTC) is None


async def test_errors_are_told_apart(sandbox: Sandbox) -> None:
    """Refused for good with the exchange's words; unknown when the answer is lost; busy; a bad key."""
    async with opened(sandbox) as exchange:
        rich = structs.replace(limit(2, "90000", OrderSide.SELL), quantity=D(50))
        with pytest.raises(VenueError, match=r"^Account has insufficient balance") as error:
            await exchange.place(rich, BTC, "ooX-1-2", now())
        assert not error.value.retry
        with pytest.raises(VenueError, match="NOTIONAL"):
            await exchange.place(limit(3, "1"), BTC, "ooX-1-3", now())
        await sandbox.fault(kind="rest_lost", method="POST", count=1)
        with pytest.raises(VenueUnavailableError) as away:
            await exchange.place(limit(4, "30000"), BTC, "ooX-1-4", now())
        assert "signature" not in str(away.value)
        assert await exchange.find("ooX-1-4", BTC) is not None
        for fault in ({"status": 503}, {"status": 500}):
            await sandbox.fault(kind="rest_status", method="POST", count=1, **fault)
            with pytest.raises(VenueUnavailableError):
                await exchange.place(limit(5, "30000"), BTC, "ooX-1-5", now())
        for garbage in ("html", "truncated", "zeros"):
            await sandbox.fault(kind="rest_garbage", method="GET", body=garbage, count=1)
            with pytest.raises(VenueUnavailableError):
                await exchange.open_orders(BTC)
        await sandbox.fault(kind="rest_status", status=429, retry_after=7, count=1)
        with pytest.raises(RateLimitedError) as busy:
            await exchange.open_orders(BTC)
        assert busy.value.retry_after == 7
    async with opened(sandbox, "another") as stranger:
        with pytest.raises(KeyRefusedError):
            await stranger.open_orders(BTC)


async def test_what_is_sent_late_does_nothing(sandbox: Sandbox) -> None:
    """The time that the order was decided at counts, however quickly the request itself is."""
    async with opened(sandbox) as exchange:
        with pytest.raises(ClockError):
            await exchange.place(limit(6, "30000"), BTC, "ooX-1-6", now() - 6000)
        assert await exchange.find("ooX-1-6", BTC) is None
