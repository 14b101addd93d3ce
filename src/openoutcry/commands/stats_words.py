"""`outcry stats …` as it is said on the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from openoutcry.commands.options import DataDir, overrides

stats = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The public counter of trades."
)


@stats.command()
def backfill(data_dir: DataDir = None) -> None:
    """Make the daily counts of the last 35 days anew from the store.

    Safe to run twice and while trades arrive: counts are replaced, not added to, by the publisher
    itself where one runs. A publisher does the same by itself; this is for who does not want to wait.

    \b
    outcry stats backfill
    """
    from openoutcry.commands import stats as command

    command.backfill(overrides(data_dir))


@stats.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show the counts of the last 35 days beside what the store says.

    Exit code 1 when a day differs; a publisher mends that within a minute, today and yesterday, or
    an hour.

    \b
    outcry stats show
    outcry stats show --json | jq .trades_7d
    """
    from openoutcry.commands import stats as command

    command.show(overrides(data_dir), as_json=as_json)
