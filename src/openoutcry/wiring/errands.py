"""Errands of the command line that need a recorder of their own for as long as they take."""

from __future__ import annotations

import asyncio
import os
from asyncio import TaskGroup
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

from openoutcry.adapters.postgres import readiness
from openoutcry.adapters.postgres.open_gaps import open_gaps
from openoutcry.adapters.valkey.trade_stream import TradeStream, backlog
from openoutcry.config import Settings
from openoutcry.services.discovery import instrument_for_import
from openoutcry.services.importer import Importer, Progress
from openoutcry.services.recorder import Recorder
from openoutcry.services.repair import Repair
from openoutcry.wiring.parts import connect, open_valkey, venue_rest

Dial: TypeAlias = "Callable[[], Awaitable[asyncpg.Connection[Any]]]"


async def import_files(
    settings: Settings, files: list[Path], symbol: str, tell: Callable[[Progress], None]
) -> int:
    """Put bulk files of `symbol` into the store; return their rows. Raises BadRequestError.

    A recorder of our own takes part: alone it does the work, beside a running one it stands by.
    """
    if await readiness.revision(settings.database_url) != readiness.newest_revision():
        from openoutcry.adapters.postgres import migrate

        await migrate.upgrade(settings.database_url)
    dial = partial(connect, settings, "import")
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        valkey = await open_valkey(stack, settings)
        rest = await venue_rest(stack, settings, valkey)
        instrument = await instrument_for_import(rest, dial, settings.venue, symbol)
        shard = instrument.id % settings.stream_shards
        recorder = await _recorder(stack, settings, dial, shard, "import")
        recording = asyncio.create_task(recorder.run(stop))
        importer = Importer(valkey, settings.stream_shards, instrument, tell)
        importing = asyncio.create_task(importer.run(files))
        try:
            await asyncio.wait((recording, importing), return_when=asyncio.FIRST_COMPLETED)
            if recording.done():
                recording.result()
            return await importing
        finally:
            while not importing.done():
                importing.cancel()  # again: a driver that is just connecting may swallow it
                await asyncio.wait((importing,), timeout=0.2)
            stop.set()
            await asyncio.wait((recording,))


async def fill_gaps(settings: Settings, symbol: str | None, tell: Callable[[int], None]) -> None:
    """Fetch what the gap ledger says is missing until nothing more can be had.

    `tell` is called with the number of trades fetched so far. Raises VenueUnavailableError.
    """
    dial = partial(connect, settings, "repair")
    stop = asyncio.Event()
    shards = range(settings.stream_shards)
    async with AsyncExitStack() as stack:
        valkey = await open_valkey(stack, settings)
        rest = await venue_rest(stack, settings, valkey)
        repair = Repair(dial, valkey, rest, settings.stream_shards)
        connection = await dial()
        stack.push_async_callback(connection.close)
        recorders = [await _recorder(stack, settings, dial, shard, "repair") for shard in shards]
        async with TaskGroup() as tasks:
            for recorder in recorders:
                tasks.create_task(recorder.run(stop))
            try:
                while await repair.once(connection, symbol):
                    tell(repair.stats.fetched)
                    while any([await backlog(valkey, shard) for shard in shards]):
                        await asyncio.sleep(0.05)
                    if not await open_gaps(connection, 0, symbol):
                        break
            finally:
                stop.set()


async def _recorder(
    stack: AsyncExitStack, settings: Settings, dial: Dial, shard: int, name: str
) -> Recorder:
    """Return a recorder that announces nothing, for as long as the errand takes."""
    valkey = await open_valkey(stack, settings, retries=0)
    stream = TradeStream(valkey, shard, f"{name}-{os.getpid()}")
    return Recorder(shard, dial, stream, lambda _recorded, _known: None, settings.recorder_batch)
