"""`outcry stats backfill`: the daily counts made anew from the store, with a publisher or without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from openoutcry.adapters.postgres.fill_counts import FillSnapshot
from openoutcry.adapters.postgres.outbox import Outbox
from openoutcry.adapters.valkey.recounts import Recounts
from openoutcry.adapters.valkey.trade_counts import TradeCounts
from openoutcry.core.trade_stats import KEPT_DAYS, last_days
from openoutcry.errors import StoreUnavailableError
from openoutcry.services.trade_counter import Connect

_LOOK_SECONDS: Final = 0.1
_SILENCE_SECONDS: Final = 30.0
_ATTEMPTS: Final = 3

Tell = Callable[[int, int], None]
"""Hears how many days are done, and how many there are."""


async def backfill(counts: TradeCounts, recounts: Recounts, connect: Connect, tell: Tell) -> int:
    """Make the counts of the last 35 days anew; return how many of them were not right.

    Exact while trades arrive: whoever owns the outbox does it, for it alone knows what has been
    counted. That is the publisher where one runs; else this process, which keeps publishers out
    meanwhile. Raises StoreUnavailableError if the publisher neither answers nor goes.
    """
    for _ in range(_ATTEMPTS):
        owner = await connect()
        try:
            if await Outbox.own(owner) is not None:
                return await _count_here(counts, connect, tell)
        finally:
            await owner.close(timeout=2)
        corrected = await _wait_for(await recounts.ask(), recounts, tell)
        if corrected is not None:
            return corrected
    raise StoreUnavailableError(
        "The publisher owns the outbox but does not count; look at its log."
    )


async def _count_here(counts: TradeCounts, connect: Connect, tell: Tell) -> int:
    days = last_days((await counts.read(1)).today, KEPT_DAYS)
    snapshot = await FillSnapshot.take(await connect())
    try:
        right = await snapshot.published(days, lambda done: tell(done, len(days)))
    finally:
        await snapshot.close()
    return len(await counts.put(right))


async def _wait_for(token: str, recounts: Recounts, tell: Tell) -> int | None:
    """Return what the publisher says in the end; None if it is silent for too long."""
    clock = asyncio.get_running_loop().time
    heard, last = clock(), -1
    while clock() - heard < _SILENCE_SECONDS:
        found = await recounts.follow(token)
        if found is not None and found.corrected is not None:
            tell(found.days, found.days)
            return found.corrected
        if found is not None and found.done != last:
            heard, last = clock(), found.done
            tell(found.done, found.days)
        await asyncio.sleep(_LOOK_SECONDS)
    return None
