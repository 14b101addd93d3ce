"""The whole pipeline live: trade JSON in on a socket, stored in PostgreSQL with every candle out.

python benchmarks/pipeline.py                # three runs, each beside cryptofeed's backend
python benchmarks/pipeline.py --no-peer
python benchmarks/pipeline.py --no-fsync     # commits do not wait for the disk
"""

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
from msgspec import Struct

import peer_cryptofeed
from openoutcry import engines
from openoutcry.adapters.postgres import instruments, migrate
from openoutcry.core.intervals import BASES
from openoutcry.model import Instrument
from scratch import scratch_engines

SYMBOLS = [f"COIN{at}USDT" for at in range(50)]


class Peer(Struct, frozen=True):
    """What cryptofeed runs on: the Python of its environment, and its trades in a file."""

    python: Path
    file: Path
    count: int


async def run_once(
    count: int, folder: Path, peer: Peer | None, *, fsync: bool
) -> tuple[dict[str, float], float]:
    """Return trades/s with each process's share of a core, and the peer's trades/s (0: no peer).

    Both use the same PostgreSQL, one after the other.
    """
    async with scratch_engines(fsync=fsync) as running:
        ours = await run_ours(running, count, folder)
        if peer is None:
            return ours, 0.0
        url = running.database_url
        return ours, await peer_cryptofeed.measure(peer.python, url, peer.file, peer.count)


async def run_ours(running: engines.Engines, count: int, folder: Path) -> dict[str, float]:
    """Return trades/s, and each process's share of a core."""
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


def get_peer(folder: Path, count: int) -> Peer | None:
    """Return the peer, or None and say why."""
    try:
        python = peer_cryptofeed.prepare(folder)
    except peer_cryptofeed.PeerError as error:
        print(f"no peer: {error}")
        return None
    file = folder / "trades.jsonl"
    peer_cryptofeed.write_trades(file, count, SYMBOLS)
    return Peer(python, file, count)


async def main() -> None:
    """Print each run and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-fsync", action="store_true", help="leave the disk out of it")
    parser.add_argument("--no-peer", action="store_true", help="leave cryptofeed out")
    parser.add_argument("--peer-count", type=int, default=300_000)
    options = parser.parse_args()
    results, peers = [], []
    with tempfile.TemporaryDirectory(prefix="outcry-bench-") as name:
        folder = Path(name)
        peer = None if options.no_peer else get_peer(folder, options.peer_count)
        for at in range(options.runs):
            ours, theirs = await run_once(options.count, folder, peer, fsync=not options.no_fsync)
            results.append(ours["trades/s"])
            peers.append(theirs)
            shares = ", ".join(f"{k} {v:.0%}" for k, v in ours.items() if k != "trades/s")
            beside = f"   cryptofeed {theirs:,.0f}" if peer else ""
            print(f"run {at + 1}: {results[-1]:>10,.0f} trades/s   of a core: {shares}{beside}")
    print(f"median {statistics.median(results):>11,.0f} trades/s over {len(SYMBOLS)} symbols")
    if peer:
        ratio = statistics.median(
            ours / theirs for ours, theirs in zip(results, peers, strict=True)
        )
        print(
            f"peer   {statistics.median(peers):>11,.0f} trades/s, cryptofeed's backend, no candles"
        )
        print(f"ratio  {ratio:>11.1f}")


if __name__ == "__main__":
    asyncio.run(main())
