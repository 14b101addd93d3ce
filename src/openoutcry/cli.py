"""The command `outcry`: what can be said on the command line, and how errors are told.

Every command imports what it needs when it runs, so that `outcry --help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from openoutcry.commands.account_words import exchange_key, key, user
from openoutcry.commands.errors import exit_on_error
from openoutcry.commands.options import DataDir, overrides
from openoutcry.commands.rebuild_words import rebuild
from openoutcry.commands.stats_words import stats

app = typer.Typer(
    name="outcry",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
db = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The schema of the database.")
config = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The settings.")
app.add_typer(db, name="db")
app.add_typer(user, name="user")
app.add_typer(key, name="key")
app.add_typer(exchange_key, name="exchange-key")
app.add_typer(stats, name="stats")
app.add_typer(rebuild, name="rebuild")
app.add_typer(config, name="config", hidden=True)

Symbol = Annotated[str | None, typer.Option(help="Only this symbol, such as BTCUSDT.")]


def main() -> None:
    """Run the command line."""
    exit_on_error(app, debug="--debug" in sys.argv)


def _version(wanted: bool) -> None:
    if wanted:
        from openoutcry import __version__

        typer.echo(f"outcry {__version__}")
        raise typer.Exit


@app.callback()
def outcry(
    _debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    _show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """OpenOutcry: every trade kept once, candles right at commit, everything pushed live.

    \b
    Try it without an exchange:   outcry up --sandbox
    Record Binance:               outcry up --symbols btcusdt,ethusdt
    Something is wrong:           outcry doctor

    Every setting can also stand in outcry.toml or in the environment (OUTCRY_PORT=9000);
    docs/configuration.md lists them.
    """


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="Port of dashboard and API [8000].")] = None,
    ws_port: Annotated[int | None, typer.Option(help="Port of the WebSocket hub [8001].")] = None,
    data_dir: DataDir = None,
    symbols: Annotated[
        str | None, typer.Option(help="Symbols to record: btcusdt,ethusdt,solusdt.")
    ] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Use the exchange on localhost, not the real one.")
    ] = False,
    replay: Annotated[
        Path | None, typer.Option(help="Let the sandbox play this recording.")
    ] = None,
    speed: Annotated[
        str | None, typer.Option(help="Speed of the replay: 1, 10, max … [1].")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Trades per second the sandbox makes up [6].")
    ] = None,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="With a chain on localhost, and tokens traded there.")
    ] = False,
) -> None:
    """Start everything: engines, feed, recorder, API, hub; watch it until Ctrl-C.

    PostgreSQL and Valkey run as child processes unless OUTCRY_DATABASE_URL and OUTCRY_VALKEY_URL
    name others. What dies is started again. Ctrl-C stops in order, a second one at once. Where
    OUTCRY_CHAIN_RPC_URLS names a chain, its tokens are indexed too.

    \b
    outcry up
    outcry up --sandbox --rate 500
    outcry up --sandbox --tokens
    outcry up --replay monday.jsonl --speed 10 --symbols btcusdt
    outcry up --port 9000 --ws-port 9001 --data-dir /srv/outcry
    """
    from openoutcry.commands import up as command

    command.up(
        {
            "port": port,
            "ws_port": ws_port,
            "data_dir": str(data_dir.absolute()) if data_dir else None,
            "symbols": symbols.split(",") if symbols is not None else None,
            "sandbox_replay": str(replay.absolute()) if replay else None,
            "sandbox_speed": speed,
            "sandbox_rate": rate,
        },
        sandbox=sandbox or replay is not None,
        tokens=tokens,
    )


@app.command()
def run(
    role: Annotated[
        str,
        typer.Argument(
            help="feed, recorder, api, hub, trader, indexer, sandbox, chain; or migrate, which ends."
        ),
    ],
) -> None:
    """Run one role in this process, for systemd, containers or a cluster.

    It waits until the engines answer and the schema is there, and stops on SIGTERM. Roles may be
    started in any order and any number; OUTCRY_DATABASE_URL and OUTCRY_VALKEY_URL say where the
    engines are.

    \b
    OUTCRY_DATABASE_URL=postgresql://outcry@db/outcry OUTCRY_VALKEY_URL=redis://bus \\
        outcry run recorder
    """
    from openoutcry.commands.run import run as command

    command(role)


@app.command(name="import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="Recordings or kline archives.")],
    symbol: Annotated[str, typer.Option(help="Whose they are, such as BTCUSDT.")],
    data_dir: DataDir = None,
) -> None:
    """Put recorded trades or candles into the store; doing it twice changes nothing.

    \b
    outcry import BTCUSDT-trades-2024-08-08.zip --symbol BTCUSDT
    """
    from openoutcry.commands.tape import import_files

    import_files(overrides(data_dir), files, symbol)


@app.command()
def gaps(
    fill: Annotated[bool, typer.Option("--fill", help="Fetch what is missing now.")] = False,
    symbol: Symbol = None,
    data_dir: DataDir = None,
) -> None:
    """Show where the tape has holes, and fill them from the exchange.

    A running recorder fills gaps by itself; --fill does it once, without one.

    \b
    outcry gaps
    outcry gaps --fill --symbol BTCUSDT
    """
    from openoutcry.commands.tape import gaps as command

    command(overrides(data_dir), symbol.upper() if symbol else None, fill=fill)


@app.command()
def backtest(
    bot: Annotated[Path, typer.Option(help="The bot, a TOML or JSON file.")],
    symbol: Annotated[str | None, typer.Option(help="The market [`ticker` in the file].")] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", help="From this time on, ISO 8601, UTC [the first trade]."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Until before this time [the last trade].")
    ] = None,
    cash: Annotated[
        list[str] | None, typer.Option(help="Money to begin with, such as '10000 USDT'; repeat it.")
    ] = None,
    fee: Annotated[
        str | None, typer.Option(help="Fee of a fill in percent [OUTCRY_PAPER_FEE].")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the equity curve to this .html or .svg file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Try a bot on stored trades, through the code that trades on paper and live.

    \b
    outcry backtest --bot scalper.toml --symbol BTCUSDT --from 2024-08-08 --to 2024-08-10
    outcry backtest --bot grid.json --output report.html
    """
    from openoutcry.commands.backtest import Asked
    from openoutcry.commands.backtest import backtest as command

    asked = Asked(bot, symbol, start, end, cash or [], fee, output, as_json)
    command(overrides(data_dir), asked)


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show again every second, until Ctrl-C.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Show engines, roles, lag, trades and gaps. Exit code 1 when an engine or a role is down.

    The roles are those that `outcry up` runs: feed, recorder, hub, api, trader, and where a chain is
    configured indexer.

    \b
    outcry status
    outcry status --watch
    outcry status --json | jq .down
    """
    from openoutcry.commands.status import status as command

    command(overrides(data_dir), as_json=as_json, watch=watch)


@app.command()
def alerts(
    test: Annotated[
        bool, typer.Option("--test", help="Send the webhook a message that says it is a test.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show what is wrong with the system, as the API process that looks has seen it last.

    Exit code 1 when an alert is firing.

    \b
    outcry alerts
    outcry alerts --test
    """
    from openoutcry.commands.alerts import alerts as command

    command(overrides(data_dir), as_json=as_json, test=test)


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Check this machine and the running system, and say what to do about each finding.

    Changes nothing. Exit code 1 when something is broken; warnings leave it at 0.

    \b
    outcry doctor
    """
    from openoutcry.commands.doctor import doctor as command

    command(overrides(data_dir))


@app.command()
def bench(
    name: Annotated[
        str, typer.Argument(help="Such as pipeline, hub, candles, volume, latency or startup.")
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Passed on to the benchmark; put them after --.")
    ] = None,
) -> None:
    """Measure this machine with the benchmarks of a checkout.

    \b
    outcry bench pipeline
    outcry bench hub -- --help
    """
    from openoutcry.commands.bench import bench as command

    command(name, arguments or [])


@db.command()
def upgrade(data_dir: DataDir = None) -> None:
    """Bring the schema up to date; safe to run twice and from many places at once.

    \b
    OUTCRY_DATABASE_URL=postgresql://outcry@db/outcry outcry db upgrade
    """
    from openoutcry.commands.database import upgrade as command

    command(overrides(data_dir))


@db.command()
def current(data_dir: DataDir = None) -> None:
    """Print the revision of the schema. Exit code 1 when it is not the newest.

    \b
    outcry db current
    """
    from openoutcry.commands.database import current as command

    command(overrides(data_dir))


@config.command()
def table(
    into: Annotated[Path | None, typer.Option(help="Replace the table in this file.")] = None,
) -> None:
    """Print the table of settings that docs/configuration.md contains, or put it there."""
    from openoutcry.commands.config_table import render, replace

    if into:
        into.write_text(replace(into.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        typer.echo(render())
