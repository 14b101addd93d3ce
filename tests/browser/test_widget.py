"""The widget in a real Chromium, on a page of another origin, before a real API and a real hub."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import pytest
from msgspec import Struct
from playwright.sync_api import Browser, Page, expect
from redis import Redis

from conftest import execute, run
from openoutcry.core.keys import (
    STATS_TRADES,
    STATS_TRADES_LAST,
    TRADE_COUNTS_CHANGED,
    trade_count_key,
)
from openoutcry.core.trade_stats import TradeStats
from openoutcry.engines import Engines
from openoutcry.web.api.widget import WIDGET

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A shop</title>
<link rel="icon" href="data:,"><script async src="API/widget/trade-count.js"></script></head>
<body><h1>A shop</h1><trade-count api="API"></trade-count>
<trade-count api="API" window="30d" lang="de" hub="off" label="Abschlüsse"></trade-count></body></html>
"""


class Platform(Struct):
    """A platform's address, and how its counter is moved."""

    url: str
    valkey: Redis

    def count(self, trades: int) -> None:
        """Let so many trades be counted today."""
        today = datetime.now(UTC).date()
        self.valkey.set(trade_count_key(today), trades)
        self.valkey.set(TRADE_COUNTS_CHANGED, int(time.time() * 1000))

    def tell(self, trades: int) -> None:
        """Let the hub hear of so many, as the publisher tells it."""
        text = msgspec.json.encode(TradeStats(trades, trades, "2026-01-01T00:00:00.000Z"))
        self.valkey.set(STATS_TRADES_LAST, text)
        self.valkey.publish(STATS_TRADES, text)


Start = Callable[..., Platform]
Shop = Callable[[str], str]


@pytest.fixture
def shop_port(free_port: int) -> int:
    """The port of a page that is not ours."""
    return free_port


@pytest.fixture(scope="module")
def database(engines: Engines, template: str) -> str:
    """The URL of a migrated database for all these tests: nothing is written into it.

    Made in a thread, for Playwright keeps an event loop running in this one.
    """
    url, name = engines.database_url, "widget"
    with ThreadPoolExecutor(1) as thread:
        thread.submit(run, execute(url, f"CREATE DATABASE {name} TEMPLATE {template}")).result()
    return url.replace("/openoutcry?", f"/{name}?", 1)


@pytest.fixture
def platform(
    engines: Engines, database: str, free_ports: Callable[[int], list[int]]
) -> Iterator[Start]:
    """A function that starts API and hub with some settings."""
    if not (WIDGET / "trade-count.js").exists():
        pytest.skip("the widget is not built: make, or npm run build in clients/widget/")
    with ExitStack() as stack:
        valkey: Redis = stack.enter_context(Redis.from_url(engines.valkey_url))
        valkey.flushall()

        def start(**settings: str) -> Platform:
            port, ws_port = free_ports(2)
            environment = {
                **os.environ,
                "OUTCRY_DATABASE_URL": database,
                "OUTCRY_VALKEY_URL": engines.valkey_url,
                "OUTCRY_PORT": str(port),
                "OUTCRY_WS_PORT": str(ws_port),
                "OUTCRY_FEED_TICKERS": "false",
                "OUTCRY_BINANCE_REST_URL": "http://127.0.0.1:9",
                "OUTCRY_LOG_LEVEL": "error",
                **{f"OUTCRY_{name.upper()}": value for name, value in settings.items()},
            }
            for role in ("api", "hub"):
                stack.enter_context(_role(role, environment))
            for each in (port, ws_port):
                _wait_for(f"http://127.0.0.1:{each}/health/live")
            return Platform(f"http://127.0.0.1:{port}", valkey)

        yield start


@pytest.fixture
def shop(shop_port: int, tmp_path: Path) -> Iterator[Shop]:
    """A function that opens a shop, whose page embeds an API's widget; returns the page's address."""
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", shop_port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def open_shop(api: str) -> str:
        (tmp_path / "index.html").write_text(PAGE.replace("API", api), encoding="utf-8")
        return origin(shop_port)

    yield open_shop
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page with motion."""
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def origin(port: int) -> str:
    """Return the shop's origin: another host for the browser, not only another port."""
    return f"http://localhost:{port}"


def read(page: Page, at: int = 0) -> str:
    """Return what a widget says to those who do not see."""
    text: str = (
        page.locator("trade-count")
        .nth(at)
        .evaluate("e => e.shadowRoot.querySelector('.read').textContent")
    )
    return text


def until(page: Page, text: str, at: int = 0) -> None:
    """Return when a widget says so."""
    for _ in range(300):
        if read(page, at) == text:
            return
        page.wait_for_timeout(50)
    assert read(page, at) == text


def test_on_a_foreign_origin_with_cors(
    platform: Start, shop: Shop, shop_port: int, page: Page
) -> None:
    """Listed in `public_origins`, a page of another origin shows the counter, and follows it live."""
    house = platform(public_origins=origin(shop_port))
    house.count(1_234_567)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(shop(house.url))
    until(page, "1,234,567")
    until(page, "1.234.567", 1)
    first, second = page.locator("trade-count").all()
    expect(first).to_have_attribute("data-state", "ready")
    expect(second.locator(".label")).to_have_text("Abschlüsse")
    watch = "e => e.shadowRoot.addEventListener('animationstart', () => { window.rolls = true; })"
    first.evaluate(watch)
    # With the first push the hub's word is the last one; nothing is polled any more.
    for trades in (1_234_568, 1_234_601):
        for _ in range(100):
            house.tell(trades)
            page.wait_for_timeout(100)
            if first.get_attribute("data-live") is not None:
                break
        until(page, f"{trades:,}")
    assert second.get_attribute("data-live") is None
    assert page.evaluate("window.rolls")
    public = [url for url in asked if "/api/public/" in url]
    assert len(public) <= 4
    assert not [url for url in asked if not url.startswith((house.url, origin(shop_port), "data:"))]


def test_on_a_foreign_origin_without_cors(platform: Start, shop: Shop, page: Page) -> None:
    """On no list, neither the API nor the hub tells the page anything; the widget stays quiet."""
    house = platform()
    house.count(1_234_567)
    refused: list[str] = []
    page.on("console", lambda line: refused.append(line.text))
    page.goto(shop(house.url))
    until(page, "not available")
    widget = page.locator("trade-count").first
    expect(widget).to_have_attribute("data-state", "error")
    expect(widget.locator(".number")).to_have_text("\u2013")
    for _ in range(5):
        house.tell(7)
        page.wait_for_timeout(100)
    assert read(page) == "not available"
    assert widget.get_attribute("data-live") is None
    assert any("CORS" in line for line in refused)
    assert any("WebSocket" in line and "403" in line for line in refused)


def test_the_demo_page(platform: Start, browser: Browser) -> None:
    """It shows the element in its forms, fits a phone, and needs nothing from anywhere else."""
    house = platform()
    house.count(4_321)
    with browser.new_context(
        viewport={"width": 360, "height": 740}, locale="en-US", reduced_motion="reduce"
    ) as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.goto(f"{house.url}/widget/")
        for at, text in enumerate(("4,321", "4,321", "4.321", "4,321", "not available")):
            until(page, text, at)
        house.tell(4_329)
        until(page, "4,329")
        rolling = page.locator("trade-count .reel").count()
        assert rolling == 0, "nothing moves for who does not want it"
        # Attributes may change at any time; a label may be empty, an address wrong.
        widget = page.locator("trade-count").first
        widget.evaluate("e => { e.setAttribute('label', ''); e.setAttribute('lang', 'de'); }")
        expect(widget.locator(".label")).to_be_hidden()
        until(page, "4.329")
        widget.evaluate("e => e.setAttribute('api', 'javascript:alert(1)')")
        until(page, "not available")
        widget.evaluate("e => e.removeAttribute('api')")
        until(page, "4.329")
        page.evaluate("document.querySelector('trade-count').remove()")
        width = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert page.evaluate(width)
        if folder := os.environ.get("OUTCRY_TEST_PICTURES"):
            page.screenshot(path=f"{folder}/widget.png", full_page=True)
    assert [text for text in errors if "127.0.0.1:9/" not in text and "net::ERR" not in text] == []


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def _role(name: str, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "openoutcry", "run", name], env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(url: str) -> None:
    """Return when somebody answers there, whatever it is."""
    for _ in range(600):
        try:
            urlopen(url, timeout=5).close()
        except OSError as error:
            if hasattr(error, "code"):
                return
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} does not answer")
