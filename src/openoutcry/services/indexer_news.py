"""Who is told what an indexer has committed, and that nobody can hold it up by not hearing."""

from __future__ import annotations

from typing import Protocol

import structlog
from redis.exceptions import RedisError

from openoutcry.adapters.postgres.token_store import Stored
from openoutcry.errors import OutcryError
from openoutcry.services.indexer_stats import IndexerStats

log = structlog.get_logger(__name__)


class News(Protocol):
    """Tells everybody what was committed."""

    async def tell(self, stored: Stored) -> None:
        """Tell of a commit, or take note of it: the indexer waits for it."""


class Quiet:
    """Tells nobody."""

    async def tell(self, stored: Stored) -> None:
        """Do nothing."""


async def tell(news: News, stored: Stored, stats: IndexerStats) -> None:
    """Tell of a commit; what cannot be told is counted, and costs no more than that."""
    try:
        await news.tell(stored)
    except (RedisError, OSError, OutcryError) as error:
        stats.untold += 1
        log.warning("news of tokens are not told", reason=f"{type(error).__name__}: {error}")
