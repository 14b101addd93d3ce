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

from openoutcry.adapters.postgres.migrate import upgrade
from openoutcry.adapters.postgres.pool import dial
from scratch import scratch_engines
from token_history import END, START, History, add_up, fill, popular, settle
from volume_questions import Asker

NAIVE_ROUNDS = 5


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


async def make_history(url: str, asked: argparse.Namespace, progress: Progress) -> None:
    """Fill an empty store; the same seed makes the same history."""
    connection = await dial(url, application_name="bench")
    await connection.execute("SELECT setseed($1)", (asked.seed % 1000) / 1000)
    history = History(trades=asked.trades, tokens=asked.tokens, block_seconds=2)
    filling = progress.add_task("filling", total=history.blocks)
    await fill(connection, history, lambda done, _: progress.update(filling, completed=done))
    adding = progress.add_task("adding up", total=asked.tokens)
    await add_up(connection, lambda done, _: progress.update(adding, completed=done))
    await settle(connection)
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
            token = popular(rng, asked.tokens)
            began = time.perf_counter()
            await question.ours(connection, token)
            measured.ours.append(time.perf_counter() - began)
            progress.advance(task)
        if question.naive:
            for _ in range(NAIVE_ROUNDS):
                token = popular(rng, asked.tokens)
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
            await make_history(url, asked, progress)
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
