"""The peer of `pipeline.py`: cryptofeed's PostgreSQL backend, given the same trades.

It is spared what our side pays for: no socket, no JSON, no candles, no check for repeats. Its trades
are ready-made objects before the clock starts, and it may take them as fast as it likes; its table is
the one that its own examples make. cryptofeed is installed into a temporary environment of its own.

Run as a program, this file is the part that runs in that environment.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
import venv
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE = "cryptofeed"
TABLE = """
CREATE TABLE trades (
    id serial PRIMARY KEY, timestamp timestamp, receipt_timestamp timestamp,
    exchange varchar(32), symbol varchar(32), side varchar(8),
    amount numeric(64, 32), price numeric(64, 32), trade_id varchar(64), order_type varchar(32)
)
"""
# Its writer makes one INSERT of whatever waits. Of 100 to 5,000 rows this was the fastest.
WAITING = 200


class PeerError(Exception):
    """The peer cannot be had; the message says why."""


def prepare(folder: Path) -> Path:
    """Install cryptofeed into a new environment in `folder` and return that one's Python."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "cryptofeed", "asyncpg", "uvloop"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        command = [str(python), "-c", "import cryptofeed.backends.postgres"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise PeerError(
            f"cryptofeed does not install on Python {sys.version.split()[0]}: {lines[-1]}"
        )
    return python


def write_trades(file: Path, count: int, symbols: list[str]) -> None:
    """Write the messages that the blaster sends, one a line."""
    from blaster import make_frames

    with file.open("wb") as lines:
        for chunk in make_frames(count, symbols, 100_000):
            for message in _messages(chunk):
                lines.write(message + b"\n")


async def measure(python: Path, database_url: str, file: Path, count: int) -> float:
    """Return the peer's trades/s into a fresh database of its own on the same PostgreSQL."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()
    socket = parse_qs(urlsplit(database_url).query)["host"][0]
    process = await asyncio.create_subprocess_exec(
        *(str(python), __file__, "--socket", socket, "--trades", str(file), "--count", str(count)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await process.communicate()
    if process.returncode:
        raise SystemExit(f"cryptofeed failed:\n{complaint.decode(errors='replace')}")
    return float(said)


def _messages(chunk: bytes) -> Iterator[bytes]:
    """Yield the payloads of whole, unmasked WebSocket frames below 64 KiB."""
    at = 0
    while at < len(chunk):
        size, at = chunk[at + 1], at + 2
        if size == 126:
            size, at = int.from_bytes(chunk[at : at + 2], "big"), at + 2
        yield chunk[at : at + size]
        at += size


async def _peer(socket: str, file: Path, count: int) -> float:
    """Return trades/s of cryptofeed's backend: from its first callback to its last commit."""
    from cryptofeed.backends.postgres import TradePostgres
    from cryptofeed.types import Trade

    connection = await asyncpg.connect(host=socket, user="postgres", database=DATABASE)
    await connection.execute(TABLE)
    trades = [_trade(Trade, json.loads(line)) for line in file.open("rb")]
    backend = TradePostgres(host=socket, user="postgres", db=DATABASE)
    began = time.perf_counter()
    backend.start(asyncio.get_running_loop())
    backend.queue = asyncio.Queue(WAITING)  # its own has no bound; the writer has not begun yet
    for trade, received in trades:
        await backend(trade, received)
    await backend.queue.join()
    took = time.perf_counter() - began
    stored = await connection.fetchval("SELECT count(*) FROM trades")
    if stored != count:
        raise SystemExit(f"cryptofeed stored {stored} of {count} trades")
    await connection.close()
    backend.worker.cancel()
    return count / took


def _trade(kind: type, message: dict[str, str]) -> tuple[object, float]:
    """Return what cryptofeed's own Binance feed makes of a trade message, and when it came."""
    side = "sell" if message["m"] else "buy"
    size, price = Decimal(message["q"]), Decimal(message["p"])
    when = int(message["T"]) / 1000
    trade = kind(
        "BINANCE", message["s"], side, size, price, when, id=str(message["t"]), raw=message
    )
    return trade, when


def main() -> None:
    """Print trades/s."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--trades", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    import uvloop

    print(uvloop.run(_peer(options.socket, options.trades, options.count)))


if __name__ == "__main__":
    main()
