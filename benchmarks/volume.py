"""Time what tokens' volumes are asked for, each beside the plain SQL that would say the same.

    outcry bench volume                                   # a million trades of 2,000 tokens
    outcry bench volume -- --trades 10000000 --tokens 10000 --rounds 500

Fills a database of its own in a temporary folder (600 MB for a million trades: candles and headers of
eight days are in it), asks each question so many times, and compares every kind of answer with the plain
one in the same snapshot. Nothing else is written meanwhile: `tokens.py` measures under writes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time

import asyncpg
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from openoutcry.adapters.postgres import token_rows
from openoutcry.adapters.postgres.migrate import upgrade
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.token_rebuild import rebuild
from openoutcry.tokens import DAY
from scratch import scratch_engines
from volume_questions import Asker, address

HOURS = 3600.0
DAYS = 8
END = 1_780_000_000_000_000 // DAY * DAY
START = END - DAYS * DAY
BLOCKS = DAYS * 43_200
"""A block every two seconds."""
AT_ONCE = 3_600
NAIVE_ROUNDS = 5

FILL_BLOCKS = """
INSERT INTO chain_blocks (number, hash, parent, time, applied, whole, filled)
SELECT n, sha256(n::text::bytea), sha256((n - 1)::text::bytea),
    $1::timestamptz + n * interval '2 seconds', true, true, true
FROM generate_series($2::int, $3::int) AS n ORDER BY n
"""

# Popularity is skewed: one token of a hundred has a fifth of the trades.
FILL_TRADES = """
INSERT INTO token_trades
SELECT b.time, (b.number << 20) | g, b.id, 1 + floor($4 * power(random(), 3))::int,
    CASE WHEN random() < 0.55 THEN 1 ELSE -1 END,
    substring(sha256(floor(random() * 50000)::text::bytea) FOR 20),
    floor(random() * 1e18)::numeric, floor(random() * 1e24)::numeric,
    floor(1e28 * (1 + random()))::numeric, NULL, NULL, b.hash
FROM (
    SELECT *, floor($3::float8 + random())::int AS trades FROM chain_blocks
    WHERE number BETWEEN $1::int AND $2::int
) AS b CROSS JOIN LATERAL generate_series(1, b.trades) AS g
"""


class Measured(Struct):
    """Seconds that each answer took."""

    question: str
    ours: list[float]
    naive: list[float]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trades", type=int, default=1_000_000)
    parser.add_argument("--tokens", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=300, help="times that each question is asked")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


async def fill(url: str, asked: argparse.Namespace, progress: Progress) -> None:
    """Fill an empty store set-based, and make what is derived of it."""
    connection = await dial(url, application_name="bench")
    await token_rows.number_tokens(connection, [address(n) for n in range(1, asked.tokens + 1)])
    await token_rows.make_room(connection, range(START, END + DAY, DAY))
    await connection.execute("SELECT setseed($1)", (asked.seed % 1000) / 1000)
    task = progress.add_task("filling", total=BLOCKS)
    for first in range(1, BLOCKS + 1, AT_ONCE):
        last = min(first + AT_ONCE - 1, BLOCKS)
        await connection.execute(FILL_BLOCKS, START, first, last, timeout=HOURS)
        share = asked.trades / BLOCKS
        await connection.execute(
            *(FILL_TRADES, first, last, share, float(asked.tokens)), timeout=HOURS
        )
        progress.update(task, completed=last)
    await connection.execute(
        "UPDATE chain_head SET (number, hash) = (SELECT number, hash FROM chain_blocks"
        " ORDER BY number DESC LIMIT 1)"
    )
    await connection.execute("VACUUM ANALYZE", timeout=HOURS)
    await connection.execute("UPDATE token_windows SET through = $1::timestamptz - length", END)
    task = progress.add_task("adding up", total=asked.tokens)
    await rebuild(connection, lambda done, _: progress.update(task, completed=done))
    await connection.execute("VACUUM ANALYZE", timeout=HOURS)
    await connection.execute("CHECKPOINT", timeout=HOURS)
    await connection.close()


async def measure(url: str, asked: argparse.Namespace, progress: Progress) -> list[Measured]:
    """Ask everything, and compare; raises AssertionError where an answer is not the plain one."""
    connection = await dial(url, application_name="bench")
    rng = random.Random(asked.seed)
    found = []
    listed = Asker(START, END + 250_000).questions()
    task = progress.add_task("asking", total=len(listed) * asked.rounds)
    for question in listed:
        measured = Measured(question.name, [], [])
        for _ in range(asked.rounds):
            token = _popular(rng, asked.tokens)
            began = time.perf_counter()
            await question.ours(connection, token)
            measured.ours.append(time.perf_counter() - began)
            progress.advance(task)
        if question.naive:
            for _ in range(NAIVE_ROUNDS):
                token = _popular(rng, asked.tokens)
                began = time.perf_counter()
                plain = await question.naive(connection, token)
                measured.naive.append(time.perf_counter() - began)
                ours = await question.ours(connection, token)
                assert ours == plain, f"the answers differ: {question.name}"
        found.append(measured)
    await connection.close()
    return found


def table(found: list[Measured]) -> Table:
    """Return what was measured, as a table."""
    made = Table("question", "p50 ms", "p99 ms", "plain SQL p50", "ratio", box=None)
    made.columns[0].no_wrap = True
    for column in made.columns[1:]:
        column.justify = "right"
    for each in found:
        ours, plain = percentile(each.ours, 50), percentile(each.naive, 50) if each.naive else None
        made.add_row(
            each.question,
            f"{ours:,.2f}",
            f"{percentile(each.ours, 99):,.2f}",
            "" if plain is None else f"{plain:,.1f}",
            "" if plain is None else f"{plain / ours:,.1f}",
        )
    return made


def percentile(seconds: list[float], share: int) -> float:
    """Return a percentile in ms."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


def _popular(rng: random.Random, tokens: int) -> int:
    return 1 + int(tokens * rng.random() ** 3)


async def main() -> None:
    asked = arguments()
    console = Console(highlight=False, soft_wrap=True)
    load = os.getloadavg()[0]
    columns = (TextColumn("{task.description:10}"), BarColumn(), TaskProgressColumn())
    async with scratch_engines() as running:
        with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
            server = await asyncpg.connect(running.database_url)
            await server.execute("CREATE DATABASE volume")
            await server.close()
            url = running.database_url.replace("/openoutcry?", "/volume?", 1)
            await upgrade(url)
            await fill(url, asked, progress)
            found = await measure(url, asked, progress)
        connection = await asyncpg.connect(url)
        counted = await connection.fetchval("SELECT count(*) FROM token_trades")
        size = await connection.fetchval("SELECT pg_size_pretty(pg_database_size('volume'))")
        await connection.close()
    console.print(
        f"{counted:,} trades of {asked.tokens:,} tokens in eight days, {size};"
        f" load average {load:.1f} to {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    console.print(table(found))
    console.print("Every kind of answer was compared with plain SQL's: they are the same.")


if __name__ == "__main__":
    asyncio.run(main())
