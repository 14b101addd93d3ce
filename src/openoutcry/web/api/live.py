"""What runs beside the application in an API process: shared counters and the market's time."""

from __future__ import annotations

import asyncio

from msgspec import Struct
from redis.asyncio import Redis

from openoutcry.adapters.postgres.block_reader import BlockReader
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.config import Settings
from openoutcry.services.candle_pages import Blocks, DirectBlocks
from openoutcry.services.client_weight import ClientWeights
from openoutcry.services.market_time import MarketTime


class Live(Struct, frozen=True):
    """The parts of the application that have work to do between requests."""

    blocks: Blocks
    time: MarketTime
    weights: ClientWeights

    @classmethod
    def idle(cls, pool: Pool, valkey: Redis, settings: Settings, ttl: float) -> Live:
        """Return parts that need nobody to run them: blocks are read anew each time."""
        return cls(
            DirectBlocks(BlockReader(pool), ttl),
            MarketTime(replay=bool(settings.sandbox_replay)),
            ClientWeights(valkey, settings.client_weight),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Do that work until `stop`."""
        await self.weights.run(stop)
