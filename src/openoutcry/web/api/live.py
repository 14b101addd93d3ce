"""What runs beside the application in an API process: a listener, shared counters, the time."""

from __future__ import annotations

import asyncio
from functools import partial

from msgspec import Struct
from redis.asyncio import Redis

from openoutcry.adapters.postgres.block_reader import BlockReader
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.adapters.postgres.reads import RoutedReads
from openoutcry.adapters.valkey.shared_logs import SharedLogs
from openoutcry.config import Settings
from openoutcry.core.keys import request_log_key
from openoutcry.services.block_cache import BlockCache
from openoutcry.services.candle_pages import Blocks, DirectBlocks
from openoutcry.services.client_weight import ClientWeights
from openoutcry.services.commit_news import CommitNews
from openoutcry.services.market_time import MarketTime
from openoutcry.services.request_limits import RequestLimits, public_rule
from openoutcry.web.hub.sources import ValkeyBus


class Live(Struct, frozen=True):
    """The parts of the application that have work to do between requests."""

    blocks: Blocks
    time: MarketTime
    weights: ClientWeights
    limits: RequestLimits
    token_limits: RequestLimits
    confirm_limits: RequestLimits

    @classmethod
    def idle(
        cls,
        pool: Pool,
        valkey: Redis,
        settings: Settings,
        *,
        ttl: float,
        reads: RoutedReads | None = None,
    ) -> Live:
        """Return parts that need nobody to run them: blocks are read anew each time."""
        return cls(
            DirectBlocks(BlockReader(pool, reads), ttl),
            MarketTime(replay=bool(settings.sandbox_replay)),
            ClientWeights(valkey, settings.client_weight),
            _limits(valkey, settings),
            *_token_limits(valkey, settings),
        )


class Running(Struct, frozen=True):
    """Live parts, and what keeps them so."""

    live: Live
    cache: BlockCache
    _bus: ValkeyBus
    _news: CommitNews

    @classmethod
    def make(
        cls, pool: Pool, valkey: Redis, settings: Settings, reads: RoutedReads | None = None
    ) -> Running:
        """Return the parts of a process; nothing is asked of the engines before `run`.

        History is read by way of `reads`.
        """
        time = MarketTime(replay=bool(settings.sandbox_replay))
        cache = BlockCache(BlockReader(pool, reads), settings.candle_cache_mb << 20)
        bus = ValkeyBus(settings.valkey_url)
        news = CommitNews(bus, pool, cache, time)
        weights = ClientWeights(valkey, settings.client_weight)
        limits = _limits(valkey, settings)
        live = Live(cache, time, weights, limits, *_token_limits(valkey, settings))
        return cls(live, cache, bus, news)

    async def run(self, stop: asyncio.Event) -> None:
        """Listen, confirm and settle until `stop`."""
        listening = asyncio.create_task(self._bus.run(self._news))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._news.run(stop))
                tasks.create_task(self.live.weights.run(stop))
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


def _limits(valkey: Redis, settings: Settings) -> RequestLimits:
    return RequestLimits(SharedLogs(valkey, public_rule(settings.public_requests)))


def _token_limits(valkey: Redis, settings: Settings) -> tuple[RequestLimits, RequestLimits]:
    """Return the limits of reading about tokens, and of confirming trades."""
    read = SharedLogs(
        valkey, public_rule(settings.token_requests), partial(request_log_key, "tokens")
    )
    confirm = SharedLogs(
        valkey, public_rule(settings.confirm_requests), partial(request_log_key, "confirm")
    )
    return RequestLimits(read), RequestLimits(confirm)
