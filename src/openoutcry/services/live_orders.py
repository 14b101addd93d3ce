"""The executor: brings orders of live bots to their exchange, once each, and brings its news back.

It is not told what to do but what is: the open orders of accounts, as committed. From them, and from
what the exchange says, follows what is to be done, so nothing is lost with a process. An order that the
exchange has not acknowledged yet is looked up by its client order id before it is sent, unless this very
process has just committed it. Not to be found proves little while a request may still be under way:
an order is sent (again) only when `window` seconds have passed since it can have been sent last, by
whomever. For that every request carries the time at which this process last knew that the shard is its
own; the exchange refuses what comes later than its `recvWindow`.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, Protocol

import structlog
from msgspec import Struct

from openoutcry.adapters.ccxt_exchange import ClockError, KeyRefusedError
from openoutcry.core.backoff import Backoff
from openoutcry.core.trading.events import PAPER, Report, ReportStatus
from openoutcry.core.trading.live import Execution, Standing, is_ours, reports_of, venue_id
from openoutcry.errors import OutcryError, RateLimitedError, VenueError, VenueUnavailableError
from openoutcry.trading import Account, Market, Order

_log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 1.0
"""How often an exchange is asked for news of open orders."""
_AGAIN_SECONDS: Final = 2.0
_LOST_SECONDS: Final = 60.0
_SECOND: Final = 1_000_000
_PROOF: Final = 0.5


class Exchange(Protocol):
    """One user's account at an exchange; see `adapters.ccxt_exchange` for what each method gives."""

    async def place(self, order: Order, market: Market, name: str, stamp: int) -> Standing:
        """Send an order."""

    async def find(self, name: str, market: Market) -> Standing | None:
        """Look an order up."""

    async def open_orders(self, market: Market) -> dict[str, Standing]:
        """Return open orders."""

    async def executions(self, exchange_order_id: str, market: Market) -> list[Execution]:
        """Return what was traded of an order."""

    async def cancel(self, name: str, market: Market) -> None:
        """Cancel an order."""

    async def close(self) -> None:
        """Close connections."""


Opener = Callable[[int, str], Awaitable[Exchange | None]]
"""Opens a user's account at an exchange; None: there is no key."""

Marker = Callable[[int, str], Awaitable[bytes | None]]
"""Tells a user's keys of an exchange apart: another mark, another key; None: there is none."""


class LiveRules(Struct, frozen=True):
    """`epoch` tells this installation's orders from others'. Seconds.

    `stale`: older trades are not acted upon. `send`: an order that could not be sent for so long is not
    sent any more. `window`: how long after it was sent a request may still be carried out.
    """

    epoch: str
    stale: float = 5.0
    send: float = 60.0
    window: float = 7.0


class LiveStats(Struct):
    """What the executor has done since it started."""

    sent: int = 0
    looked_up: int = 0
    refused: int = 0
    unknown: int = 0
    reports: int = 0


class News(Struct, frozen=True):
    """A report, and a future to be set when it has been committed, or was left for later."""

    user_id: int
    report: Report
    taken: asyncio.Future[None]


class LiveOrders:
    """All live orders of one trader, by user and exchange, each pair on a task of its own."""

    def __init__(
        self, opener: Opener, marker: Marker, rules: LiveRules, wake: Callable[[], None]
    ) -> None:
        self.rules = rules
        self.stats = LiveStats()
        self.proof = 0.0
        """Wall clock (s) at which this process last knew that its shards are its own."""
        self._opener = opener
        self._marker = marker
        self._wake = wake
        self._lines: dict[tuple[int, str], _Line] = {}
        self._news: list[News] = []
        self._closing: set[asyncio.Task[None]] = set()

    def see(
        self,
        account: Account,
        markets: Mapping[str, Market],
        since: float,
        committed: Iterable[str] = (),
    ) -> None:
        """Take an account as it is stored.

        `since` (monotonic) is when this process came to own it; `committed` are client order ids that it
        has just committed itself, and that nobody can have sent.
        """
        orders: dict[str, dict[str, Order]] = defaultdict(dict)
        for order in account.orders.values():
            exchange = account.bots[order.bot_id].exchange
            if exchange != PAPER and order.symbol in markets:
                orders[exchange][order.client_order_id] = order
        user = account.user_id
        for exchange in orders:
            if (user, exchange) not in self._lines:
                self._lines[user, exchange] = _Line(self, user, exchange, since)
        for (owner, exchange), line in list(self._lines.items()):
            if owner == user:
                line.see(orders.get(exchange, {}), markets, committed)

    def forget(self, user_id: int) -> None:
        """Let go of a user's orders: they are another trader's, or there are none."""
        for key in [key for key in self._lines if key[0] == user_id]:
            task = self._lines.pop(key).end()
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def take(self) -> list[News]:
        """Return the news since the last time; each one's `taken` has to be set."""
        news, self._news = self._news, []
        return news

    async def close(self) -> None:
        """End everything; what is under way is looked up by whoever comes next."""
        for user_id, _ in list(self._lines):
            self.forget(user_id)
        if self._closing:
            await asyncio.wait(self._closing, timeout=5.0)

    async def opened(self, user_id: int, exchange: str) -> Exchange | None:
        """Open a user's account at an exchange."""
        return await self._opener(user_id, exchange)

    async def mark(self, user_id: int, exchange: str) -> bytes | None:
        """Return the mark of a user's key as it is stored now."""
        return await self._marker(user_id, exchange)

    async def deliver(self, user_id: int, reports: Iterable[Report]) -> None:
        """Hand reports over in their order, and wait until each has been taken."""
        for report in reports:
            taken = asyncio.get_running_loop().create_future()
            self._news.append(News(user_id, report, taken))
            self.stats.reports += 1
            self._wake()
            await taken


class _Line:
    """The live orders of one user at one exchange."""

    def __init__(self, desk: LiveOrders, user_id: int, exchange: str, since: float) -> None:
        self._desk = desk
        self._user = user_id
        self._name = exchange
        self._since = since
        self._orders: dict[str, Order] = {}
        self._markets: Mapping[str, Market] = {}
        self._ours: set[str] = set()
        self._tried: dict[str, float] = {}
        self._missing: dict[str, float] = {}
        self._cancelled: dict[str, float] = {}
        self._exchange: Exchange | None = None
        self._mark: bytes | None = None
        self._rested = True
        """There have been no orders since the key was last looked at: it may be another."""
        self._woken = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def see(
        self, orders: dict[str, Order], markets: Mapping[str, Market], committed: Iterable[str]
    ) -> None:
        """Take the open orders as they are now."""
        self._ours |= set(committed) & orders.keys()
        if any(one not in self._orders for one in orders) or any(
            one.withdrawn and one.client_order_id not in self._cancelled for one in orders.values()
        ):
            self._woken.set()
        self._orders, self._markets = orders, markets
        self._rested |= not orders
        for known in (self._tried, self._missing, self._cancelled):
            for gone in [one for one in known if one not in orders]:
                del known[gone]
        self._ours &= orders.keys()

    def end(self) -> asyncio.Task[None]:
        """Stop; return a task that ends when everything is closed."""
        self._task.cancel()
        return asyncio.create_task(self._close())

    async def _close(self) -> None:
        await asyncio.wait([self._task])
        await self._shut()

    async def _shut(self) -> None:
        if self._exchange is not None:
            exchange, self._exchange = self._exchange, None
            await exchange.close()

    # --- the loop ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        backoff = Backoff(first=POLL_SECONDS, most=30.0)
        while True:
            pause = POLL_SECONDS
            try:
                if self._orders:
                    await self._round()
                backoff.reset()
            except RateLimitedError as error:
                pause = max(POLL_SECONDS, error.retry_after)
                self._tell(error, pause)
            except OutcryError as error:
                pause = backoff.next()
                self._tell(error, pause)
                if not error.retry or isinstance(error, ClockError):
                    await self._shut()  # there may be another key by now, or another time
            except Exception:  # noqa: BLE001 - a fault in one line must not end the others
                pause = backoff.next()
                _log.exception("live orders cannot be looked after", user_id=self._user)
            self._woken.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def _tell(self, error: Exception, pause: float) -> None:
        _log.warning(
            "an exchange cannot be used just now",
            user_id=self._user,
            exchange=self._name,
            reason=f"{type(error).__name__}: {error}",
            in_seconds=round(pause, 1),
        )

    async def _round(self) -> None:
        if self._rested:
            await self._look_at_key()
        exchange = self._exchange
        if exchange is None:
            exchange = self._exchange = await self._desk.opened(self._user, self._name)
        if exchange is None:
            await self._no_key()
            return
        for order in list(self._orders.values()):
            if order.exchange_order_id is None and order.client_order_id in self._orders:
                await self._bring(exchange, order)
        symbols = {one.symbol for one in self._orders.values() if one.exchange_order_id}
        for symbol in sorted(symbols):
            standing = await exchange.open_orders(self._markets[symbol])
            for order in list(self._orders.values()):
                if order.symbol == symbol and order.exchange_order_id is not None:
                    await self._follow(exchange, order, standing.get(self._called(order)))

    async def _look_at_key(self) -> None:
        """Let go of an account whose key is stored no more.

        A key goes only while there are no orders, so looking at it once after that is enough.
        """
        self._rested = False
        try:
            mark = await self._desk.mark(self._user, self._name)
        except BaseException:
            self._rested = True
            raise
        if mark != self._mark:
            await self._shut()
            self._mark = mark

    def _called(self, order: Order) -> str:
        return venue_id(order.client_order_id, self._desk.rules.epoch)

    async def _no_key(self) -> None:
        """Without a key nothing can be sent; what may have been sent waits for a key."""
        text = f"There is no key of {self._name}; add one, then start the bot again."
        for order in list(self._orders.values()):
            if order.exchange_order_id is None:
                await self._refuse(order, text)  # no key goes while there are orders: never sent
            else:
                _log.warning("an order has no key of its exchange", order=order.client_order_id)

    async def _refuse(self, order: Order, reason: str) -> None:
        self._desk.stats.refused += 1
        report = Report(order.client_order_id, ReportStatus.REJECTED, _now(), reason=reason)
        await self._desk.deliver(self._user, [report])

    # --- orders that the exchange has not acknowledged ----------------------------------------------

    async def _bring(self, exchange: Exchange, order: Order) -> None:
        """Find out whether an order is there; send it if it is not, and cannot come any more."""
        number, market = order.client_order_id, self._markets[order.symbol]
        if number not in self._ours:
            self._desk.stats.looked_up += 1
            standing = await exchange.find(self._called(order), market)
            if standing is not None:
                await self._found(exchange, order, standing)
                return
            last = max(self._since, self._tried.get(number, self._since))
            if time.monotonic() < last + self._desk.rules.window:
                return
        if order.withdrawn is not None:
            report = Report(number, ReportStatus.CANCELLED, _now(), reason=order.withdrawn)
            await self._desk.deliver(self._user, [report])
            return
        limit = self._desk.rules.send
        if _now() - order.created_at > limit * _SECOND:
            await self._refuse(order, f"It could not be sent within {limit:g} seconds.")
            return
        await self._send(exchange, order, market)

    async def _send(self, exchange: Exchange, order: Order, market: Market) -> None:
        number, proof = order.client_order_id, self._desk.proof
        if time.time() - proof > self._desk.rules.window * _PROOF:
            return  # are we still the ones? the next look round tells
        self._ours.discard(number)
        self._tried[number] = time.monotonic()
        self._desk.stats.sent += 1
        try:
            standing = await exchange.place(order, market, self._called(order), int(proof * 1000))
        except VenueUnavailableError:
            self._desk.stats.unknown += 1
            raise
        except KeyRefusedError as error:
            await self._refuse(order, f"{self._name} refuses the key: {error}")
            return
        except VenueError as error:
            # Refused: for good, unless it is because the exchange has it already.
            found = await exchange.find(self._called(order), market)
            if found is None:
                await self._refuse(order, str(error))
                return
            standing = found
        _log.info("live order sent", order=number, exchange=self._name, symbol=order.symbol)
        await self._found(exchange, order, standing)

    async def _found(self, exchange: Exchange, order: Order, standing: Standing) -> None:
        if not is_ours(order, standing):
            text = f"{self._name} has another order under the id {self._called(order)}."
            await self._refuse(order, text)
            return
        await self._report(exchange, order, standing)

    # --- orders that are there ------------------------------------------------------------------

    async def _follow(self, exchange: Exchange, order: Order, standing: Standing | None) -> None:
        """Bring back what is new of an order, and cancel it if it is to be."""
        number, market = order.client_order_id, self._markets[order.symbol]
        if standing is None:
            standing = await exchange.find(self._called(order), market)
        if standing is None:
            await self._lost(order)
            return
        self._missing.pop(number, None)
        if order.withdrawn is not None and standing.status is ReportStatus.OPEN:
            now = time.monotonic()
            if now < self._cancelled.get(number, float("-inf")) + _AGAIN_SECONDS:
                return
            self._cancelled[number] = now
            try:
                await exchange.cancel(self._called(order), market)
            except VenueUnavailableError:
                raise
            except VenueError as error:
                _log.info("an order was not cancelled", order=number, reason=str(error))
            standing = await exchange.find(self._called(order), market) or standing
        await self._report(exchange, order, standing)

    async def _lost(self, order: Order) -> None:
        """An exchange that has just taken an order may not find it for a moment."""
        first = self._missing.setdefault(order.client_order_id, time.monotonic())
        if time.monotonic() < first + _LOST_SECONDS:
            return
        reason = f"{self._name} does not know this order any more; look there what became of it."
        report = Report(order.client_order_id, ReportStatus.CANCELLED, _now(), reason=reason)
        await self._desk.deliver(self._user, [report])

    async def _report(self, exchange: Exchange, order: Order, standing: Standing) -> None:
        executions: list[Execution] = []
        if standing.filled and (
            standing.filled > order.filled_quantity or standing.status is not ReportStatus.OPEN
        ):
            market = self._markets[order.symbol]
            executions = await exchange.executions(standing.exchange_order_id, market)
        await self._desk.deliver(self._user, reports_of(order, standing, executions, _now()))


def _now() -> int:
    return time.time_ns() // 1000
