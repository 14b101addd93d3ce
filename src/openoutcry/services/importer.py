"""Import bulk history from files, through the trade stream like everything else."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Final, TextIO

from msgspec import Struct
from redis.asyncio import Redis

from openoutcry.adapters.valkey.trade_stream import add_frame, backlog
from openoutcry.core.frames import Frame
from openoutcry.core.intervals import INTERVALS, Interval
from openoutcry.core.klines import Klines
from openoutcry.errors import BadRequestError
from openoutcry.model import Candle, Instrument
from openoutcry.services.minutes import MinuteFolder
from openoutcry.services.verified import klines_frame, verified_frame
from openoutcry.venues import binance_files
from openoutcry.venues.binance_files import FileKind

_ROWS: Final = 8192
_KLINES_PER_FRAME: Final = 1000
_MOST_WAITING: Final = 256


class Progress(Struct):
    """How far an import is: bytes of text read of all there are, and rows."""

    total_bytes: int = 0
    read_bytes: int = 0
    rows: int = 0


class Importer:
    """Reads files into frames that vouch for their ranges: importing twice changes nothing.

    The stream is kept short: when 256 frames wait, reading waits for the recorder.
    """

    def __init__(
        self,
        valkey: Redis,
        shards: int,
        instrument: Instrument,
        tell: Callable[[Progress], None],
    ) -> None:
        self._valkey = valkey
        self._instrument = instrument
        self._shard = instrument.id % shards
        self._tell = tell
        self._progress = Progress()

    async def run(self, files: list[Path]) -> int:
        """Import `files` and return the number of rows, when all of it is stored.

        Raises BadRequestError for a file that is not what it should be; what lies before the bad row
        is stored.
        """
        self._progress.total_bytes = sum(size for file in files for _, size in _members(file))
        for file in files:
            for name, _ in _members(file):
                await self._import(file, name)
        while await backlog(self._valkey, self._shard):
            await asyncio.sleep(0.05)
        return self._progress.rows

    async def _import(self, file: Path, member: str | None) -> None:
        with _open(file, member) as lines:
            first = lines.readline()
            if first and binance_files.is_header(first):
                self._progress.read_bytes += len(first)
                first = lines.readline()
            if not first.strip():
                return
            try:
                kind = binance_files.detect(first)
                minutes = MinuteFolder(
                    self._instrument,
                    whole_days=binance_files.covers_whole_days(member or file.name),
                )
                await self._rows(kind, chain([first], lines), minutes)
            except BadRequestError as error:
                raise BadRequestError(f"{file.name}: {error}") from None

    async def _rows(self, kind: FileKind, lines: Iterator[str], minutes: MinuteFolder) -> None:
        while chunk := list(islice(lines, _ROWS)):
            if kind is FileKind.TRADES:
                trades = binance_files.parse_trades(self._instrument.symbol, chunk)
                low, high = int(trades.trade_id[0]), int(trades.trade_id[-1])
                await self._put(verified_frame(self._instrument, trades, low, high))
            elif kind is FileKind.KLINES:
                interval, candles = binance_files.parse_klines(chunk)
                await self._put_klines(interval, candles)
            else:
                await self._put_klines(INTERVALS["1m"], minutes.take(chunk))
            self._progress.rows += len(chunk)
            self._progress.read_bytes += sum(map(len, chunk))
            self._tell(self._progress)
        await self._put_klines(INTERVALS["1m"], minutes.end())

    async def _put_klines(self, interval: Interval, candles: list[Candle]) -> None:
        for run in _unbroken(candles, interval):
            for at in range(0, len(run), _KLINES_PER_FRAME):
                part = run[at : at + _KLINES_PER_FRAME]
                klines = Klines(
                    instrument=self._instrument.id,
                    base=interval.name,
                    start=part[0].bucket,
                    end=interval.next(part[-1].bucket),
                    candles=[candle for candle in part if candle.trades],
                )
                await self._put(klines_frame(klines))

    async def _put(self, frame: Frame) -> None:
        while await backlog(self._valkey, self._shard) > _MOST_WAITING:
            await asyncio.sleep(0.02)
        await add_frame(self._valkey, self._shard, frame)


def _unbroken(candles: list[Candle], interval: Interval) -> Iterator[list[Candle]]:
    """Yield runs of candles without a bucket missing: a hole in a file is no quiet market."""
    run: list[Candle] = []
    for candle in candles:
        if run and candle.bucket != interval.next(run[-1].bucket):
            yield run
            run = []
        run.append(candle)
    if run:
        yield run


def _members(file: Path) -> list[tuple[str | None, int]]:
    """Return a file's texts with their sizes: its CSV members if it is a ZIP, else itself (None)."""
    try:
        if not zipfile.is_zipfile(file):
            return [(None, file.stat().st_size)]
        with zipfile.ZipFile(file) as archive:
            found = [(i.filename, i.file_size) for i in archive.infolist() if not i.is_dir()]
    except (OSError, zipfile.BadZipFile) as error:
        raise BadRequestError(f"{file} cannot be read: {error}.") from None
    members = [(name, size) for name, size in found if name.endswith(".csv")]
    if not members:
        raise BadRequestError(f"{file.name} holds no CSV file.")
    return [*members]


@contextmanager
def _open(file: Path, member: str | None) -> Iterator[TextIO]:
    if member is None:
        with file.open(encoding="ascii", errors="replace") as text:
            yield text
        return
    with zipfile.ZipFile(file) as archive, archive.open(member) as raw:
        yield io.TextIOWrapper(raw, encoding="ascii", errors="replace")
