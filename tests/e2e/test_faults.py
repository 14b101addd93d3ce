"""An exchange that drops, repeats, reorders and skips: the gap ledger and repair put it right."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncpg
import pytest

from .audit import assert_whole, candle_differences, settled
from .sandboxed import remembering
from .system import System, eventually

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


async def test_a_misbehaving_exchange_is_put_right(tmp_path: Path) -> None:
    """Dropped trades are fetched, skipped ids are confirmed absent, the rest changes nothing."""
    settings = remembering(tmp_path, *SYMBOLS, sandbox_rate=300, weight_share=1.0)
    async with System(settings, tmp_path) as system:
        system.start("sandbox", "feed", "recorder")
        connection = await asyncpg.connect(system.database_url)

        async def recording() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM watermarks") == 3)

        await eventually("all symbols are recorded", recording)
        for fault in (
            {"kind": "drop", "symbol": "BTCUSDT", "count": 150},
            {"kind": "repeat", "fraction": 0.3, "times": 3, "seconds": 8},
            {"kind": "reorder", "symbol": "ETHUSDT", "window": 20, "seconds": 8},
            {"kind": "skip_ids", "symbol": "SOLUSDT", "count": 40},
            {"kind": "shutdown", "after": 5, "seconds": 3},
            {"kind": "rest_status", "status": 429, "retry_after": 2, "seconds": 3},
        ):
            system.sandbox("POST", "/sandbox/faults", fault)
        await asyncio.sleep(12)
        until = time.time_ns() // 1_000_000 * 1000 - 1

        async def quiet() -> bool:
            return await settled(connection, SYMBOLS, until)

        await eventually("every gap is explained", quiet, 120)
        await assert_whole(
            connection, tmp_path / "market.json", SYMBOLS, settings.sandbox_seed, until
        )
        assert await candle_differences(connection) == []
        states = await connection.fetch(
            "SELECT symbol, state, absent, to_id - from_id + 1 AS ids FROM gaps"
            " JOIN instruments i ON i.id = instrument_id"
        )
        absent = [row for row in states if row["state"] == "absent"]
        assert [row["symbol"] for row in absent] == ["SOLUSDT"]
        assert sum(r.upper - r.lower for r in absent[0]["absent"]) == 40
        filled = [row for row in states if row["symbol"] == "BTCUSDT"]
        assert {row["state"] for row in filled} == {"filled"}
        assert sum(row["ids"] for row in filled) >= 150
        calls = system.sandbox("GET", "/sandbox/stats")["rest_calls"]
        assert calls["/api/v3/historicalTrades"] >= 2
        rotated = [line for line in system.log("feed").splitlines() if "connection rotated" in line]
        assert sum('"carries": "trades"' in line for line in rotated) == 1
        await connection.close()
