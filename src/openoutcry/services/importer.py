"""Import bulk history from files, through the trade stream like everything else."""

from __future__ import annotations

import asyncio
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Final, TextIO

from msgspec import Struct
from redis.asyncio import Redis

from openoutcry.adapters.valkey.trade_stream import add_frame, backlog, is_done
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
_ENCRYPTED: Final = 1  # a bit in the flags of a ZIP's member


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
        self._newest = b""

    async def run(self, files: list[Path]) -> int:
        """Import `files` and return the number of rows, when all of it is stored.

        Raises BadRequestError for a file that is not what it should be: nothing is stored if it shows
        in how the file begins; of a bad row further on, whole blocks of 8192 rows before it are.
        Raises StoreUnavailableError if Valkey has lost what it was given.
        """
        members = [(file, name, size) for file in files for name, size in _members(file)]
        for file, name, _ in members:
            with _readable(file), _open(file, name) as lines:
                _first_row(lines)
        self._progress.total_bytes = sum(size for _, _, size in members)
        read = 0
        for file, name, size in members:
            with _readable(file):
                await self._import(file, name)
            read += size
            self._progress.read_bytes = read
            self._tell(self._progress)
        if self._newest:
            while not await is_done(self._valkey, self._shard, self._newest):
                await asyncio.sleep(0.02)
        return self._progress.rows

    async def _import(self, file: Path, member: str | None) -> None:
        with _open(file, member) as lines:
            first = _first_row(lines)
            if first is None:
                return
            minutes = MinuteFolder(
                self._instrument, whole_days=binance_files.covers_whole_days(member or file.name)
            )
            rows = (line for line in lines if not line.isspace())
            await self._rows(binance_files.detect(first), chain([first], rows), minutes)

    async def _rows(self, kind: FileKind, lines: Iterator[str], minutes: MinuteFolder) -> None:
        reached = -1
        while chunk := list(islice(lines, _ROWS)):
            if kind is FileKind.TRADES:
                trades = binance_files.parse_trades(self._instrument.symbol, chunk)
                low, high = int(trades.trade_id[0]), int(trades.trade_id[-1])
                if 0 <= reached < low:
                    # Ids that a file leaves out the venue has not, wherever our blocks end.
                    low = reached + 1
                reached = max(reached, high)
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
        self._newest = await add_frame(self._valkey, self._shard, frame)


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
            inside = [info for info in archive.infolist() if not info.is_dir()]
    except (OSError, zipfile.BadZipFile) as error:
        raise BadRequestError(f"{file} cannot be read: {error}.") from None
    members = [info for info in inside if info.filename.lower().endswith(".csv")]
    if not members:
        raise BadRequestError(f"{file.name} holds no CSV file.")
    if any(info.flag_bits & _ENCRYPTED for info in members):
        raise BadRequestError(f"{file.name} needs a password: unpack it first.")
    return [(info.filename, info.file_size) for info in members]


@contextmanager
def _open(file: Path, member: str | None) -> Iterator[TextIO]:
    if member is None:
        with file.open(encoding="ascii", errors="replace", newline="") as text:
            yield text
        return
    with zipfile.ZipFile(file) as archive, archive.open(member) as raw:
        yield io.TextIOWrapper(raw, encoding="ascii", errors="replace", newline="")


def _first_row(lines: TextIO) -> str | None:
    """Return the first line that is a row, None if there is none. Raises BadRequestError."""
    for number, line in enumerate(lines):
        if line.isspace() or (number == 0 and binance_files.is_header(line)):
            continue
        binance_files.detect(line)
        return line
    return None


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Name the file in what is wrong with it, a broken archive included."""
    try:
        yield
    except BadRequestError as error:
        raise BadRequestError(f"{file.name}: {error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BadRequestError(f"{file.name} cannot be unpacked: {error}.") from None
