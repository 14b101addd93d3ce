"""The trader: bots at work, and the publisher that tells their users."""

from __future__ import annotations

import asyncio
from asyncio import TaskGroup
from contextlib import AsyncExitStack
from functools import partial

from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.pool import Pool, dial, open_pool
from openoutcry.adapters.postgres.trade_reader import TradeReader
from openoutcry.adapters.tasks import end
from openoutcry.adapters.valkey.pubsub import listen
from openoutcry.adapters.valkey.recounts import Recounts
from openoutcry.adapters.valkey.trade_counts import TradeCounts
from openoutcry.adapters.valkey.user_history import UserHistory
from openoutcry.config import Settings
from openoutcry.core.keys import OUTBOX_WAKE, TRADER_WAKE, trades_channel
from openoutcry.services.publisher import Publisher
from openoutcry.services.status import report
from openoutcry.services.trade_counter import TradeCounter
from openoutcry.services.trader import Live, Trader
from openoutcry.services.trader_stats import TraderRules, figures
from openoutcry.wiring.parts import Figures, connect, engines_answer, open_valkey


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Trade and tell until `stop`."""
    if not await engines_answer(settings, stop):
        return
    url, bus = settings.database_url, settings.valkey_url
    async with AsyncExitStack() as stack:
        valkey = await open_valkey(stack, settings)
        pool = await stack.enter_async_context(
            await open_pool(url, application_name="outcry trader", max_size=2)
        )
        trader = Trader(
            partial(dial, url, application_name="outcry trader"),
            TradeReader(pool),
            InstrumentReader(pool),
            valkey,
            TraderRules(settings.spread, settings.paper_fee),
            live=await _live(settings, pool),
        )
        publishing = partial(connect, settings, "publisher")
        counter = TradeCounter(TradeCounts(valkey), Recounts(valkey), publishing)
        publisher = Publisher(publishing, UserHistory(valkey), counter)
        channels = (TRADER_WAKE, *map(trades_channel, settings.symbols))

        def all_figures() -> Figures:
            counters, gauges, symbols = figures(trader.stats, trader.live)
            more_counters, more_gauges = publisher.stats.figures()
            return counters | more_counters, gauges | more_gauges, symbols

        async with TaskGroup() as tasks:
            tasks.create_task(report("trader", all_figures, valkey, stop))
            tasks.create_task(publisher.run(stop, partial(listen, bus, (OUTBOX_WAKE,))))
            listening = tasks.create_task(
                listen(bus, channels, trader.on_message, trader.on_connected)
            )
            await trader.run(stop)
            await end(listening)


async def _live(settings: Settings, pool: Pool) -> Live | None:
    """Return what makes the executor of live orders, None where live trading is off."""
    if not settings.live_trading:
        return None
    from openoutcry.wiring.live import live_orders

    return await live_orders(settings, pool)
