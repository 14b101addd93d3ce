"""An import that is cut short, or is given what is no bulk file: nothing twice, nothing half."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

import tape
from importkit import Row, bring, impatient, recorded, settings, stored, trades_file, wanted
from openoutcry.adapters.postgres.shard_store import SHARD_LOCKS
from openoutcry.adapters.valkey.trade_stream import TradeStream, add_frame, backlog, is_done
from openoutcry.config import Settings, to_environment
from openoutcry.core.frames import decode
from openoutcry.errors import BadRequestError, ConfigError, StoreUnavailableError
from openoutcry.services import importer as importer_module
from openoutcry.services import recorder as recorder_module
from openoutcry.services.importer import Progress
from tape import frame_of, until

__all__ = ["impatient", "recorded", "settings"]


async def test_an_import_that_was_cancelled_is_repeated(
    settings: Settings,
    db: asyncpg.Connection,
    recorded: list[Row],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cancelled half-way, what was sent is stored whole; the second run brings the rest, once."""
    monkeypatch.setattr(importer_module, "_ROWS", 1000)
    monkeypatch.setattr(importer_module, "_MOST_WAITING", 2)
    file = trades_file(tmp_path, recorded)
    tasks: list[asyncio.Task[int]] = []

    def half_way(progress: Progress) -> None:
        if progress.rows >= len(recorded) // 2:
            tasks[0].cancel()

    tasks.append(asyncio.create_task(bring(settings, file, tell=half_way)))
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    some = await stored(db)
    assert some == wanted(recorded[: len(some)])
    assert 0 < len(some) < len(recorded)
    await tape.assert_candles_match(db)
    await bring(settings, file)
    assert await stored(db) == wanted(recorded)
    await tape.assert_candles_match(db)


async def test_a_killed_import_is_repeated(
    settings: Settings, db: asyncpg.Connection, valkey: Redis, recorded: list[Row], tmp_path: Path
) -> None:
    """Killed with frames on the stream that nobody has stored, then repeated: each trade once."""
    file = trades_file(tmp_path, recorded)
    await db.execute("SELECT pg_advisory_lock($1, 0)", SHARD_LOCKS)  # its recorder has to stand by
    environ = {**os.environ, **to_environment(settings)}
    with subprocess.Popen(
        [sys.executable, "-m", "openoutcry", "import", str(file), "--symbol", "BTCUSDT"],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:

        async def on_the_stream() -> bool:
            assert process.poll() is None
            return await backlog(valkey, 0) >= 2

        await until(on_the_stream)
        process.send_signal(signal.SIGKILL)
    assert await stored(db) == []
    await db.execute("SELECT pg_advisory_unlock($1, 0)", SHARD_LOCKS)
    await bring(settings, file)
    assert await stored(db) == wanted(recorded)
    await tape.assert_candles_match(db)


async def test_being_done_does_not_wait_for_what_came_later(valkey: Redis) -> None:
    """An entry is done once it and all before it are acknowledged, whatever is on the stream."""
    frame = decode(frame_of(tape.run_of(1, 1, 3)))
    entries = [await add_frame(valkey, 0, frame) for _ in range(4)]
    stream = TradeStream(valkey, 0, "a")
    assert not await is_done(valkey, 0, entries[0])
    await stream.join()
    read = await stream.fresh(3, 1)
    assert [entry.id for entry in read] == entries[:3]
    assert not await is_done(valkey, 0, entries[0])
    await stream.done(entries[:2])
    assert [await is_done(valkey, 0, entry) for entry in entries] == [True, True, False, False]
    assert await backlog(valkey, 0) == 2
    await valkey.flushall()
    with pytest.raises(StoreUnavailableError, match="lost"):
        await is_done(valkey, 0, entries[0])


async def test_what_valkey_loses_is_told(
    settings: Settings, valkey: Redis, recorded: list[Row], tmp_path: Path, db: asyncpg.Connection
) -> None:
    """An import whose frames vanish with the bus says so instead of waiting or claiming success."""
    file = trades_file(tmp_path, recorded)
    await db.execute("SELECT pg_advisory_lock($1, 0)", SHARD_LOCKS)
    task = asyncio.create_task(bring(settings, file))

    async def all_on_the_stream() -> bool:
        return await backlog(valkey, 0) == 3

    await until(all_on_the_stream)
    await valkey.flushall()
    with pytest.raises(StoreUnavailableError, match="once more"):
        await task


def wrong_files(folder: Path, good: bytes) -> list[tuple[Path, str]]:
    """Return files that are none of the exchange's, with what must be said of them."""
    no_row = "is no row of a Binance trades"
    found = []
    for name, content in {
        "hello.csv": b"hello\n",
        "image.csv": b"\x89PNG\r\n\x1a\n\x00\x01\x02",
        "json.csv": b'{"e":"trade"}\n',
        "packed.csv.gz": gzip.compress(good),
        "other.csv": b"a,b\n1,2\n",
        "candles.csv": b"open_time,open,high,low,close,volume\n1723161240000,1,1,1,1,1\n",
    }.items():
        (folder / name).write_bytes(content)
        found.append((folder / name, no_row))
    packed = folder / "good.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", good)
    broken = bytearray(packed.read_bytes())
    broken[60] ^= 0xFF
    (folder / "broken.zip").write_bytes(broken)
    with zipfile.ZipFile(folder / "readme.zip", "w") as archive:
        archive.writestr("README.txt", "no data here")
    return [
        *found,
        (folder / "broken.zip", "cannot be unpacked"),
        (folder / "readme.zip", "holds no CSV file"),
        (folder / "missing.csv", "cannot be read"),
    ]


async def test_a_wrong_file_is_named_before_anything_is_stored(
    settings: Settings, db: asyncpg.Connection, recorded: list[Row], tmp_path: Path
) -> None:
    """One bad file among good ones: the error names it, and none of the others is begun."""
    good = trades_file(tmp_path, recorded[:100])
    for path, message in wrong_files(tmp_path, good.read_bytes()):
        with pytest.raises(BadRequestError, match=message) as caught:
            await bring(settings, good, path)
        assert path.name in str(caught.value)
        assert await stored(db) == []


async def test_what_lies_before_a_bad_row_is_stored_in_whole_blocks(
    settings: Settings,
    db: asyncpg.Connection,
    recorded: list[Row],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bad row far into a file is shown; the blocks before its own are stored, nothing after."""
    monkeypatch.setattr(importer_module, "_ROWS", 1000)
    file = trades_file(tmp_path, recorded[:4000])
    lines = file.read_text().splitlines(keepends=True)
    lines[2500] = "oops\n"
    file.write_text("".join(lines))
    with pytest.raises(BadRequestError, match=r"trades.csv: The row 'oops' has too few columns"):
        await bring(settings, file)
    assert await stored(db) == wanted(recorded[:2000])
    await tape.assert_candles_match(db)


async def test_a_recorder_that_breaks_ends_the_import(
    settings: Settings, recorded: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import does not wait for a recorder that is not there any more."""

    async def break_down(*_: Any) -> None:
        raise ConfigError("broken")

    monkeypatch.setattr(recorder_module.Recorder, "run", break_down)
    with pytest.raises(ConfigError, match="broken"):
        await bring(settings, trades_file(tmp_path, recorded))
