"""A recorder of shard 0 as a process of its own, to be killed: DATABASE_URL VALKEY_URL CONSUMER."""

from __future__ import annotations

import asyncio
import sys

import asyncpg

from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.trade_stream import TradeStream
from openoutcry.services.recorder import Recorder


async def main(database_url: str, valkey_url: str, consumer: str) -> None:
    """Record until killed."""
    stream = TradeStream(connect(valkey_url), 0, consumer)

    async def dial() -> asyncpg.Connection:
        return await asyncpg.connect(database_url)

    await Recorder(0, dial, stream, lambda *_: None, 50).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
