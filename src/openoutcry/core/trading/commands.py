"""What users tell their bots and accounts to do."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from openoutcry.core.prices import plain_text
from openoutcry.core.trading.amounts import share_down
from openoutcry.core.trading.events import (
    LIVE_EXCHANGES,
    PAPER,
    BotAction,
    BotCommand,
    Cancel,
    Changes,
    Context,
    Fund,
    KillSwitch,
)
from openoutcry.core.trading.strategies import STRATEGIES, ParameterError, read
from openoutcry.core.trading.strategies.base import Tick
from openoutcry.core.trading.strategies.reading import to_json
from openoutcry.core.trading.work import REFUSED, Work, market_order
from openoutcry.trading import ZERO, Account, Balance, Bot, BotStatus, LogLevel

MOST_BOTS: Final = 500
"""Bots of one account."""

_MOST_LEVERAGE: Final = 10
_LONGEST_NAME: Final = 64
_BY_USER: Final = "The bot was stopped."
_EDITED: Final = "The bot was edited."


def command(account: Account, event: BotCommand, context: Context) -> Changes:
    """Carry out a command to a bot, or say why not."""
    work = Work(account, context)
    bot = account.bots.get(event.bot_id)
    if event.action is BotAction.CREATE:
        refused = _create(work, event)
    elif bot is None:
        refused = [f"There is no bot {event.bot_id}."]
    else:
        action = {
            BotAction.START: _start,
            BotAction.STOP: _stop,
            BotAction.EDIT: _edit,
            BotAction.CLOSE: _close,
            BotAction.DELETE: _delete,
        }[event.action]
        refused = action(work, bot, event)
    return Changes(account, refused=tuple(refused)) if refused else work.changes()


def problems(bot: Bot, context: Context) -> list[str]:
    """Return what is wrong with a bot as it is described, each a sentence; empty if nothing is."""
    found = _frame_problems(bot, context)
    market = context.markets.get(bot.symbol)
    strategy = STRATEGIES.get(bot.strategy)
    if strategy is None:
        found.append(f"strategy must be one of {', '.join(STRATEGIES)}, not {bot.strategy}.")
    if market is None or strategy is None:
        return found
    try:
        parameters = read(strategy.parameters, bot.parameters)
    except ParameterError as error:
        return found + error.problems
    return found + strategy.check(parameters, market)


def _frame_problems(bot: Bot, context: Context) -> list[str]:
    """Return what is wrong with everything but the strategy and its parameters."""
    found = []
    if not 1 <= len(bot.name.strip()) <= _LONGEST_NAME:
        found.append(f"name must have 1 to {_LONGEST_NAME} characters.")
    if bot.exchange not in (PAPER, *LIVE_EXCHANGES):
        choices = ", ".join((PAPER, *LIVE_EXCHANGES))
        found.append(f"exchange must be one of {choices}, not {bot.exchange[:40]}.")
    elif bot.exchange != PAPER and not context.live:
        found.append(
            "exchange must be paper: live trading is off here. To switch it on, install"
            " openoutcry[live] and set OUTCRY_LIVE_TRADING=1 for the API and the trader."
        )
    if bot.leverage < 1 or bot.leverage > _MOST_LEVERAGE:
        found.append(f"leverage must be between 1 and {_MOST_LEVERAGE}, not {bot.leverage:f}.")
    elif bot.leverage != 1 and bot.exchange != PAPER:
        found.append("leverage is for paper only.")
    for name, limit in structs.asdict(bot.limits).items():
        if limit is not None and limit <= 0:
            found.append(f"{name} {limit:f} must be above 0; leave it out for no limit.")
    if bot.symbol not in context.markets:
        known = ", ".join(sorted(context.markets)[:20])
        found.append(f"ticker {bot.symbol} is not recorded here; tickers are {known}.")
    return found


def cancel(account: Account, event: Cancel, context: Context) -> Changes:
    """Cancel an order, and stop its bot, which would place the same again."""
    order = account.orders.get(event.client_order_id)
    if order is None:
        return Changes(account, refused=(f"There is no open order {event.client_order_id}.",))
    work = Work(account, context)
    work.cancel(order, "Cancelled by its user.", event.time)
    if account.bots[order.bot_id].status is BotStatus.ACTIVE:
        work.stop(order.bot_id, BotStatus.STOPPED, _BY_USER, event.time)
        text = "Stopped: one of its orders was cancelled by hand."
        work.log(order.bot_id, LogLevel.INFO, text, event.time)
    return work.changes()


def kill_switch(account: Account, event: KillSwitch, context: Context) -> Changes:
    """Stop all bots and cancel all orders; or let bots be started again."""
    work = Work(account, context)
    if event.on == account.kill_switch:
        return Changes(account)
    work.kill_switch = event.on
    if not event.on:
        work.log(None, LogLevel.INFO, "The kill switch is off; bots may be started.", event.time)
        return work.changes()
    for bot in account.bots.values():
        if bot.status is BotStatus.ACTIVE or work.open_orders(bot.id):
            status = BotStatus.STOPPED if bot.status is BotStatus.ACTIVE else bot.status
            work.stop(bot.id, status, "The kill switch was pulled.", event.time)
    bots, orders = at_work(account)
    text = (
        f"The kill switch is on: {_count(bots, 'bot')} stopped,"
        f" {_count(orders, 'order')} cancelled. No bot starts until it is reset."
    )
    work.log(None, LogLevel.WARNING, text, event.time)
    return work.changes()


def at_work(account: Account) -> tuple[int, int]:
    """Return how many bots run and how many orders are open: what the kill switch ends."""
    return sum(bot.status is BotStatus.ACTIVE for bot in account.bots.values()), len(account.orders)


def fund(account: Account, event: Fund, context: Context) -> Changes:
    """Put money in or take it out; what belongs to a bot's position stays."""
    work = Work(account, context)
    balance = account.balances.get(event.asset, Balance())
    spare = max(ZERO, balance.free - work.held_by_bots(event.asset))
    if event.amount < 0 and -event.amount > spare:
        text = f"Only {plain_text(spare)} {event.asset} can be taken out."
        return Changes(account, refused=(text,))
    work.put_balances({event.asset: Balance(balance.free + event.amount, balance.locked)})
    what = "put into" if event.amount > 0 else "taken out of"
    amount = f"{plain_text(abs(event.amount))} {event.asset}"
    work.log(None, LogLevel.INFO, f"{amount} {what} the paper account.", event.time)
    return work.changes()


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _create(work: Work, event: BotCommand) -> list[str]:
    bot = event.bot
    if bot is None or bot.id != event.bot_id or bot.id in work.bots:
        return ["A new bot needs a description and an id of its own."]
    if len(work.bots) >= MOST_BOTS:
        return [f"An account has at most {MOST_BOTS} bots; delete one first."]
    if found := problems(bot, work.context):
        return found
    if bot.status is not BotStatus.STOPPED and work.kill_switch:
        return ["The kill switch is on; switch it off before you start a bot."]
    work.create(structs.replace(bot, parameters=_normal(bot), seen=_seen(work, bot)))
    work.log(bot.id, LogLevel.INFO, f"{bot.name} was created.", event.time)
    return []


def _start(work: Work, bot: Bot, event: BotCommand) -> list[str]:
    if bot.status is BotStatus.ACTIVE:
        return []
    if work.kill_switch:
        return ["The kill switch is on; switch it off before you start a bot."]
    if work.open_orders(bot.id):
        return ["Its last order is not over yet; start it when it is filled or cancelled."]
    if found := problems(bot, work.context):
        return found
    memory = {key: value for key, value in bot.memory.items() if key != REFUSED}
    work.put_bot(
        structs.replace(
            bot,
            status=BotStatus.ACTIVE,
            memory=memory,
            seen=_seen(work, bot),
            updated_at=event.time,
        )
    )
    work.log(bot.id, LogLevel.INFO, f"{bot.name} was started.", event.time)
    return []


def _stop(work: Work, bot: Bot, event: BotCommand) -> list[str]:
    if bot.status is BotStatus.STOPPED and not work.open_orders(bot.id):
        return []
    work.stop(bot.id, BotStatus.STOPPED, _BY_USER, event.time)
    work.log(bot.id, LogLevel.INFO, f"{bot.name} was stopped.", event.time)
    return []


def _edit(work: Work, bot: Bot, event: BotCommand) -> list[str]:
    wanted = structs.replace(
        bot,
        name=bot.name if event.name is None else event.name,
        parameters=bot.parameters | (event.parameters or {}),
        limits=bot.limits if event.limits is None else event.limits,
        leverage=bot.leverage if event.leverage is None else event.leverage,
        updated_at=event.time,
    )
    if found := problems(wanted, work.context):
        return found
    if wanted.leverage != bot.leverage and (bot.position.quantity or work.open_orders(bot.id)):
        return ["leverage cannot change while the bot holds something; close its position first."]
    wanted = structs.replace(wanted, parameters=_normal(wanted))
    renewed = wanted.parameters != bot.parameters
    if renewed or wanted.limits != bot.limits:
        for order in work.open_orders(bot.id):
            work.cancel(order, _EDITED, event.time)
    if renewed:
        wanted = structs.replace(wanted, memory={})
    work.put_bot(wanted)
    work.log(bot.id, LogLevel.INFO, f"{wanted.name} was edited.", event.time)
    return []


def _close(work: Work, bot: Bot, event: BotCommand) -> list[str]:
    if not bot.position.quantity:
        return ["The bot holds nothing that could be closed."]
    reason = "Closed by its user."
    work.stop(bot.id, BotStatus.STOPPED, reason, event.time)
    if work.open_orders(bot.id):
        return ["Its last order is not over yet; close the position when it is."]
    last = work.context.last.get(bot.symbol)
    position = bot.position
    price = share_down(position.cost, position.quantity) if last is None else last.price
    margin = price * work.context.spread
    tick = Tick(0, price, ZERO, price - margin, price + margin, event.time)
    wish = market_order(position.quantity)
    if problem := work.place(bot.id, wish, tick, forced=reason):
        return [f"The position cannot be closed: {problem}."]
    work.put_bot(structs.replace(work.bots[bot.id], memory={}, seen=_seen(work, work.bots[bot.id])))
    work.log(bot.id, LogLevel.INFO, f"{bot.name} closes its position at the market.", event.time)
    return []


def _delete(work: Work, bot: Bot, event: BotCommand) -> list[str]:
    if bot.position.loan:
        owed = f"{plain_text(bot.position.loan)} {work.market(bot).quote}"
        return [f"The bot owes {owed}; close its position first."]
    for order in work.open_orders(bot.id):
        work.cancel(order, "The bot was deleted.", event.time)
    if work.open_orders(bot.id):
        return ["The bot has an order at a live exchange; stop it first."]
    work.delete(bot.id)
    work.log(None, LogLevel.INFO, f"{bot.name} was deleted.", event.time)
    return []


def _normal(bot: Bot) -> dict[str, object]:
    return to_json(read(STRATEGIES[bot.strategy].parameters, bot.parameters))


def _seen(work: Work, bot: Bot) -> int | None:
    """Return the newest trade, from which on a bot that starts takes the tape."""
    last = work.context.last.get(bot.symbol)
    if last is None:
        return bot.seen
    return last.id if bot.seen is None else max(bot.seen, last.id)
