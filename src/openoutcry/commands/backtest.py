"""`outcry backtest`: a bot over stored trades, through the code that trades live."""

from __future__ import annotations

import datetime as dt
import sys
import tomllib
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from openoutcry import config, logs
from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.adapters.postgres.times import to_us
from openoutcry.commands.backtest_page import page
from openoutcry.commands.context import finish, reached
from openoutcry.config import Settings
from openoutcry.core.prices import plain_text
from openoutcry.core.trading.backtest import Report
from openoutcry.core.trading.drafts import Draft, read_draft
from openoutcry.core.trading.equity_picture import draw
from openoutcry.core.trading.wire import fill_body, iso_ms
from openoutcry.errors import BadRequestError, ConfigError
from openoutcry.services import backtest as service

_EVER: Final = (0, 253_370_764_800_000_000)


class Asked(Struct, frozen=True):
    """The options of the command, as they were typed."""

    bot: Path
    symbol: str | None
    start: str | None
    end: str | None
    cash: list[str]
    fee: str | None
    output: Path | None
    as_json: bool


def backtest(overrides: dict[str, Any], asked: Asked) -> None:
    """Run the test, print the report, write the picture."""
    if asked.output is not None and asked.output.suffix not in {".html", ".svg"}:
        raise ConfigError(f"--output must end in .html or .svg, not {asked.output.name}.")
    settings = config.load(overrides=overrides)
    logs.configure("warning", settings.log_format)
    wanted = _wanted(asked, settings)
    outcome = finish(_run(settings, wanted, quiet=asked.as_json))
    report = outcome.report
    if asked.output is not None:
        html = asked.output.suffix == ".html"
        asked.output.write_text(page(report) if html else draw(report), encoding="utf-8")
    if asked.as_json:
        sys.stdout.write(msgspec.json.format(encode(outcome), indent=2).decode() + "\n")
        return
    console = Console()
    console.print(render(report))
    if outcome.gaps:
        console.print(
            f"The tape has {outcome.gaps} suspected gaps in this time: trades may be missing. "
            "`outcry gaps --fill` asks the exchange for them."
        )
    if asked.output is not None:
        console.print(f"The equity curve is in {asked.output}.", soft_wrap=True)


async def _run(settings: Settings, wanted: service.Wanted, *, quiet: bool) -> service.Outcome:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f} trades"),
        TimeRemainingColumn(),
    )
    async with reached(settings, launch=True) as found:
        name = "outcry backtest"
        pool = await open_pool(
            found.database_url, application_name=name, max_size=2, command_timeout=300
        )
        async with pool:
            with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
                task = bar.add_task(f"Testing on {wanted.symbol}", total=None)

                def tell(done: int, total: int) -> None:
                    bar.update(task, completed=done, total=total)

                return await service.run(pool, wanted, tell)


def _wanted(asked: Asked, settings: Settings) -> service.Wanted:
    draft = read_bot(asked.bot)
    symbol = asked.symbol or draft.ticker
    if symbol is None:
        raise ConfigError("Say which market to test on: --symbol BTCUSDT, or `ticker` in the file.")
    start, end = (
        default if text is None else _moment(text)
        for text, default in zip((asked.start, asked.end), _EVER, strict=True)
    )
    if start >= end:
        raise ConfigError("--from must be earlier than --to.")
    return service.Wanted(
        draft=msgspec.structs.replace(draft, ticker=symbol.upper()),
        symbol=symbol,
        start=start,
        end=end,
        money=dict(_cash(text) for text in asked.cash),
        spread=settings.spread,
        fee_rate=settings.paper_fee if asked.fee is None else _share(asked.fee),
    )


def read_bot(file: Path) -> Draft:
    """Return the bot that a TOML or JSON file describes. Raises ConfigError."""
    try:
        text = file.read_text(encoding="utf-8")
        body = (
            msgspec.json.Decoder(float_hook=Decimal).decode(text)
            if file.suffix == ".json"
            else tomllib.loads(text, parse_float=Decimal)
        )
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None
    except (msgspec.DecodeError, tomllib.TOMLDecodeError) as error:
        kind = "JSON" if file.suffix == ".json" else "TOML"
        raise ConfigError(f"{file} is not {kind}: {error}") from None
    if not isinstance(body, dict):
        raise ConfigError(f"{file} must hold one bot, an object with names and values.")
    try:
        return read_draft(body)
    except BadRequestError as error:
        raise ConfigError(f"{file}: {error}") from None


def _moment(text: str) -> int:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{text!r} is not a time; write 2024-08-08 or 2024-08-08T12:30:00Z (UTC)."
        ) from None
    return to_us(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC))


def _cash(text: str) -> tuple[str, Decimal]:
    amount, _, asset = text.strip().partition(" ")
    try:
        number = Decimal(amount)
    except InvalidOperation:
        number = Decimal(-1)
    if not (number.is_finite() and number >= 0 and asset.strip().isalnum()):
        raise ConfigError(f"{text!r} is not an amount and an asset; write --cash '10000 USDT'.")
    return asset.strip().upper(), number


def _share(text: str) -> Decimal:
    try:
        percent = Decimal(text)
    except InvalidOperation:
        percent = Decimal(-1)
    if not (percent.is_finite() and 0 <= percent < 100):
        raise ConfigError(f"--fee {text} is not a percentage; write 0.1 for 0.1 %.")
    return percent.scaleb(-2)


def render(report: Report) -> Table:
    """Return the report as a table."""
    quote, base = report.market.quote, report.market.base
    position = report.bot.position
    drawdown = report.drawdown
    rows = [
        ("Bot", f"{report.bot.name} ({report.bot.strategy}), {report.bot.status.value}"),
        ("Market", report.market.symbol),
        ("Time", f"{iso_ms(report.from_time)} to {iso_ms(report.to_time)}"),
        ("Tape", f"{report.tape_trades:,} trades"),
        ("Orders", f"{report.orders:,}"),
        ("Trades (fills)", f"{len(report.fills):,}, {_money(report.volume)} {quote}"),
        (
            "Win rate",
            "nothing was closed"
            if report.win_rate is None
            else f"{report.win_rate} % of {report.closes:,} closing fills",
        ),
        ("Realised PnL", f"{_money(report.realized_pnl, sign=True)} {quote}"),
        ("Unrealised PnL", f"{_money(report.unrealized_pnl, sign=True)} {quote}"),
        ("Fees", f"{_money(report.fees)} {quote}"),
        ("PnL after fees", f"{_money(report.pnl, sign=True)} {quote}"),
        ("Max drawdown", f"{drawdown.percent:.4f} %, {_money(drawdown.amount)} {quote}"),
        ("Equity", f"{_money(report.start_equity)} to {_money(report.end_equity)} {quote}"),
        ("Return", f"{report.return_percent:+.4f} %"),
        ("Price", f"{report.hold_percent:+.4f} %"),
        ("Holds at the end", f"{plain_text(position.quantity)} {base}"),
    ]
    table = Table("", "", box=None, show_header=False)
    for name, value in rows:
        table.add_row(name, value)
    if report.bot.status.value != "ACTIVE" or not report.fills:
        for entry in report.logs[-3:]:
            table.add_row(entry.level.value.lower(), entry.message)
    return table


def encode(outcome: service.Outcome) -> bytes:
    """Return the outcome as JSON: decimal strings, ISO times."""
    report = outcome.report
    texts = {
        name: plain_text(getattr(report, name))
        for name in (
            "realized_pnl",
            "unrealized_pnl",
            "fees",
            "pnl",
            "volume",
            "first_price",
            "last_price",
            "start_equity",
            "end_equity",
            "return_percent",
            "hold_percent",
        )
    }
    drawdown = report.drawdown
    body = {
        "bot": {
            "name": report.bot.name,
            "strategy": report.bot.strategy,
            "status": report.bot.status.value,
            "parameters": report.bot.parameters,
        },
        "symbol": report.market.symbol,
        "from": iso_ms(report.from_time),
        "to": iso_ms(report.to_time),
        "tape_trades": report.tape_trades,
        "suspected_gaps": outcome.gaps,
        "orders": report.orders,
        "trades": len(report.fills),
        "closes": report.closes,
        "wins": report.wins,
        "win_rate": None if report.win_rate is None else plain_text(report.win_rate),
        **texts,
        "max_drawdown": {
            "percent": plain_text(drawdown.percent),
            "amount": plain_text(drawdown.amount),
            "from": iso_ms(drawdown.high_time),
            "to": iso_ms(drawdown.low_time),
        },
        "equity_curve": [
            {"time": iso_ms(point.time), "equity": plain_text(point.equity)}
            for point in report.curve
        ],
        "fills": [fill_body(fill) for fill in report.fills],
    }
    return msgspec.json.encode(body)


def _money(amount: Decimal, *, sign: bool = False) -> str:
    return f"{amount:+,.4f}" if sign else f"{amount:,.4f}"
