"""The whole pipeline live: trade JSON in on a socket, durable in PostgreSQL with every candle out."""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

from openoutcry import engines
from openoutcry.adapters.postgres import instruments, migrate
from openoutcry.core.intervals import BASES
from openoutcry.model import Instrument

SYMBOLS = [f"COIN{at}USDT" for at in range(50)]


async def run_once(count: int, folder: Path) -> dict[str, float]:
    """Return trades/s, and each process's share of a core."""
    async with await engines.start(temporary=True) as running:
        await migrate.upgrade(running.database_url)
        connection = await asyncpg.connect(running.database_url)
        await instruments.register(
            connection, [Instrument(0, "binance", s, s[:-4], "USDT", 2, 5) for s in SYMBOLS]
        )
        blaster = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).parent / "blaster.py"),
                "--port",
                "18911",
                "--count",
                str(count),
                "--symbols",
                ",".join(SYMBOLS),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert blaster.stdout is not None
        blaster.stdout.readline()
        environment = os.environ | {
            "OUTCRY_DATABASE_URL": running.database_url,
            "OUTCRY_VALKEY_URL": running.valkey_url,
            "OUTCRY_SYMBOLS": ",".join(SYMBOLS),
            "OUTCRY_BINANCE_WS_URL": "ws://127.0.0.1:18911",
            "OUTCRY_BINANCE_REST_URL": "http://127.0.0.1:9",
            "OUTCRY_BACKFILL": "false",
        }
        roles: dict[str, subprocess.Popen[bytes]] = {}
        for role in ("recorder", "feed"):
            log = (folder / f"{role}.log").open("wb")
            roles[role] = subprocess.Popen(
                [sys.executable, "-m", "openoutcry", "run", role],
                env=environment,
                stdout=log,
                stderr=log,
            )
        try:
            began = float(blaster.stdout.readline().split()[1])
            cpu = {name: -cpu_seconds(p.pid) for name, p in roles.items()}
            stored = 0
            while stored < count:
                await asyncio.sleep(0.02)
                stored = await connection.fetchval(
                    "SELECT coalesce(sum(trades), 0) FROM stream_positions"
                )
                if time.time() - began > 300:
                    raise SystemExit(f"only {stored} of {count} after 300 s")
            took = time.time() - began
            for name, process in roles.items():
                cpu[name] = (cpu[name] + cpu_seconds(process.pid)) / took
            await verify(connection, count)
            return {"trades/s": count / took, **cpu}
        finally:
            blaster.kill()
            blaster.wait()
            for process in roles.values():
                process.kill()
                process.wait()
            await connection.close()


async def verify(connection: asyncpg.Connection, count: int) -> None:
    """Fail unless everything is there once, with all its candles."""
    assert await connection.fetchval("SELECT count(*) FROM trades") == count
    for base in BASES:
        assert await connection.fetchval(f"SELECT sum(trades) FROM candles_{base.name}") == count
    assert await connection.fetchval("SELECT count(*) FROM gaps") == 0


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(prefix="outcry-bench-") as folder:
        for at in range(options.runs):
            result = await run_once(options.count, Path(folder))
            results.append(result["trades/s"])
            shares = ", ".join(f"{k} {v:.0%}" for k, v in result.items() if k != "trades/s")
            print(f"run {at + 1}: {result['trades/s']:>10,.0f} trades/s   of a core: {shares}")
    print(f"median {statistics.median(results):>11,.0f} trades/s over {len(SYMBOLS)} symbols")


if __name__ == "__main__":
    asyncio.run(main())
