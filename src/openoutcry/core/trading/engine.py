"""The fold: an account and an event in, what has changed out. No clock, no I/O, no exceptions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import structs

from openoutcry.core.trading import commands, paper, reports
from openoutcry.core.trading.amounts import exact
from openoutcry.core.trading.bands import ALWAYS, EVERYTHING, Band, Quiet, Scale, together
from openoutcry.core.trading.events import (
    PAPER,
    BotCommand,
    Cancel,
    Changes,
    Context,
    Event,
    Fund,
    KillSwitch,
    Report,
    Trades,
)
from openoutcry.core.trading.orders import in_turn
from openoutcry.core.trading.strategies import STRATEGIES
from openoutcry.core.trading.strategies.base import Decision, Place, Tick, View
from openoutcry.core.trading.work import (
    REFUSED,
    Work,
    market_order,
    own_memory,
    rested,
    rests_until,
)
from openoutcry.trading import Account, Bot, BotStatus, LogLevel, Order, OrderSide

FORCED_CLOSE: Final = "Forced close: what was bought is worth little more than its loan."


def fold(account: Account, event: Event, context: Context) -> Changes:
    """Return what `event` changes in `account`. Pure, and never raises for what a user has done.

    Guarantees: folding trades one by one gives what folding them at once gives; trades that a bot
    has `seen` are not taken in again; no balance becomes negative.
    """
    with exact():
        if isinstance(event, Trades):
            return _fold_trades(account, event, context)
        if isinstance(event, BotCommand):
            return commands.command(account, event, context)
        if isinstance(event, Cancel):
            return commands.cancel(account, event, context)
        if isinstance(event, KillSwitch):
            return commands.kill_switch(account, event, context)
        if isinstance(event, Fund):
            return commands.fund(account, event, context)
        return _fold_report(account, event, context)


def quiet(account: Account, symbol: str, context: Context, price_scale: int) -> Quiet:
    """Return at which trade prices (scaled) and until when nothing can happen to an account.

    Trades within it need not be folded at all; the next fold takes note that they were seen.
    """
    scale = Scale(price_scale, context.spread)
    own = _own_orders(account)
    with exact():
        return together(
            _quiet_of(bot, own.get(bot.id, ()), context, scale)
            for bot in account.bots.values()
            if bot.symbol == symbol and _watches(bot, own.get(bot.id, ()))
        )


def watching(account: Account) -> list[Bot]:
    """Return the bots to which trades can mean something: at work, with open orders, or in debt."""
    ordering = {order.bot_id for order in account.orders.values()}
    return [
        bot
        for bot in account.bots.values()
        if bot.status is BotStatus.ACTIVE or bot.id in ordering or bot.position.loan
    ]


def _own_orders(account: Account) -> dict[int, tuple[Order, ...]]:
    own: dict[int, tuple[Order, ...]] = {}
    for order in in_turn(account.orders.values()):
        own[order.bot_id] = (*own.get(order.bot_id, ()), order)
    return own


def _watches(bot: Bot, own: Sequence[Order]) -> bool:
    """Return whether trades can mean anything to a bot."""
    return bot.status is BotStatus.ACTIVE or bool(own) or bool(bot.position.loan)


def _quiet_of(bot: Bot, own: tuple[Order, ...], context: Context, scale: Scale) -> Quiet:
    market, memo = context.markets[bot.symbol], context.memo
    known = memo.quiet(bot, own, market, scale)
    if known is not None:
        return known
    bands = _paper_bands(bot, own) if bot.exchange == PAPER else []
    if bot.status is BotStatus.ACTIVE:
        rests = rests_until(bot)
        # A bot that rests keeps its fills' prices, and is asked again when it has rested.
        bands.append(_band(bot, own, context) if rests is None else Band(until=rests))
    return memo.note(bot, own, market, scale, together(map(scale.quiet, bands)))


def _paper_bands(bot: Bot, own: Sequence[Order]) -> list[Band]:
    bands = [
        ALWAYS
        if order.price is None
        else Band(ask_at_most=order.price)
        if order.side is OrderSide.BUY
        else Band(bid_at_least=order.price)
        for order in own
    ]
    close_at = paper.close_at(bot.position)
    return bands if close_at is None else [*bands, Band(bid_at_most=close_at)]


def _band(bot: Bot, own: Sequence[Order], context: Context) -> Band:
    parameters = context.memo.parameters(bot)
    if parameters is None:
        return ALWAYS
    return STRATEGIES[bot.strategy].band(parameters, _view(bot, own, (), context))


def _fold_trades(account: Account, trades: Trades, context: Context) -> Changes:
    if not len(trades):
        return Changes(account)
    work = Work(account, context)
    last = int(trades.ids[-1])
    symbol, scale = trades.symbol, Scale(trades.price_scale, context.spread)
    watched = {
        bot.id: EVERYTHING
        for bot in sorted(account.bots.values(), key=lambda bot: bot.id)
        if bot.symbol == symbol
        and _watches(bot, work.open_orders(bot.id))
        and (bot.seen is None or bot.seen < last)
    }
    if not watched:
        return Changes(account)
    _renew(work, watched, watched, scale)
    at = 0
    while True:
        band = together(watched.values()) if context.use_bands else EVERYTHING
        at = band.first_outside(trades.prices, trades.times, at)
        if at < 0:
            break
        tick = _tick(trades, at, context)
        changed = _step(work, watched, tick, int(trades.prices[at]))
        for bot_id in changed:
            if not _watches(work.bots[bot_id], work.open_orders(bot_id)):
                del watched[bot_id]
                _note_seen(work, bot_id, tick.id)
        _renew(work, watched, [bot_id for bot_id in changed if bot_id in watched], scale)
        at += 1
    for bot_id in watched:
        _note_seen(work, bot_id, last)
    return work.changes()


def _note_seen(work: Work, bot_id: int, trade_id: int) -> None:
    work.put_bot(structs.replace(work.bots[bot_id], seen=trade_id), visible=False)


def _renew(work: Work, watched: dict[int, Quiet], bot_ids: Iterable[int], scale: Scale) -> None:
    """Work out anew at which prices nothing can happen to these bots."""
    for bot_id in bot_ids:
        own = work.open_orders(bot_id)
        watched[bot_id] = _quiet_of(work.bots[bot_id], own, work.context, scale)


def _tick(trades: Trades, at: int, context: Context) -> Tick:
    price = trades.price(at)
    margin = price * context.spread
    return Tick(
        id=int(trades.ids[at]),
        price=price,
        size=trades.size(at),
        bid=price - margin,
        ask=price + margin,
        time=int(trades.times[at]),
    )


def _step(work: Work, watched: dict[int, Quiet], tick: Tick, scaled: int) -> list[int]:
    """Let one trade do what it does; return the bots that it may have changed."""
    every = not work.context.use_bands
    met = [
        bot_id
        for bot_id, band in watched.items()
        if (every or not band.low <= scaled <= band.high or tick.time >= band.until)
        and _is_news(work.bots[bot_id], tick)
    ]
    _fill(work, met, tick)
    for bot_id in met:
        _close_if_forced(work, bot_id, tick)
    for bot_id in met:
        decide(work, bot_id, tick)
    return met


def _is_news(bot: Bot, tick: Tick) -> bool:
    return bot.seen is None or bot.seen < tick.id


def _fill(work: Work, bot_ids: Sequence[int], tick: Tick) -> None:
    """Fill what this trade fills: in turn, and no more than the trade's size all together."""
    meets = [
        order
        for bot_id in bot_ids
        if work.bots[bot_id].exchange == PAPER
        for order in work.open_orders(bot_id)
        if paper.fill_price(order, tick) is not None
    ]
    left = tick.size
    for order in in_turn(meets):
        price = paper.fill_price(order, tick)
        if left > 0 and price is not None:
            quantity = min(order.remaining, left)
            left -= work.execute(order, price, quantity, str(tick.id), tick.time)


def _close_if_forced(work: Work, bot_id: int, tick: Tick) -> None:
    bot = work.bots[bot_id]
    if not paper.must_close(bot.position, tick.bid):
        return
    if any(order.price is None for order in work.open_orders(bot_id)):
        return  # it is being closed
    work.stop(bot_id, BotStatus.ERROR, FORCED_CLOSE, tick.time)
    problem = work.place(bot_id, market_order(bot.position.quantity), tick, forced=FORCED_CLOSE)
    text = FORCED_CLOSE if problem is None else f"{FORCED_CLOSE} It cannot be sold: {problem}."
    work.log(bot_id, LogLevel.ERROR, text, tick.time)


def decide(work: Work, bot_id: int, tick: Tick) -> None:
    """Ask a bot's strategy what to do, and do it as far as risk allows."""
    filled = tuple(work.filled.pop(bot_id, ()))
    bot = work.bots[bot_id]
    if bot.status is not BotStatus.ACTIVE:
        return
    rests = rests_until(bot)
    if rests is not None:
        if tick.time < rests and not filled:
            return
        if tick.time >= rests:
            bot = rested(bot)
            work.put_bot(bot, visible=False)
    parameters = work.context.memo.parameters(bot)
    if parameters is None:
        reason = "Its parameters are not what its strategy understands any more. Edit the bot."
        work.stop(bot_id, BotStatus.ERROR, reason, tick.time)
        work.log(bot_id, LogLevel.ERROR, reason, tick.time)
        return
    view = _view(bot, work.open_orders(bot_id), filled, work.context)
    decision = STRATEGIES[bot.strategy].decide(parameters, view, tick)
    _carry_out(work, bot_id, view, decision, tick)


def _view(bot: Bot, own: Sequence[Order], filled: tuple[Order, ...], context: Context) -> View:
    if REFUSED in bot.memory:
        bot = structs.replace(bot, memory=own_memory(bot.memory))
    return View(bot, tuple(own), filled, context.markets[bot.symbol])


def _carry_out(work: Work, bot_id: int, view: View, decision: Decision, tick: Tick) -> None:
    if decision.memory != view.bot.memory:
        bot = work.bots[bot_id]
        kept = {REFUSED: bot.memory[REFUSED]} if REFUSED in bot.memory else {}
        work.put_bot(structs.replace(bot, memory=decision.memory | kept), visible=False)
    for wish in decision.wishes:
        if isinstance(wish, Place):
            problem = work.place(bot_id, wish, tick)
            if problem is not None:
                work.refuse(bot_id, wish, problem, tick)
        elif order := work.own.get(bot_id, {}).get(wish.client_order_id):
            work.cancel(order, wish.reason, tick.time)
    if decision.done is not None:
        work.stop(bot_id, BotStatus.STOPPED, decision.done, tick.time)
        work.log(bot_id, LogLevel.INFO, f"Stopped: {decision.done}", tick.time)


def _fold_report(account: Account, report: Report, context: Context) -> Changes:
    work = Work(account, context)
    tick = reports.take(work, report)
    if tick is not None:
        decide(work, account.orders[report.client_order_id].bot_id, tick)
    return work.changes()
