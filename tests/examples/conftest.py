"""The system that all examples run against."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from e2e.sandboxed import remembering
from e2e.system import ALL_ROLES, eventually, shared, wait
from examples.kit import SYMBOLS, Running


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A whole system with two markets and their history, for all tests of this folder."""
    folder = tmp_path_factory.mktemp("system")
    settings = remembering(folder, *SYMBOLS, sandbox_rate=40.0, backfill=True)
    with shared(settings, folder) as system:
        system.start(*ALL_ROLES)

        async def has_history() -> bool:
            end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 7200))
            query = f"/candles?asset=BTC&duration=5m&startTime={start}&endTime={end}"
            candles = system.get(query)["candles"]
            return len(candles) >= 24 and candles[0]["complete"]

        async def has_books() -> bool:
            return len(system.get("/api/v3/ticker/bookTicker")) == len(SYMBOLS)

        wait(lambda: eventually("two hours of candles", has_history))
        wait(lambda: eventually("the best prices of both", has_books))
        yield Running(system, settings)
