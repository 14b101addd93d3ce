"""A publisher as a process of its own, to be killed: DATABASE_URL VALKEY_URL BATCH."""

from __future__ import annotations

import asyncio
import sys

import asyncpg

from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.user_history import UserHistory
from openoutcry.services.publisher import Publisher


async def main(database_url: str, valkey_url: str, batch: str) -> None:
    """Publish until killed."""

    async def dial() -> asyncpg.Connection:
        return await asyncpg.connect(database_url)

    history = UserHistory(connect(valkey_url), kept=1_000_000)
    await Publisher(dial, history, batch=int(batch)).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
