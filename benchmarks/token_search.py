"""Time how tokens are found by what is typed, from one letter on, as the API does it.

    python benchmarks/token_search.py                  # 10,000 and 100,000 tokens
    python benchmarks/token_search.py --tokens 1000000

Names are one to three words of a thousand made-up ones, a third of them that of another token with a
number; popularity is skewed as in `token_history.py`. At the end comes the worst that a launchpad can be
filled with: all tokens but the 1,000 that were traded for most are called the same, and that is sought.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from typing import Final

import asyncpg

from openoutcry.adapters.postgres import migrate, token_search
from openoutcry.adapters.postgres.pool import connection, open_pool
from openoutcry.adapters.postgres.token_quick import GENERIC
from openoutcry.core.tokens.sought import sought
from scratch import scratch_engines
from token_history import END, History, add_up, fill, settle

_NAME: Final = """
UPDATE tokens SET name = named.name, symbol = named.symbol, creator = address
FROM unnest($1::int[], $2::text[], $3::text[]) AS named (id, name, symbol) WHERE tokens.id = named.id
"""

_SAME: Final = """
UPDATE tokens SET name = 'Quokka ' || id, symbol = 'QUOKKA' WHERE id NOT IN (
    SELECT token_id FROM token_figures ORDER BY magnitude_total DESC LIMIT 1000
)
"""


def named(rng: random.Random, tokens: int) -> tuple[list[int], list[str], list[str]]:
    """Return ids, names and symbols."""
    begin, middle = "bcdfghjklmnprstvwz", "aeiou"
    words = [
        "".join(rng.choice(begin) + rng.choice(middle) for _ in range(rng.randint(1, 4))).title()
        for _ in range(1_000)
    ]
    names: list[str] = []
    for number in range(tokens):
        if names and rng.random() < 1 / 3:
            names.append(f"{rng.choice(names)[:40]} {number}")
        else:
            names.append(" ".join(rng.choices(words, k=rng.randint(1, 3))))
    symbols = [name.split()[0][:6].upper() for name in names]
    return list(range(1, tokens + 1)), names, symbols


async def ask(pool: asyncpg.Pool, typed: str, times: int) -> str:
    """Return how long an answer takes, and how many match."""
    asked, taken = sought(typed), []
    async with connection(pool) as lent:
        for _ in range(times + 5):
            began = time.perf_counter()
            found = await token_search.read_found(lent, asked, END, 20)
            taken.append((time.perf_counter() - began) * 1000)
        count = await lent.fetchval(
            "SELECT count(*) FROM tokens"
            " WHERE keys @@ ($1 || ':*')::tsquery OR address BETWEEN $2 AND $3",
            *(typed, asked.first, asked.last),
        )
    taken = sorted(taken[5:])
    assert found is not None
    return (
        f"{typed:>8}  {count:>7,} match  p50 {statistics.median(taken):6.2f} ms"
        f"  p99 {taken[int(0.99 * len(taken))]:6.2f} ms"
    )


async def measure(url: str, tokens: int, times: int) -> None:
    """Fill a store, and ask."""
    await migrate.upgrade(url)
    pool = await open_pool(
        url, application_name="bench", command_timeout=None, server_settings=GENERIC
    )
    async with connection(pool) as lent:
        history = History(trades=3 * tokens, tokens=tokens, block_seconds=12)
        await fill(lent, history, lambda *_: None)
        await add_up(lent, lambda *_: None)
        names = named(random.Random(5), tokens)
        began = time.perf_counter()
        await lent.execute(_NAME, *names)
        print(f"{tokens:,} tokens, named in {time.perf_counter() - began:.1f} s")
        await settle(lent)
    symbol = names[2][tokens // 2].lower()
    for typed in ("b", "be", "bem", symbol, "xyz", "0x00", "0x" + f"{tokens // 2:040x}"):
        print(await ask(pool, typed, times))
    async with connection(pool) as lent:
        await lent.execute(_SAME)
        await settle(lent)
    for typed in ("q", "quokka"):
        print(await ask(pool, typed, max(10, times // 10)))
    await pool.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--times", type=int, default=300)
    asked = parser.parse_args()
    for tokens in asked.tokens:
        async with scratch_engines() as running:
            await measure(running.database_url, tokens, asked.times)


if __name__ == "__main__":
    asyncio.run(main())
