"""The system that all examples run against."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from e2e.system import ALL_ROLES, System, eventually
from examples.kit import SYMBOLS, Running, free_ports, wait
from openoutcry.config import load


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A whole system with two markets and their history, for all tests of this folder."""
    api, hub, rest, ws = free_ports(4)
    folder = tmp_path_factory.mktemp("system")
    settings = load(
        environ={},
        overrides={
            "symbols": SYMBOLS,
            "port": api,
            "ws_port": hub,
            "sandbox_port": rest,
            "sandbox_ws_port": ws,
            "sandbox_rate": 40.0,
            "sandbox_state": str(folder / "market.json"),
            "binance_rest_url": f"http://127.0.0.1:{rest}",
            "binance_ws_url": f"ws://127.0.0.1:{ws}",
        },
    )
    system = System(settings, folder)
    wait(system.__aenter__)
    system.start(*ALL_ROLES)

    async def has_history() -> bool:
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 7200))
        query = f"/candles?asset=BTC&duration=5m&startTime={start}&endTime={end}"
        candles = system.get(query)["candles"]
        return len(candles) >= 24 and candles[0]["complete"]

    async def has_books() -> bool:
        return len(system.get("/api/v3/ticker/bookTicker")) == len(SYMBOLS)

    try:
        wait(lambda: eventually("two hours of candles", has_history))
        wait(lambda: eventually("the best prices of both", has_books))
        yield Running(system, settings)
    finally:
        wait(system.__aexit__)
