"""Time the top 50 of 10,000 tokens by 24 h volume, exact and live, while trades come in.

    python benchmarks/tokens.py                                     # 2 M trades
    python benchmarks/tokens.py --trades 50000000 --directory /var/tmp/outcry-tokens

A process writes `--rate` trades a second through `apply`, in four blocks, and moves the windows on; this
one asks, as the API does (`services/token_lists.py`): of one state of the store a list is worked out
once. As many trades leave the windows as come in: at both their edges the history is as dense. Each
answer is exact when it is given; some are compared with the naive sum in the same snapshot. Without
--directory the database is in a temporary folder; with it, what was filled is used again (19 GB for 50 M
trades), as often as wanted: a run begins by turning the windows back to where the history ends.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import multiprocessing.synchronize
import os
import random
import time
from multiprocessing.queues import Queue
from pathlib import Path

import asyncpg
import psutil
from msgspec import Struct

from openoutcry import engines
from openoutcry.adapters.postgres import token_reader, token_store
from openoutcry.adapters.postgres.migrate import upgrade
from openoutcry.adapters.postgres.pool import dial, open_pool
from openoutcry.adapters.postgres.token_quick import GENERIC
from openoutcry.adapters.postgres.token_windows import expire
from openoutcry.services.token_lists import TokenLists
from openoutcry.tokens import (
    DAY,
    LENGTHS,
    NOBODY,
    PRICE_UNIT,
    WEI,
    Block,
    Header,
    TokenEvent,
    TokenTrade,
    TokenTransfer,
    TradeSide,
    Window,
)
from scratch import scratch_engines
from token_history import END, HOUR, History, add_up, address, fill, popular, settle

SECOND = 1_000_000
BLOCKS_A_SECOND = 4
"""That come in; in the history there is one."""
EXPIRE_SECONDS = 0.25
WARM_UP = 4.0
"""Seconds until answers count: the writer has read what it touches then."""

# What has left a window since then comes back into its sum.
TURN_BACK = """
UPDATE token_figures f SET volume_{window} = f.volume_{window} + back.eth
FROM (
    SELECT token_id, sum(eth) AS eth FROM token_trades x
    WHERE block_time > $1 AND block_time <= (SELECT through FROM token_windows WHERE name = '{window}')
      AND NOT EXISTS (SELECT FROM chain_blocks b WHERE b.id = x.block_id AND NOT b.applied)
    GROUP BY token_id
) AS back WHERE f.token_id = back.token_id
"""

NAIVE = """
SELECT t.address, sum(eth) AS volume FROM token_trades x JOIN tokens t ON t.id = x.token_id
WHERE block_time > $1
  AND NOT EXISTS (SELECT FROM chain_blocks b WHERE b.id = x.block_id AND NOT b.applied)
GROUP BY t.id ORDER BY volume DESC, t.id LIMIT $2
"""


class Written(Struct):
    """Seconds that each block's commit took, and from when it was due to that; of CPU for all."""

    took: list[float]
    late: list[float]
    cpu: float = 0.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trades", type=int, default=2_000_000)
    parser.add_argument("--tokens", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=2_000, help="trades a second that come in")
    parser.add_argument("--seconds", type=float, default=20.0, help="at most 110")
    parser.add_argument("--every", type=float, default=0.02, help="seconds between questions")
    parser.add_argument("--directory", type=Path, help="keep the database here")
    asked = parser.parse_args()
    if asked.seconds > 110:
        parser.error("--seconds: the history is as dense as what comes in for two minutes only")
    return asked


async def make_history(url: str, asked: argparse.Namespace) -> None:
    """Fill an empty store; at the windows' edges as many trades a second as are going to come in."""
    connection = await dial(url, application_name="bench")
    history = History(
        trades=asked.trades, tokens=asked.tokens, block_seconds=1, at_edges=asked.rate
    )
    await fill(connection, history, _filled)
    began = time.monotonic()
    await add_up(connection, lambda done, of: print(f"\rrebuilt {done} of {of} tokens", end=""))
    print(f" in {time.monotonic() - began:.0f} s")
    await settle(connection)
    await connection.close()


def _filled(done: int, of: int) -> None:
    print(f"\rfilled {100 * done // of} %", end="\n"[done < of :], flush=True)


def write(
    url: str, asked: argparse.Namespace, base: int, began: float, done: Queue[Written]
) -> None:
    """Write trades until the time is over; a process of its own."""
    done.put(asyncio.run(_write(url, asked, base, began)))


async def _write(url: str, asked: argparse.Namespace, base: int, began: float) -> Written:
    connection = await dial(url, application_name="bench-writer")
    rng = random.Random(base)
    head = await token_store.read_head(connection)
    assert head is not None
    written = Written([], [])
    before = await cpu(connection)
    expired, number, parent = 0.0, head.number, head.hash
    for at in range(int(asked.seconds * BLOCKS_A_SECOND)):
        due = began + (at + 1) / BLOCKS_A_SECOND
        events = _events(rng, asked.tokens, asked.rate // BLOCKS_A_SECOND)
        moment = base + int(due - began) * SECOND  # chains date their blocks in whole seconds
        made = Header(number + 1, rng.randbytes(32), parent, moment)
        number, parent = made.number, made.hash
        await asyncio.sleep(max(0.0, due - time.time()))
        start = time.time()
        await token_store.apply(connection, [Block(made, events)])
        written.took.append(time.time() - start)
        written.late.append(time.time() - due)
        if time.time() - expired >= EXPIRE_SECONDS * 0.9:
            expired = time.time()
            await expire(connection, base + round((expired - began) * SECOND))
    written.cpu = await cpu(connection) - before
    await connection.close()
    return written


def _events(rng: random.Random, tokens: int, count: int) -> tuple[TokenEvent, ...]:
    """Return trades, each with the minting or burning that goes with it."""
    made: list[TokenEvent] = []
    for at in range(count):
        token = address(popular(rng, tokens))
        trader = rng.randrange(1, 50_000).to_bytes(20, "little")
        side = TradeSide.BUY if rng.random() < 0.55 else TradeSide.SELL
        amount, eth = rng.randrange(10**24), rng.randrange(10**18)
        price = eth * PRICE_UNIT // WEI * WEI // max(1, amount)
        tx = rng.randbytes(32)
        made.append(TokenTrade(2 * at, tx, token, trader, side, eth, amount, price))
        ends = (NOBODY, trader) if side > 0 else (trader, NOBODY)
        made.append(TokenTransfer(2 * at + 1, tx, token, *ends, amount))
    return tuple(made)


class Answers(Struct):
    """Seconds that answers took: from memory, and worked out; of CPU for all, client and server."""

    known: list[float]
    made: list[float]
    cpu: float = 0.0


async def ask(url: str, asked: argparse.Namespace, base: int, began: float) -> Answers:
    """Ask for the top as the API does until the time is over."""
    pool = await open_pool(
        url,
        application_name="bench-reader",
        min_size=1,
        max_size=1,
        server_settings=GENERIC,
        stateless=True,
    )
    lists = TokenLists(pool, lambda: base + round((time.time() - began) * SECOND))
    found = Answers([], [])
    async with pool.acquire() as connection:
        before, asked_for = await cpu(connection), 0
    while time.time() < began + asked.seconds:
        start, misses = time.perf_counter(), lists.misses
        kept = await lists.tokens("24h", 50)
        took = time.perf_counter() - start
        assert len(kept.tokens) == 50
        if time.time() > began + WARM_UP:
            (found.made if lists.misses > misses else found.known).append(took)
        asked_for += 1
        await asyncio.sleep(asked.every)
    async with pool.acquire() as connection:
        found.cpu = (await cpu(connection) - before) / asked_for
    await pool.close()
    return found


async def cpu(connection: asyncpg.Connection) -> float:
    """Return the seconds of CPU that the server's process of a connection, and ours, have used."""
    server = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()")).cpu_times()
    return float(server.user + server.system) + time.process_time()


async def naive(url: str, now: int, times: int) -> list[float]:
    """Ask the obvious way, and compare the answer with ours in the same snapshot."""
    connection = await dial(url, application_name="bench-naive")
    took = []
    for _ in range(times):
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            start = time.perf_counter()
            rows = await connection.fetch(NAIVE, now - DAY, 50, timeout=HOUR)
            took.append(time.perf_counter() - start)
            ours = await token_reader.read_top(connection, Window.DAY, now)
        told = [(each.token.address, each.volumes.day) for each in ours]
        assert told == [(row[0], int(row[1])) for row in rows], "the answers differ"
    await connection.close()
    return took


def line(name: str, seconds: list[float]) -> str:
    """Return the median, the 99th percentile and the worst, in ms."""
    ordered = [1000 * second for second in sorted(seconds)]
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return (
        f"{name:34} p50 {ordered[len(ordered) // 2]:9.2f}  p99 {p99:9.2f}"
        f"  max {ordered[-1]:9.2f} ms  ({len(ordered)})"
    )


async def turn_back(connection: asyncpg.Connection) -> None:
    """Let the windows stand where the history ends, as before any run."""
    async with connection.transaction():
        for window, length in LENGTHS.items():
            await connection.execute(TURN_BACK.format(window=window), END - length, timeout=HOUR)
        await connection.execute("UPDATE token_windows SET through = $1::timestamptz - length", END)
    await connection.execute("VACUUM ANALYZE token_figures")


async def measure(url: str, asked: argparse.Namespace) -> None:
    """Write and ask at once, then ask the obvious way while nothing else happens, and print."""
    connection = await dial(url, application_name="bench")
    await turn_back(connection)
    base = END + SECOND
    began = time.time() + 2
    context = multiprocessing.get_context("spawn")
    done: Queue[Written] = context.Queue()
    writer = context.Process(target=write, args=(url, asked, base, began, done))
    load = os.getloadavg()[0]
    writer.start()
    await asyncio.sleep(began - time.time())
    answers = await ask(url, asked, base, began)
    written = await asyncio.to_thread(done.get, timeout=60)
    writer.join()
    counted = await connection.fetchval("SELECT sum(trades) FROM token_figures")
    print(f"{counted:,} trades of {asked.tokens:,} tokens, {asked.rate} more a second;", end=" ")
    print(f"load average {load:.1f} to {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(line("top 50 by 24 h volume, exact", answers.known + answers.made))
    print(line("  of these, from memory", answers.known))
    print(line("  of these, worked out", answers.made))
    print(f"{'':34} {1000 * answers.cpu:.2f} ms of CPU each, client and server")
    print(
        line(
            "naive SQL (nothing coming in)",
            await naive(url, base + round(asked.seconds * SECOND), 5),
        )
    )
    print(line(f"a block of {asked.rate // BLOCKS_A_SECOND} trades, commit", written.took))
    each = 1000 * written.cpu / len(written.took)
    print(f"{'':34} {each:.0f} ms of CPU each, making it up and moving windows included")
    print(line("from due to committed", written.late))
    await connection.close()


async def prepare(running: engines.Engines, asked: argparse.Namespace) -> str:
    """Return the URL of a database with the history in it, filled if it is not there yet."""
    name = f"tokens_{asked.trades}_{asked.tokens}_{asked.rate}"
    server = await asyncpg.connect(running.database_url)
    found = await server.fetchval("SELECT true FROM pg_database WHERE datname = $1", name)
    url = running.database_url.replace("/openoutcry?", f"/{name}?", 1)
    if not found:
        unfinished = f"{name}_new"
        await server.execute(f"DROP DATABASE IF EXISTS {unfinished}")
        await server.execute(f"CREATE DATABASE {unfinished}")
        new = running.database_url.replace("/openoutcry?", f"/{unfinished}?", 1)
        await upgrade(new)
        began = time.monotonic()
        await make_history(new, asked)
        await server.execute(f"ALTER DATABASE {unfinished} RENAME TO {name}")
        size = await server.fetchval("SELECT pg_size_pretty(pg_database_size($1))", name)
        print(f"{size} in {time.monotonic() - began:.0f} s")
    await server.close()
    return url


async def main() -> None:
    asked = arguments()
    if asked.directory is None:
        async with scratch_engines() as running:
            await measure(await prepare(running, asked), asked)
        return
    asked.directory.mkdir(parents=True, exist_ok=True)
    asked.directory.chmod(0o711)
    async with await engines.start(asked.directory / "data") as running:
        await measure(await prepare(running, asked), asked)


if __name__ == "__main__":
    asyncio.run(main())
