"""The questions of `volume.py`: how the store answers each, and the plain SQL that says the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Any

import asyncpg
from msgspec import Struct

from openoutcry.adapters.postgres import token_charts, token_reader
from openoutcry.core.intervals import INTERVALS
from openoutcry.tokens import DAY, WEEK, Window
from token_history import address

MINUTE = 60_000_000
PATIENCE = 3600.0

COUNTS = "NOT EXISTS (SELECT FROM chain_blocks b WHERE b.id = x.block_id AND NOT b.applied)"

NAIVE_VOLUMES = f"""
SELECT coalesce(sum(eth) FILTER (WHERE block_time > $2), 0),
    coalesce(sum(eth) FILTER (WHERE block_time > $3), 0), coalesce(sum(eth), 0)
FROM token_trades x WHERE {{which}} AND {COUNTS}
"""
NAIVE_TOP = f"""
SELECT token_id, sum(eth) AS volume FROM token_trades x WHERE block_time > $1 AND {COUNTS}
GROUP BY token_id ORDER BY volume DESC, token_id LIMIT 50
"""
NAIVE_HOURS = f"""
SELECT date_trunc('hour', block_time, 'UTC') AS bucket, sum(eth), count(*) FROM token_trades x
WHERE block_time >= $1 AND {COUNTS} GROUP BY 1 ORDER BY 1
"""
NAIVE_MINUTES = f"""
SELECT date_trunc('minute', block_time, 'UTC') AS bucket,
    (array_agg(price ORDER BY position))[1], max(price), min(price),
    (array_agg(price ORDER BY position DESC))[1], sum(eth), count(*)
FROM token_trades x
WHERE token_id = $1 AND block_time >= $2 AND block_time < $3 AND {COUNTS}
GROUP BY 1 ORDER BY 1 LIMIT 1000
"""

Asked = Callable[[asyncpg.Connection, int], Awaitable[Any]]


class Question(Struct):
    """What is asked of a token (its number): our way, and the plain one, if there is one.

    Both return the same value.
    """

    name: str
    ours: Asked
    naive: Asked | None = None


class Asker:
    """Asks at `now` (µs) of a history that begins at `start`; each method takes a token's number."""

    def __init__(self, start: int, now: int) -> None:
        self.start, self.now = start, now
        self.day, self.week = now - DAY, now - WEEK
        self.minutes_from = now - now % MINUTE - DAY

    async def one(self, db: asyncpg.Connection, token: int) -> Any:
        found = await token_reader.read_token(db, address(token), self.now)
        volumes = found.volumes if found else None
        return (volumes.day, volumes.week, volumes.total) if volumes else (0, 0, 0)

    async def one_naive(self, db: asyncpg.Connection, token: int) -> Any:
        sql = NAIVE_VOLUMES.format(which="token_id = $1")
        return _integers(await db.fetchrow(sql, token, self.day, self.week, timeout=PATIENCE))

    async def top(self, window: Window, db: asyncpg.Connection, _: int) -> Any:
        found = await token_reader.read_top(db, window, self.now)
        return [(each.token.id, _volume(each, window)) for each in found]

    async def top_naive(self, since: int, db: asyncpg.Connection, _: int) -> Any:
        return [_integers(row) for row in await db.fetch(NAIVE_TOP, since, timeout=PATIENCE)]

    async def platform(self, db: asyncpg.Connection, _: int) -> Any:
        found = await token_reader.read_platform(db, self.now)
        return found.day, found.week, found.total

    async def platform_naive(self, db: asyncpg.Connection, _: int) -> Any:
        sql = NAIVE_VOLUMES.format(which="$1::int IS NOT NULL")
        return _integers(await db.fetchrow(sql, 1, self.day, self.week, timeout=PATIENCE))

    async def hours(self, db: asyncpg.Connection, _: int) -> Any:
        found = await token_charts.read_hours(db, self.start, self.now)
        return [(each.bucket, each.volume, each.trades) for each in found]

    async def hours_naive(self, db: asyncpg.Connection, _: int) -> Any:
        rows = await db.fetch(NAIVE_HOURS, self.start, timeout=PATIENCE)
        return [_integers(row) for row in rows]

    async def minutes(self, db: asyncpg.Connection, token: int) -> Any:
        start, end = self.minutes_from, self.minutes_from + DAY - MINUTE
        found = await token_charts.read_candles(db, address(token), INTERVALS["1m"], start, end)
        return [
            (
                each.bucket,
                each.open,
                each.high,
                each.low,
                each.close,
                each.quote_volume,
                each.trades,
            )
            for each in found
        ]

    async def minutes_naive(self, db: asyncpg.Connection, token: int) -> Any:
        start, end = self.minutes_from, self.minutes_from + DAY
        rows = await db.fetch(NAIVE_MINUTES, token, start, end, timeout=PATIENCE)
        return [_integers(row) for row in rows]

    async def sizes(self, db: asyncpg.Connection, token: int) -> Any:
        return await token_charts.read_sizes(db, address(token), self.day)

    async def trades(self, db: asyncpg.Connection, token: int) -> Any:
        return await token_reader.read_trades(db, address(token), 100)

    def questions(self) -> list[Question]:
        """Return all of them."""
        tops = (
            ("top 50 by 24 h volume", Window.DAY, self.day),
            ("top 50 by 7 d volume", Window.WEEK, self.week),
            ("top 50 ever", Window.TOTAL, 0),
        )
        return [
            Question("a token's volumes: 24 h, 7 d, total", self.one, self.one_naive),
            *(
                Question(name, partial(self.top, window), partial(self.top_naive, since))
                for name, window, since in tops
            ),
            Question("the platform's: 24 h, 7 d, total", self.platform, self.platform_naive),
            Question("the platform's by hour, 8 days", self.hours, self.hours_naive),
            Question("a day of a token's 1m candles", self.minutes, self.minutes_naive),
            Question("a token's day by size of trade", self.sizes),
            Question("a token's newest 100 trades", self.trades),
        ]


def _volume(ranked: Any, window: Window) -> int:
    volumes = ranked.volumes
    by = {Window.DAY: volumes.day, Window.WEEK: volumes.week, Window.TOTAL: volumes.total}
    return int(by[window])


def _integers(row: Any) -> tuple[int, ...]:
    return tuple(int(each) if isinstance(each, Decimal) else each for each in row)
