"""What holds for every account, every tape and every way to cut it."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs

from openoutcry.core.trading.amounts import exact
from openoutcry.core.trading.engine import fold, quiet
from openoutcry.core.trading.events import (
    BotAction,
    BotCommand,
    Cancel,
    Changes,
    Event,
    KillSwitch,
    Trades,
    join,
)
from openoutcry.trading import ZERO, Account, Bot, BotStatus, Limits, OrderKind
from tradekit import (
    CONTEXT,
    D,
    account,
    bot_of,
    earned,
    in_parts,
    loans,
    locked,
    one_by_one,
    run,
    tape,
    worth,
)

SECONDS = 15


def price(low: int, high: int) -> st.SearchStrategy[str]:
    """Return prices between `low` and `high`, with cents."""
    return st.integers(low * 100, high * 100).map(lambda cents: f"{Decimal(cents) / 100}")


def quantity(low: int = 1, high: int = 3000) -> st.SearchStrategy[str]:
    """Return quantities with three places."""
    return st.integers(low, high).map(lambda n: f"{Decimal(n) / 1000}")


percents = st.sampled_from(["0.1", "0.5", "1", "3", "10"])


@st.composite
def scalpers(draw: st.DrawFn) -> dict[str, Any]:
    """A scalper of any kind."""
    buy = draw(st.integers(8000, 10500))
    sell = buy + draw(st.integers(1, 1500))
    return {
        "strategy": "scalper",
        "quantity": draw(quantity()),
        "buy_price": f"{Decimal(buy) / 100}",
        "sell_price": f"{Decimal(sell) / 100}",
        "first_order": draw(st.sampled_from(["BUY", "SELL"])),
        "trailing_percent": draw(st.none() | percents),
        "infinite_loop": draw(st.booleans()),
    }


@st.composite
def grids(draw: st.DrawFn) -> dict[str, Any]:
    """A grid of a few levels."""
    lower = draw(st.integers(8000, 10500))
    return {
        "strategy": "grid",
        "lower": f"{Decimal(lower) / 100}",
        "upper": f"{Decimal(lower + draw(st.integers(100, 1500))) / 100}",
        "levels": draw(st.integers(2, 6)),
        "quantity": draw(quantity(1, 1000)),
    }


kinds: list[st.SearchStrategy[dict[str, Any]]] = [
    scalpers(),
    grids(),
    st.fixed_dictionaries(
        {
            "strategy": st.just("dca"),
            "amount": price(1, 200),
            "every": st.sampled_from(["1s", "1m", "5m"]),
            "max_buys": st.none() | st.integers(1, 3),
            "take_profit_percent": st.none() | percents,
        }
    ),
    st.fixed_dictionaries(
        {
            "strategy": st.just("dip"),
            "amount": price(1, 200),
            "dip_percent": percents,
            "profit_percent": percents,
            "stop_percent": st.none() | percents,
        }
    ),
    st.fixed_dictionaries(
        {
            "strategy": st.just("momentum"),
            "amount": price(1, 200),
            "interval": st.sampled_from(["1s", "30s", "1m"]),
            "lookback": st.integers(1, 4),
            "rise_percent": percents,
            "fall_percent": percents,
            "stop_percent": st.none() | percents,
        }
    ),
]

some_limits = st.builds(
    Limits,
    max_order=st.none() | st.integers(20, 400).map(Decimal),
    max_position=st.none() | st.integers(20, 400).map(Decimal),
    price_band=st.none() | st.integers(1, 20).map(Decimal),
)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """An account with up to four bots, rich or poor."""
    bots: list[Bot] = []
    for bot_id in range(1, draw(st.integers(1, 4)) + 1):
        described = draw(st.one_of(kinds))
        bots.append(
            bot_of(
                bot_id,
                limits=draw(st.just(Limits()) | some_limits),
                leverage=draw(st.sampled_from(["1", "1", "2", "3", "7"])),
                **described,
            )
        )
    money = draw(st.sampled_from(["0", "50", "150", "500", "10000"]))
    return account(*bots, usdt=money, btc=draw(st.sampled_from(["0", "0.5", "5"])))


@st.composite
def tapes(draw: st.DrawFn) -> Trades:
    """A tape that wanders around 100 or falls far below, with small and large trades."""
    now = 10_000
    drift = draw(st.sampled_from([0, 0, -150, 150, -500]))
    cents = []
    for move in draw(st.lists(st.integers(-400, 400), min_size=1, max_size=40)):
        now = max(1_000, now + move + drift)
        cents.append(now)
    sizes = draw(st.lists(st.sampled_from(["0.001", "0.25", "1", "50"]), min_size=1, max_size=5))
    rows = [(f"{Decimal(c) / 100}", sizes[n % len(sizes)]) for n, c in enumerate(cents)]
    return tape(*rows, step=SECONDS * 1_000_000)


def same(one: Changes, other: Changes) -> None:
    """Both have done the same."""
    assert one.account == other.account
    assert one.fills == other.fills
    assert one.logs == other.logs
    assert {o.client_order_id: o for o in one.orders} == {
        o.client_order_id: o for o in other.orders
    }


@given(accounts(), tapes(), st.sets(st.integers(1, 39)))
@settings(max_examples=60, deadline=None)
def test_how_a_tape_is_cut_does_not_matter(start: Account, trades: Trades, cuts: set[int]) -> None:
    """All trades at once, one by one, or in any batches: the same account, fills and logs."""
    at_once = run(start, trades)
    same(at_once, run(start, *one_by_one(trades)))
    same(at_once, run(start, *in_parts(trades, cuts)))


@given(accounts(), tapes())
@settings(max_examples=60, deadline=None)
def test_a_band_only_saves_time(start: Account, trades: Trades) -> None:
    """Asking every bot at every trade gives what asking within the bands' promises gives."""
    every = structs.replace(CONTEXT, use_bands=False)
    same(run(start, trades), run(start, trades, context=every))


@given(accounts(), tapes())
@settings(max_examples=60, deadline=None)
def test_trades_in_the_quiet_change_nothing(start: Account, trades: Trades) -> None:
    """What `quiet` promises holds: such a trade changes nothing that would have to be stored."""
    now = start
    for trade in one_by_one(trades):
        band = quiet(now, "BTCUSDT", CONTEXT, trade.price_scale)
        changes = fold(now, trade, CONTEXT)
        if band.first_outside(trade.prices, trade.times, 0) < 0:
            assert not changes.must_be_stored
            assert not changes.fills
            unseen = {n: structs.replace(b, seen=None) for n, b in changes.account.bots.items()}
            assert unseen == {n: structs.replace(b, seen=None) for n, b in now.bots.items()}
        now = changes.account


@st.composite
def histories(draw: st.DrawFn, *, deletes: bool = True) -> list[Event]:
    """Trades with commands between them."""
    events: list[Event] = []
    parts = in_parts(draw(tapes()), draw(st.sets(st.integers(1, 39), max_size=6)))
    actions = [a for a in BotAction if a is not BotAction.CREATE]
    if not deletes:
        actions.remove(BotAction.DELETE)
    for part in parts:
        now = int(part.times[0])
        command = st.builds(
            BotCommand,
            st.sampled_from(actions),
            st.integers(1, 4),
            st.just(now),
            name=st.none() | st.just("other"),
            limits=st.none() | some_limits,
            parameters=st.none() | st.fixed_dictionaries({"quantity": quantity()}),
        )
        cancel = st.builds(
            Cancel, st.builds("oo-{}-{}".format, st.integers(1, 4), st.integers(0, 3)), st.just(now)
        )
        switch = st.builds(KillSwitch, st.booleans(), st.just(now))
        events += draw(st.lists(st.one_of(command, command, cancel, switch), max_size=2))
        events.append(part)
    return events


@given(accounts(), histories(deletes=False))
@settings(max_examples=60, deadline=None)
def test_the_ledger_balances_to_the_last_digit(start: Account, events: list[Event]) -> None:
    """After every event: realised + unrealised - fees is what was gained, at any price.

    And nothing is negative, and what is locked is what open orders reserve.
    """
    now = start
    for event in events:
        now = fold(now, event, CONTEXT).account
        with exact():
            for balance in now.balances.values():
                assert balance.free >= 0
                assert balance.locked >= 0
            for asset, balance in now.balances.items():
                assert balance.locked == locked(now.orders.values(), asset)
            for at in (D(1), D("98.7654321"), D(12345)):
                prices = {"BTC": at, "ETH": at}
                gained = worth(now.balances, prices) - worth(start.balances, prices)
                assert gained - loans(now.bots.values()) == earned(now.bots.values(), prices)
        for bot in now.bots.values():
            assert bot.position.loan >= 0
            assert bot.leverage == 1 or bot.position.quantity >= 0


@given(accounts(), tapes())
@settings(max_examples=60, deadline=None)
def test_risk_limits_are_never_passed(start: Account, trades: Trades) -> None:
    """No order is worth more, no position costs more, no limit is further away than a bot may."""
    now = start
    for trade in one_by_one(trades):
        changes = fold(now, trade, CONTEXT)
        for order in changes.orders:
            limits, before = now.bots[order.bot_id].limits, now.bots[order.bot_id].position
            made = order.client_order_id not in now.orders and order.reason is None
            closes = abs(before.quantity) >= order.quantity
            if made and limits.max_order is not None and order.kind is OrderKind.LIMIT:
                assert order.price is not None
                assert closes or order.price * order.quantity <= limits.max_order
            if made and limits.price_band is not None and order.price is not None:
                last = trade.price(0)
                assert abs(order.price - last) * 100 <= limits.price_band * last
        now = changes.account
        for bot in now.bots.values():
            if bot.limits.max_position is not None:
                assert abs(bot.position.cost) <= bot.limits.max_position


@given(accounts(), histories())
@settings(max_examples=60, deadline=None)
def test_orders_are_told_apart_and_add_up(start: Account, events: list[Event]) -> None:
    """Every order id is made once, every order ends once, and its fills are what it says."""
    now, over, fills = start, set[str](), dict[str, Decimal]()
    for event in events:
        changes = fold(now, event, CONTEXT)
        for fill in changes.fills:
            fills[fill.client_order_id] = fills.get(fill.client_order_id, ZERO) + fill.quantity
        for order in changes.orders:
            assert order.client_order_id not in over
            assert order.filled_quantity == fills.get(order.client_order_id, ZERO)
            assert order.filled_quantity <= order.quantity
            if not order.is_open:
                over.add(order.client_order_id)
                assert not order.reserved
        for told in changes.orders:
            assert (told.client_order_id in changes.account.orders) == told.is_open
        now = changes.account


@given(accounts(), tapes(), st.lists(st.booleans(), min_size=40, max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_crash_at_any_point_changes_nothing(
    start: Account, trades: Trades, checkpoints: list[bool]
) -> None:
    """From the account that was stored last, the tape gives the same account and the same fills."""
    whole = run(start, trades)
    now = stored = start
    fills_stored = 0
    for trade, checkpoint in zip(one_by_one(trades), checkpoints, strict=False):
        changes = fold(now, trade, CONTEXT)
        now = changes.account
        if changes.must_be_stored or checkpoint:
            stored = now
            fills_stored += len(changes.fills)
        again = fold(stored, trades, CONTEXT)
        assert again.account == whole.account
        assert again.fills == whole.fills[fills_stored:]


@given(accounts(), histories(), st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_joined_changes_are_the_changes_of_both(
    start: Account, events: list[Event], cut: int
) -> None:
    """Changes of one bot are told in one of the three lists, and orders as they ended."""
    first = run(start, *events[:cut])
    whole = join(first, run(first.account, *events[cut:]))
    assert not {*whole.created} & {*whole.bots}
    assert not {*whole.deleted} & {*whole.bots, *whole.touched}
    assert {*whole.bots, *whole.touched} <= {*whole.account.bots}
    assert {o.client_order_id for o in whole.orders if o.is_open} <= {*whole.account.orders}


def test_the_properties_meet_what_they_are_about() -> None:
    """The made-up accounts do trade, borrow, get refused and are closed by force: not all is quiet."""
    seen = set[str]()
    wanted = {
        "LIMIT BUY FILLED",
        "LIMIT SELL FILLED",
        "LIMIT BUY PARTIALLY_FILLED",
        "MARKET BUY FILLED",
        "MARKET SELL FILLED",
        "SELL",
        "loan",
        "short",
        "Forced",
        BotStatus.ERROR,
    }

    class AllSeenError(Exception):
        """Nothing is left to look for: making more examples up would only take time."""

    # Which examples are drawn depends on every constant in the code: there is room for worse draws.
    @given(accounts(), tapes())
    @settings(
        max_examples=3000,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        print_blob=False,
    )
    def look(start: Account, trades: Trades) -> None:
        changes = run(start, trades)
        seen.update(f"{order.kind} {order.side} {order.status}" for order in changes.orders)
        seen.update(log.message.partition(":")[0].split(" ")[0] for log in changes.logs)
        seen.update(bot.status for bot in changes.account.bots.values())
        if any(bot.position.loan for bot in changes.account.bots.values()):
            seen.add("loan")
        if any(bot.position.quantity < 0 for bot in changes.account.bots.values()):
            seen.add("short")
        if seen >= wanted:
            raise AllSeenError

    with suppress(AllSeenError):
        look()
    assert seen >= wanted
