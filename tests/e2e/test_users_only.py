"""A whole system whose market data is for users: clients with a key, a dashboard with a sign-in."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import ccxt
import ccxt.pro
import httpx
import pytest
from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import BinanceAPIException
from playwright.async_api import expect

from e2e.sandboxed import sandboxed
from e2e.system import ALL_ROLES, System, eventually, fetch
from e2e.traders import PASSWORD

from .screen import chromium, screen

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """All roles over a made-up market; strangers may make an account and nothing else."""
    settings = sandboxed("BTCUSDT", sandbox_rate=50.0, sign_up="open", public_market_data=False)
    async with System(settings, tmp_path) as system:
        system.start(*ALL_ROLES)

        async def up() -> bool:
            return bool(system.get("/api/v1/config")["symbols"])

        await eventually("the market", up)
        yield system


async def token_of(system: System, name: str) -> str:
    """Make an account and return its access token, once there is something to see with it."""
    body = {"name": name, "password": PASSWORD}
    token: str = fetch(f"{system.url}/api/v1/auth/sign-up", "POST", body)["accessToken"]

    async def heard() -> bool:
        url = f"{system.url}/api/v3/klines?symbol=BTCUSDT&interval=1m"
        return len(fetch(url, token=token)) > 3

    await eventually("some candles", heard)
    return token


async def test_unchanged_clients_of_binance_with_a_key(system: System) -> None:
    """With a key of ours that reads, ccxt and python-binance have REST and streams; without nothing."""
    token = await token_of(system, "ada")
    with pytest.raises(HTTPError, match="401"):
        system.get("/api/v3/klines?symbol=BTCUSDT&interval=1m")
    made = fetch(f"{system.url}/api/v1/auth/keys", "POST", {"name": "bot"}, token=token)
    key = made["key"]
    assert made["info"]["scopes"] == ["read"]

    api = {name: f"{system.url}/{name[:4]}/v1" for name in ("fapiPublic", "dapiPublic")}
    api["public"] = f"{system.url}/api/v3"
    urls: dict[str, Any] = {"api": {**api, "ws": {"spot": f"{system.hub_url}/ws"}}}
    sync = ccxt.binance({"urls": urls, "headers": {"X-MBX-APIKEY": key}})
    assert len(await asyncio.to_thread(sync.fetch_ohlcv, "BTC/USDT", "1m", None, 3)) == 3
    with pytest.raises(ccxt.AuthenticationError):
        await asyncio.to_thread(ccxt.binance({"urls": urls}).load_markets)

    described = {
        "urls": urls,
        "headers": {"X-MBX-APIKEY": key},
        "options": {"ws": {"options": {"headers": {"X-API-Key": key}}}},
    }
    pro = ccxt.pro.binance(described)
    try:
        async with asyncio.timeout(60):
            assert (await pro.watch_trades("BTC/USDT"))[-1]["price"] > 0
    finally:
        await pro.close()

    client = AsyncClient(api_key=key)
    client.API_URL = f"{system.url}/api"
    stranger = AsyncClient()
    stranger.API_URL = client.API_URL
    sockets = BinanceSocketManager(client)
    sockets.STREAM_URL = f"{system.hub_url}/"
    sockets.ws_kwargs["additional_headers"] = {"X-API-Key": key}
    try:
        await stranger.ping()
        with pytest.raises(BinanceAPIException) as refused:
            await stranger.get_klines(symbol="BTCUSDT", interval="1m")
        assert (refused.value.status_code, refused.value.code) == (401, -2014)
        assert len(await client.get_klines(symbol="BTCUSDT", interval="1m", limit=2)) == 2
        async with asyncio.timeout(60), sockets.trade_socket("BTCUSDT") as socket:
            assert (await socket.recv())["e"] == "trade"
    finally:
        await client.close_connection()
        await stranger.close_connection()


@pytest.mark.browser
async def test_the_dashboard_asks_to_sign_in(system: System) -> None:
    """The sheet instead of the chart; signed in, candles and live trades; signed out, neither."""
    if chromium() is None:
        pytest.skip("there is no chromium on PATH, or no dashboard: make")
    expect.set_options(timeout=30_000)
    await token_of(system, "ada")
    async with screen(system) as shown:
        page = shown.page
        answers: list[tuple[str, int]] = []
        page.on("response", lambda answer: answers.append((answer.url, answer.status)))
        dialog = page.get_by_role("dialog", name="Sign in")
        await expect(dialog).to_be_visible()
        await expect(page.get_by_test_id("market-gate")).to_be_visible()
        await expect(page.get_by_test_id("legend")).to_have_count(0)
        await dialog.get_by_label("Name").fill("ada")
        await dialog.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("close")).to_have_text(re.compile(r"\d"))
        await expect(shown.connection).to_have_attribute("data-state", "live")
        # Trades come from the hub alone, the coins' list from REST and the hub.
        await expect(page.get_by_test_id("last")).to_have_text(re.compile(r"\d"))
        await page.goto(f"{system.url}/#markets")
        markets = page.get_by_test_id("markets")
        await expect(markets).to_have_attribute("data-phase", "ready")
        await page.reload()
        await expect(markets).to_have_attribute("data-phase", "ready")
        await page.get_by_role("button", name="Signed in as ada").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_test_id("market-gate")).to_be_visible()
        await expect(markets).to_have_count(0)
        asked = [one for one in answers if "/candles?" in one[0] or "/api/v1/markets" in one[0]]
        assert {status for _, status in asked} == {200}
        assert shown.errors == []


async def test_nothing_of_it_is_kept_on_the_way(system: System) -> None:
    """A candle of the past, which is kept for a day while it is public, is for its reader only."""
    token = await token_of(system, "ada")
    end = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(time.time() - 600))
    start = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(time.time() - 3600))
    path = f"/candles?asset=BTC&duration=1m&startTime={start}&endTime={end}"
    async with httpx.AsyncClient(base_url=system.url) as client:
        answer = await client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.json()["candles"]
        assert answer.headers["cache-control"] == "private, no-cache"
        refused = await client.get(path)
    assert (refused.status_code, refused.headers["cache-control"]) == (401, "no-store")
