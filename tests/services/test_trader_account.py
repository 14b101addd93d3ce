"""An account at work: batches that change nothing cost nothing, and none is taken for another."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from openoutcry.core.trading.engine import fold
from openoutcry.services.trader_account import AtWork, batch_of
from openoutcry.services.trader_tape import follows
from openoutcry.trading import BotStatus
from tradekit import CONTEXT, account, bot_of, in_parts, run, scalper, tape


def test_a_stopped_bot_does_not_hold_the_others_back() -> None:
    """What it saw last may be a month ago; who starts the account again need not read that month."""
    old = structs.replace(scalper(1), status=BotStatus.STOPPED, seen=5)
    busy = structs.replace(scalper(2), seen=1_000)
    assert AtWork(account(old, busy), CONTEXT).cursors == {"BTCUSDT": 1_000}
    assert AtWork(account(old), CONTEXT).cursors == {}
    new = structs.replace(scalper(3), seen=None)
    assert AtWork(account(old, busy, new), CONTEXT).cursors == {"BTCUSDT": -1}


def test_a_hole_is_not_passed_over() -> None:
    """Neither before a batch nor in it, even at prices at which nothing happens: the store knows."""
    one = AtWork(run(account(scalper()), tape("105")).account, CONTEXT)
    later, broken = tape("105", first=3), tape("105", "105", "105", first=2)
    broken = structs.replace(broken, ids=np.array([2, 3, 5]))
    assert not one.passes(batch_of(later))
    assert not one.passes(batch_of(broken))
    assert one.cursors == {"BTCUSDT": 1}
    assert not follows(later, 1)
    assert not follows(broken, 1)
    assert follows(tape("105", "105", first=1), 1)
    assert one.passes(batch_of(tape("105", "105", first=1)))
    assert one.cursors == {"BTCUSDT": 2}


prices = st.lists(
    st.integers(9_000, 11_500).map(lambda n: f"{n / 100:.2f}"), min_size=1, max_size=30
)


@given(prices, st.sets(st.integers(1, 29)), st.sets(st.integers(0, 29)))
@settings(max_examples=60, deadline=None)
def test_passing_over_is_folding(moves: list[str], cuts: set[int], saves: set[int]) -> None:
    """The same account as if every batch had been folded, wherever it is saved in between."""
    start = account(
        scalper(1),
        scalper(2, trailing_percent="1"),
        bot_of(3, "dip", amount="50", dip_percent="3", profit_percent="2"),
        bot_of(4, "dca", amount="20", every="1s"),
    )
    one, straight = AtWork(start, CONTEXT), start
    one.cursors = {"BTCUSDT": 0}
    for number, trades in enumerate(in_parts(tape(*moves), cuts)):
        straight = fold(straight, trades, CONTEXT).account
        if not one.passes(batch_of(trades)):
            changes = one.feed(trades)
            if changes is not None:
                one.keep(changes, 0, "BTCUSDT", int(trades.ids[-1]))
        if number in saves:
            one.to_save()
            one.saved(0)
            assert one.account == straight
    one.to_save()
    assert one.account == straight
