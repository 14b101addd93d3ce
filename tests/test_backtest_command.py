"""`outcry backtest`: the bot's file, the report, the picture, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.adapters.postgres.tape_columns import bounds, stretch, stretches
from openoutcry.cli import app
from openoutcry.commands.backtest import read_bot
from openoutcry.core.trading.events import Trades
from openoutcry.errors import OutcryError
from openoutcry.model import Instrument

T0 = 1_723_161_600_000_000
SECOND = 1_000_000

BOT = """
name = "Test scalper"
quantity = 0.1
buy_price = 100
sell_price = 110
infinite_loop = true
"""


async def fill(url: str, prices: list[str], scale: int = 2) -> None:
    """Put a tape in the store: trades a second apart, and the half minutes that count them."""
    connection = await asyncpg.connect(url)
    number = await connection.fetchval(
        "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale) "
        "VALUES ('binance', 'BTCUSDT', 'BTC', 'USDT', $1, 3) RETURNING id",
        scale,
    )
    await connection.execute(
        "SELECT outcry_make_room('trades', to_timestamp($1), to_timestamp($1 + 1000))", T0 // SECOND
    )
    for n, price in enumerate(prices):
        await connection.execute(
            "INSERT INTO trades VALUES ($1, to_timestamp($2), now(), $3, $4, 5, 1)",
            number, T0 / SECOND + n, 100 + n, Decimal(price),
        )  # fmt: skip
    await connection.execute(
        "INSERT INTO candles_30s SELECT $1, date_bin('30 seconds', venue_time, 'epoch'), 1, 1, 1, 1, "
        "1, 1, count(*), 1, 1, min(trade_id), max(trade_id) FROM trades GROUP BY 2",
        number,
    )
    await connection.close()


@pytest.fixture
def tape(database_url: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with 60 trades, and an environment that names it."""
    asyncio.run(fill(database_url, ["105", "99", "99", "111", "111"] * 12))
    monkeypatch.setenv("OUTCRY_DATABASE_URL", database_url)
    monkeypatch.setenv("OUTCRY_VALKEY_URL", valkey_url)
    return database_url


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    """A scalper's file."""
    file = tmp_path / "bot.toml"
    file.write_text(BOT)
    return file


def test_the_report_names_what_was_earned(tape: str, bot: Path, tmp_path: Path) -> None:
    """Trades, win rate, PnL, fees, drawdown, return; and the picture as a page of its own."""
    out = tmp_path / "report.html"
    done = CliRunner().invoke(
        app, ["backtest", "--bot", str(bot), "--symbol", "btcusdt", "--output", str(out)]
    )
    assert done.exit_code == 0, done.output
    for words in ("Test scalper (scalper), ACTIVE", "60 trades", "100.00 % of 12 closing fills",
                  "+14.1480 USDT", "Max drawdown", "Return"):  # fmt: skip
        assert words in done.output
    assert "<svg" in out.read_text()
    assert tape


def test_json_is_for_scripts(tape: str, bot: Path) -> None:
    """Exact decimal strings; `--from` and `--to` choose the trades; the sums agree."""
    asked = ["backtest", "--bot", str(bot), "--symbol", "BTCUSDT", "--json", "--fee", "0"]
    span = ["--from", "2024-08-09T00:00:05Z", "--to", "2024-08-09T00:00:25Z", "--cash", "500 USDT"]
    done = CliRunner().invoke(app, asked + span)
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["tape_trades"], report["trades"], report["start_equity"]) == (20, 8, "500")
    assert report["realized_pnl"] == report["pnl"] == "4.716"
    assert sum(Decimal(f["realized_pnl"]) for f in report["fills"]) == Decimal("4.716")
    assert tape


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--symbol", "XYZ"], "XYZ is not in the store; there are: BTCUSDT."),
        (["--symbol", "BTCUSDT", "--to", "2020-01-01"], "no trades of BTCUSDT in that time"),
        (["--symbol", "BTCUSDT", "--from", "soon"], "'soon' is not a time"),
        (["--symbol", "BTCUSDT", "--cash", "lots"], "'lots' is not an amount and an asset"),
        (["--symbol", "BTCUSDT", "--fee", "-1"], "--fee -1 is not a percentage"),
        (["--symbol", "BTCUSDT", "--output", "x.png"], "must end in .html or .svg"),
        ([], "Say which market to test on"),
    ],
)
def test_what_cannot_be_tested_is_explained(
    tape: str, bot: Path, arguments: list[str], complaint: str
) -> None:
    """One sentence, no traceback."""
    done = CliRunner().invoke(app, ["backtest", "--bot", str(bot), *arguments])
    assert isinstance(done.exception, OutcryError)
    assert complaint in str(done.exception)
    assert tape


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.toml", "quantity = ", "is not TOML"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "[]", "must hold one bot"),
        ("a.toml", "colour = 1", "colour: there is no such field"),
        ("a.toml", None, "cannot be read"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, name: str, text: str | None, complaint: str) -> None:
    """The file and what is wrong in it."""
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    with pytest.raises(OutcryError, match=complaint):
        read_bot(file)


def test_numbers_in_files_are_exact(tmp_path: Path) -> None:
    """0.1 in a file is a tenth, in TOML and in JSON."""
    for name, text in (("a.toml", "quantity = 0.1"), ("a.json", '{"quantity": 0.1}')):
        (tmp_path / name).write_text(text)
        assert read_bot(tmp_path / name).parameters == {"quantity": Decimal("0.1")}


async def test_stretches_hold_each_trade_once_and_exactly(database_url: str) -> None:
    """All trades, in the order of their ids; prices with more decimals than the scale are not cut."""
    await fill(database_url, ["1.25", "1.5", "1.123456"] * 30, scale=2)
    pool = await open_pool(database_url, application_name="test")
    instrument = Instrument(1, "binance", "BTCUSDT", "BTC", "USDT", 2, 3)
    try:
        assert await bounds(pool, instrument, 0, 2 * T0) == (T0, T0 + 90 * SECOND, 90)
        assert await bounds(pool, instrument, 0, T0) is None
        read = [part async for _, part in stretches(pool, instrument, T0, T0 + 90 * SECOND)]
        whole = [(int(i), part.price(n)) for part in read for n, i in enumerate(part.ids)]
        assert [i for i, _ in whole] == list(range(100, 190))
        assert [p for _, p in whole[:3]] == [Decimal("1.25"), Decimal("1.5"), Decimal("1.123456")]
        exact: Trades = await stretch(pool, instrument, T0, T0 + 2 * SECOND)
        assert (exact.price_scale, exact.size_scale, int(exact.sizes[0])) == (2, 3, 5000)
    finally:
        await pool.close()
