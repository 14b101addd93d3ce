"""The recorder: the tape written, repaired and announced."""

from __future__ import annotations

import asyncio
import os
import socket
from asyncio import TaskGroup
from contextlib import AsyncExitStack
from functools import partial

from openoutcry.adapters.valkey.trade_stream import TradeStream
from openoutcry.config import Settings
from openoutcry.services.announcer import Announcer
from openoutcry.services.backfill import Backfill
from openoutcry.services.maintenance import maintain
from openoutcry.services.recorder import Recorder, figures
from openoutcry.services.repair import Repair
from openoutcry.services.status import report
from openoutcry.wiring.parts import connect, engines_answer, open_valkey, venue_rest


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Record every shard that falls to us until `stop`."""
    if not await engines_answer(settings, stop):
        return
    dial = partial(connect, settings, "recorder")
    shards = settings.stream_shards
    async with AsyncExitStack() as stack:
        valkey = await open_valkey(stack, settings)
        rest = await venue_rest(stack, settings, valkey)
        announcer = Announcer(dial, valkey)
        consumer = f"{socket.gethostname()}-{os.getpid()}"
        recorders = [
            Recorder(
                shard,
                dial,
                TradeStream(await open_valkey(stack, settings, retries=0), shard, consumer),
                announcer,
                settings.recorder_batch,
            )
            for shard in range(shards)
        ]

        def active() -> bool:
            return any(recorder.stats.owned for recorder in recorders)

        keep = {
            "trades": settings.retention_trades_days,
            "candles_1s": settings.retention_1s_days,
            # The logs of the chain are what everything about tokens is made of: kept for good.
            "token_trades": 0,
            "token_transfers": 0,
        }
        rows = {
            "activity_logs": settings.retention_logs_days,
            "equity_points": settings.retention_equity_days,
        }
        async with TaskGroup() as tasks:
            tasks.create_task(
                report("recorder", partial(figures, recorders, announcer), valkey, stop)
            )
            tasks.create_task(announcer.run(stop))
            tasks.create_task(maintain(dial, keep, stop, rows))
            tasks.create_task(Repair(dial, valkey, rest, shards).run(stop, active))
            if settings.backfill:
                tasks.create_task(Backfill(dial, valkey, rest, shards).run(stop, active))
            for recorder in recorders:
                tasks.create_task(recorder.run(stop))
