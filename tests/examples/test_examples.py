"""Every example runs against a real system: engines, sandbox exchange, feed, recorder, hub and API."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from playwright.sync_api import sync_playwright

from e2e.system import wait
from examples.kit import EXAMPLES, SYMBOLS, Running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture
def served() -> Iterator[Callable[[Path], str]]:
    """A function that serves a folder on localhost and returns its URL."""
    servers = []

    def serve(folder: Path) -> str:
        handler = partial(_Quiet, directory=str(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_watch_candles_prints_the_snapshot_and_live_changes(running: Running) -> None:
    """The newest candle is seen forming, from what the hub sends."""
    printed = running.python(
        "watch_candles.py", "BTCUSDT", "1m", "--hub", running.hub, "--count", "3"
    )
    lines = printed.splitlines()
    assert len(lines) >= 3
    assert " forming" in printed
    assert all(" O " in line and " trades " in line for line in lines)


def test_watch_candles_passes_on_what_the_hub_refuses(running: Running) -> None:
    """A symbol that does not exist ends the example with the hub's own words."""
    said = running.python("watch_candles.py", "NOPEUSDT", "--hub", running.hub, code=1)
    assert said.startswith("There is no symbol NOPEUSDT; symbols are BTCUSDT, ETHUSDT")


def test_fetch_candles_prints_a_table(running: Running) -> None:
    """Two hours of five-minute candles are 24 or 25 rows, whole ones but for the newest."""
    table = running.python(
        "fetch_candles.py", "BTC", "5m", "--hours", "2", "--api", running.system.url
    )
    rows = [line for line in table.splitlines() if line.rstrip().endswith((" yes", " no"))]
    assert len(rows) in (24, 25)
    assert table.splitlines()[0].strip() == "BTCUSDT 5m"
    assert rows[0].rstrip().endswith("yes")


def test_fetch_candles_passes_on_what_the_api_refuses(running: Running) -> None:
    """An unknown duration ends the example with the API's list of the right ones."""
    said = running.python("fetch_candles.py", "BTC", "7m", "--api", running.system.url, code=1)
    assert "7m" in said
    assert "1s, 30s, 1m" in said


def test_signed_volume_is_the_same_from_trades_and_from_candles(running: Running) -> None:
    """Every statement of the SQL file runs, and its first two agree on a minute that is whole."""
    statements = [s for s in (EXAMPLES / "signed_volume.sql").read_text().split(";") if s.strip()]

    async def run() -> list[list[asyncpg.Record]]:
        connection = await asyncpg.connect(running.system.database_url)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return [await connection.fetch(statement) for statement in statements]
        finally:
            await connection.close()

    by_trades, by_candles, _gaps, watermarks = wait(run)
    assert {row["symbol"] for row in watermarks} == set(SYMBOLS)
    summed = {(row["symbol"], row["minute"]): row for row in by_trades}
    stored = {(row["symbol"], row["minute"]): row for row in by_candles}
    newest = max(summed)  # trades before the first heard minute are known from klines alone
    for name in ("signed_volume", "volume"):
        assert summed[newest][name] == stored[newest][name]


def test_psql_takes_the_sql_file(running: Running) -> None:
    """The file is plain SQL: psql runs it without an error."""
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("there is no psql on PATH")
    url = running.system.database_url
    file = str(EXAMPLES / "signed_volume.sql")
    printed = running.run(psql, url, "-v", "ON_ERROR_STOP=1", "-f", file)
    assert "signed_volume" in printed
    assert "heard_until" in printed


def test_bot_on_quotes_sees_quotes(running: Running) -> None:
    """Each quote is printed with its bid below and its ask above the price."""
    url = running.system.engines.valkey_url
    printed = running.python("bot_on_quotes.py", "BTCUSDT", "--valkey", url, "--count", "5")
    lines = printed.splitlines()
    assert len(lines) == 5
    for line in lines:
        symbol, price, _, bid, _, ask, *_ = line.split()
        assert symbol == "BTCUSDT"
        assert float(bid) < float(price) < float(ask)


def test_import_history_stores_a_month_twice_as_once(
    running: Running, tmp_path: Path, served: Callable[[Path], str]
) -> None:
    """The script fetches, checks and imports a month; a second time changes nothing."""
    if shutil.which("curl") is None or shutil.which("sha256sum") is None:
        pytest.skip("curl and sha256sum are not both on PATH")
    start = 1_704_067_200_000  # 2024-01-01
    rows = [
        f"{at},{100 + n}.5,{101 + n},{99 + n},{100 + n},2.5,{at + 59_999},250,5,1.5,150,0"
        for n, at in enumerate(range(start, start + 120 * 60_000, 60_000))
    ]
    folder = tmp_path / "klines" / "BTCUSDT" / "1m"
    folder.mkdir(parents=True)
    archive = folder / "BTCUSDT-1m-2024-01.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("BTCUSDT-1m-2024-01.csv", "\n".join(rows) + "\n")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    checksum = folder / f"{archive.name}.CHECKSUM"
    checksum.write_text(f"{digest}  {archive.name}\n")
    script = str(EXAMPLES / "import_history.sh")
    settings = (
        f"BULK={served(tmp_path)}",
        f"OUTCRY={shlex.join([sys.executable, '-m', 'openoutcry'])}",
    )

    for _ in range(2):
        said = running.run("env", *settings, script, "BTCUSDT", "2024-01")
        assert said == "120 rows of BTCUSDT are in the store.\n"
    query = "/candles?asset=BTC&duration=1h&startTime=2024-01-01T00:00Z&endTime=2024-01-01T01:00Z"
    candles = running.system.get(query)["candles"]
    assert [(c["open"], c["close"], c["volume"], c["trades"]) for c in candles] == [
        (100.5, 159, 150.0, 300),
        (160.5, 219, 150.0, 300),
    ]
    assert all(candle["complete"] for candle in candles)

    archive.write_bytes(archive.read_bytes()[:-20])
    failed = running.run("env", *settings, script, "BTCUSDT", "2024-01", code=1)
    assert "did NOT match" in failed


def test_ccxt_reads_the_sandbox(running: Running) -> None:
    """Markets, candles and trades come through ccxt with nothing changed but the addresses."""
    printed = running.python("ccxt_rest.py", "--api", running.settings.binance_rest_url)
    assert "markets: BTC/USDT, ETH/USDT" in printed
    assert printed.count(" O ") == 5
    assert printed.count(" at ") == 5


def test_browser_page_shows_live_prices(running: Running, served: Callable[[Path], str]) -> None:
    """A real browser shows every market, and a price that changes."""
    chromium = os.environ.get("OUTCRY_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on PATH; OUTCRY_CHROMIUM can name one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{served(EXAMPLES)}/browser.html?hub={running.hub}")
        page.get_by_text("Connected to OpenOutcry").wait_for()
        page.locator("tbody tr").nth(1).wait_for()
        assert set(page.locator("tbody td:first-child").all_inner_texts()) == set(SYMBOLS)
        cell = page.locator("tbody tr").first.locator("td").nth(1)
        before = cell.inner_text()
        page.wait_for_function(
            "([cell, text]) => cell.innerText !== text", arg=[cell.element_handle(), before]
        )
        browser.close()
