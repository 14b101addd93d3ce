"""The executor with an exchange that loses answers: nothing twice, nothing late, nothing forgotten."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from msgspec import structs

from openoutcry.adapters.ccxt_exchange import KeyRefusedError
from openoutcry.core.trading.engine import fold
from openoutcry.core.trading.events import PlaceOrder, Report, ReportStatus
from openoutcry.core.trading.live import Execution, Standing
from openoutcry.errors import VenueError, VenueUnavailableError
from openoutcry.services.live_orders import Exchange, LiveOrders, LiveRules
from openoutcry.trading import Account, Market, Order
from tradekit import CONTEXT, D, account, run, scalper, tape

LIVE = structs.replace(CONTEXT, live=True)
NAME = "ooepoch123-1-0"


class Fake:
    """An exchange in memory. `trouble` is raised by the next sends: before or after they count."""

    def __init__(self) -> None:
        self.placed: list[str] = []
        self.there: dict[str, Standing] = {}
        self.lookups = 0
        self.refusal: VenueError | None = None
        self.lose_request = self.lose_answer = False
        self.stamps: list[int] = []
        self.closed = False

    async def place(self, order: Order, _market: Market, name: str, stamp: int) -> Standing:
        self.placed.append(name)
        self.stamps.append(stamp)
        if self.lose_request:
            self.lose_request = False
            raise VenueUnavailableError("lost")
        if self.refusal is not None:
            raise self.refusal
        standing = Standing(
            "X1", ReportStatus.OPEN, order.side, order.quantity, D(0), time.time_ns() // 1000
        )
        self.there[name] = standing
        if self.lose_answer:
            self.lose_answer = False
            raise VenueUnavailableError("lost")
        return standing

    async def find(self, name: str, _market: Market) -> Standing | None:
        self.lookups += 1
        return self.there.get(name)

    async def open_orders(self, _market: Market) -> dict[str, Standing]:
        return {n: s for n, s in self.there.items() if s.status is ReportStatus.OPEN}

    async def executions(self, _number: str, _market: Market) -> list[Execution]:
        return []

    async def cancel(self, name: str, _market: Market) -> None:
        cancelled = structs.replace(self.there[name], status=ReportStatus.CANCELLED)
        self.there[name] = cancelled

    async def close(self) -> None:
        self.closed = True


class Trader:
    """What a trader does for the executor: keeps the account, folds reports, says what is new."""

    def __init__(self, exchange: Exchange | None, *, window: float = 0.6, send: float = 60) -> None:
        self.exchange, self.key = exchange, b"key"

        async def opener(_user: int, _name: str) -> Exchange | None:
            return self.exchange

        async def marker(_user: int, _name: str) -> bytes | None:
            return self.key

        rules = LiveRules("epoch1234567", window=window, send=send)
        self.live = LiveOrders(opener, marker, rules, lambda: None)
        self.reports: list[Report] = []
        self.account: Account = account()

    def decide(self, *, own: bool = True, old: int = 0) -> None:
        """Let a bot place its order; `own`: we have committed it, and nobody else can have sent it."""
        at = time.time_ns() // 1000 - old * 1_000_000
        bot = scalper(exchange="binance", quantity="1", buy_price="100", sell_price="110")
        trades = structs.replace(tape("105"), times=tape("105").times * 0 + at)
        changes = run(account(bot), trades, context=LIVE)
        self.account = changes.account
        ids = [r.order.client_order_id for r in changes.requests if isinstance(r, PlaceOrder)]
        assert ids == ["oo-1-0"]
        self.see(ids if own else [])

    def see(self, committed: list[str] | None = None, since: float | None = None) -> None:
        at = time.monotonic() if since is None else since
        self.live.see(self.account, LIVE.markets, at, committed or [])

    async def until(self, check: Callable[[], bool], seconds: float = 30) -> None:
        """Fold what comes until `check`."""
        deadline = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < deadline, self.reports
            await self.turn()

    async def during(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await self.turn()

    async def turn(self) -> None:
        self.live.proof = time.time()
        for news in self.live.take():
            self.reports.append(news.report)
            self.account = fold(self.account, news.report, LIVE).account
            self.see()
            news.taken.set_result(None)
        await asyncio.sleep(0.01)

    @property
    def order(self) -> Order | None:
        return self.account.orders.get("oo-1-0")


@pytest.fixture
def fake() -> Fake:
    return Fake()


async def test_what_we_have_just_committed_is_sent_at_once(fake: Fake) -> None:
    """Without a look before, and acknowledged with the exchange's number."""
    trader = Trader(fake, window=30)
    trader.decide()
    await trader.until(lambda: bool(trader.order and trader.order.exchange_order_id == "X1"))
    assert fake.placed == [NAME]
    assert fake.lookups == 0
    await trader.live.close()
    assert fake.closed


async def test_what_somebody_may_have_sent_is_looked_for_first(fake: Fake) -> None:
    """A request of a predecessor that is still under way arrives within the window, and is found."""
    trader = Trader(fake, window=1.5)
    trader.decide(own=False)
    await trader.during(0.5)
    assert fake.placed == []
    assert fake.lookups > 0
    order = trader.order
    assert order is not None
    late = Standing("X9", ReportStatus.OPEN, order.side, order.quantity, D(0), order.created_at)
    fake.there[NAME] = late
    await trader.until(lambda: bool(trader.order and trader.order.exchange_order_id == "X9"))
    assert fake.placed == []
    await trader.live.close()


async def test_what_nobody_has_sent_is_sent_after_the_window(fake: Fake) -> None:
    """Not to be found, and nothing can be under way any more: then it is sent, once."""
    trader = Trader(fake, window=0.6)
    began = time.monotonic()
    trader.decide(own=False)
    await trader.until(lambda: bool(trader.order and trader.order.exchange_order_id))
    assert fake.placed == [NAME]
    assert time.monotonic() - began >= 0.6
    await trader.live.close()


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_a_lost_send_is_looked_up_before_it_is_repeated(fake: Fake, lost: str) -> None:
    """If the answer was lost the order is there: sent once. If the request was, it is sent again."""
    fake.lose_request, fake.lose_answer = lost == "request", lost == "answer"
    trader = Trader(fake)
    trader.decide()
    await trader.until(lambda: bool(trader.order and trader.order.exchange_order_id))
    assert len(fake.placed) == (2 if lost == "request" else 1)
    assert fake.lookups > 0
    await trader.live.close()


async def test_a_refusal_fails_the_order_with_the_exchanges_words(fake: Fake) -> None:
    """Unless the exchange has the order already: then it was refused as a repeat."""
    fake.refusal = VenueError("Account has insufficient balance for requested action.")
    trader = Trader(fake)
    trader.decide()
    await trader.until(lambda: trader.order is None)
    assert trader.reports[-1].status is ReportStatus.REJECTED
    assert trader.reports[-1].reason == "Account has insufficient balance for requested action."
    await trader.live.close()


async def test_a_key_that_is_refused_fails_the_order(fake: Fake) -> None:
    """Nobody can be asked whether it is there; but a refused key has done nothing."""
    fake.refusal = KeyRefusedError("Invalid API-key, IP, or permissions for action.")
    trader = Trader(fake)
    trader.decide()
    await trader.until(lambda: trader.order is None)
    assert "refuses the key" in (trader.reports[-1].reason or "")
    assert fake.lookups == 0
    await trader.live.close()


async def test_another_key_is_another_account(fake: Fake) -> None:
    """An order after the key was replaced goes where the new key belongs, never where the old did."""
    fake.refusal = KeyRefusedError("Invalid API-key, IP, or permissions for action.")
    trader = Trader(fake)
    trader.decide()
    await trader.until(lambda: trader.order is None)
    fresh = Fake()
    trader.exchange = fresh
    trader.decide()
    await trader.until(lambda: trader.order is None)
    assert (len(fake.placed), fresh.placed) == (2, [])
    trader.key = b"another key"
    trader.decide()
    await trader.until(lambda: bool(fresh.placed))
    assert (len(fake.placed), fake.closed) == (2, True)
    await trader.live.close()


async def test_too_old_is_not_sent(fake: Fake) -> None:
    """Who was away for longer than that does not act upon what was right then."""
    trader = Trader(fake, window=0.1, send=30)
    trader.decide(own=False, old=31)
    await trader.until(lambda: trader.order is None)
    assert fake.placed == []
    assert "30 seconds" in (trader.reports[-1].reason or "")
    await trader.live.close()


async def test_without_a_key_nothing_is_sent_and_the_bot_is_told(fake: Fake) -> None:
    """The reason says what to do."""
    trader = Trader(None)
    trader.decide()
    await trader.until(lambda: trader.order is None)
    assert "add one" in (trader.reports[-1].reason or "")
    assert fake.placed == []
    await trader.live.close()


async def test_without_proof_of_ownership_nothing_is_sent(fake: Fake) -> None:
    """A trader that has not heard of its database for a while may have a successor."""
    trader = Trader(fake, window=1)
    trader.live.proof = time.time() - 5
    trader.decide()
    await asyncio.sleep(0.5)
    assert fake.placed == []
    proven = int(time.time() * 1000)
    await trader.until(lambda: len(fake.placed) == 1)
    assert fake.stamps[0] >= proven
    await trader.live.close()


async def test_what_is_to_be_withdrawn_is_cancelled(fake: Fake) -> None:
    """An order that is there is cancelled; one that was never sent just ends."""
    trader = Trader(fake)
    trader.decide()
    await trader.until(lambda: bool(trader.order and trader.order.exchange_order_id))
    order = trader.order
    assert order is not None
    trader.account.orders[order.client_order_id] = structs.replace(order, withdrawn="Stopped.")
    trader.see()
    await trader.until(lambda: trader.order is None)
    assert fake.there[NAME].status is ReportStatus.CANCELLED
    await trader.live.close()

    never = Trader(Fake(), window=0.1)
    never.decide(own=False)
    order = never.order
    assert order is not None
    never.account.orders[order.client_order_id] = structs.replace(order, withdrawn="Stopped.")
    never.see()
    await never.until(lambda: never.order is None)
    assert never.reports[-1].status is ReportStatus.CANCELLED
    await never.live.close()


async def test_anothers_order_under_our_id_is_left_alone(fake: Fake) -> None:
    """As after a database was brought back to an earlier day: the order fails, and says why."""
    trader = Trader(fake)
    trader.decide(own=False)
    order = trader.order
    assert order is not None
    fake.there[NAME] = Standing("X0", ReportStatus.CLOSED, order.side, D(7), D(7), order.created_at)
    await trader.until(lambda: trader.order is None)
    assert trader.reports[-1].status is ReportStatus.REJECTED
    assert fake.placed == []
    await trader.live.close()
