"""A made-up market for the recorder: trades over some days, as a feed with a bad day sends them."""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg
import numpy as np

from openoutcry.adapters.postgres.instruments import read, register
from openoutcry.adapters.postgres.shard_store import ShardStore
from openoutcry.core.batch import record
from openoutcry.core.frames import MARK, SCALE, TRADE, Frame, FrameKind, Table, empty
from openoutcry.core.intervals import DAY, SECOND
from openoutcry.core.klines import Klines, encode_klines
from openoutcry.core.ledger import Ledger
from openoutcry.model import Instrument

START = 1_767_225_600_000_000  # 2026-01-01
STREAM = "trades:0"

MARKETS = (
    Instrument(0, "binance", "BTCUSDT", "BTC", "USDT", 2, 5),
    Instrument(0, "binance", "PEPEUSDT", "PEPE", "USDT", 10, 0),
    Instrument(0, "binance", "SHIBUSDT", "SHIB", "USDT", 8, 2),
)


async def list_markets(db: asyncpg.Connection) -> list[Instrument]:
    """Register the markets and return them with their ids."""
    await register(db, MARKETS)
    return await read(db, "binance", [market.symbol for market in MARKETS])


def make_trades(instruments: Iterable[Instrument], count: int, seed: int = 7) -> Table:
    """Return `count` trades of each instrument over three days: bursts, and hours of silence.

    Times are whole microseconds that round badly as floats; ids count up by one in their order.
    """
    rng = np.random.default_rng(seed)
    tables = []
    for instrument in instruments:
        steps = rng.choice([0, 1, 333_333, 999_999, 7_000_001], count)
        pauses = rng.random(count) < 0.1
        steps[pauses] += (3 * DAY - steps.sum()) // pauses.sum()
        times = START - SECOND + np.cumsum(steps)
        trades = np.empty(count, TRADE)
        trades["venue_time"] = times
        trades["received_time"] = times + rng.integers(1, 10**6, count)
        trades["trade_id"] = 1000 + np.arange(count)
        trades["price"] = rng.integers(1, 10**7, count)
        trades["size"] = rng.integers(1, 10**9, count)
        trades["instrument"] = instrument.id
        trades["side"] = rng.choice([-1, 1], count)
        tables.append(trades)
    return np.concatenate(tables)


def send_badly(trades: Table, batches: int, seed: int = 11) -> list[Table]:
    """Return the trades in so many batches: a tenth of them late, a tenth sent twice, none lost."""
    rng = np.random.default_rng(seed)
    order = np.argsort(trades["venue_time"], kind="stable")
    due = np.arange(len(trades)) * batches // len(trades)
    late = rng.random(len(trades)) < 0.1
    due[late] = np.minimum(due[late] + rng.integers(1, batches, late.sum()), batches - 1)
    again = np.flatnonzero(rng.random(len(trades)) < 0.1)
    due_again = np.minimum(due[again] + rng.integers(0, 3, len(again)), batches - 1)
    sent = []
    for batch in range(batches):
        rows = np.concatenate([np.flatnonzero(due == batch), again[due_again == batch]])
        sent.append(trades[order[rng.permutation(rows)]])
    return sent


class Tape:
    """What a recorder is without its stream: batches of frames in, commits out."""

    def __init__(self, store: ShardStore, instruments: list[Instrument]) -> None:
        self.store = store
        self.ledgers: dict[int, Ledger] = {}
        self.batches = 0
        rows = [(i.id, i.price_scale, i.size_scale) for i in instruments]
        self.scales = np.array(rows, SCALE)

    @classmethod
    async def start(cls, db: asyncpg.Connection, instruments: list[Instrument]) -> Tape:
        """Own the shard."""
        store = await ShardStore.own(db, 0)
        assert store is not None
        return cls(store, instruments)

    async def commit(self, *frames: Frame) -> int:
        """Commit a batch; returns how many trades in it were new."""
        recorded = record(frames, lambda i: self.ledgers.setdefault(i, Ledger(i)))
        self.batches += 1
        await self.store.commit(recorded, STREAM, f"{self.batches}-0")
        return len(recorded.trades)

    def trades(self, trades: Table) -> Frame:
        """Return trades as the feed sends them."""
        return Frame(FrameKind.TRADES, 0, self.scales, empty(MARK), trades)

    def verified(self, instrument: int, low: int, high: int) -> Frame:
        """Return the venue's word that it has no trades in these ids."""
        mark = np.array([(instrument, 0, low, high, 0, 0)], MARK)
        return Frame(FrameKind.VERIFIED, 0, self.scales, mark, empty(TRADE))

    def klines(self, klines: Klines) -> Frame:
        """Return the venue's own candles as a frame."""
        return Frame(
            FrameKind.KLINES, 0, empty(SCALE), empty(MARK), empty(TRADE), encode_klines([klines])
        )
