"""`outcry rebuild …` as it is said on the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from openoutcry.commands.options import DataDir, overrides

rebuild = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What is derived, made anew from its log."
)


@rebuild.callback()
def _rebuild() -> None:
    """Make what is derived anew from its log."""


@rebuild.command()
def tokens(
    check: Annotated[
        bool, typer.Option("--check", help="Only compare; exit code 1 if something differs.")
    ] = False,
    from_chain: Annotated[
        bool,
        typer.Option("--from-chain", help="Forget the log too: the indexer reads the chain again."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Make balances, volumes, candles and figures of tokens anew from trades and transfers.

    Says which tables have changed by it; none should. Safe beside a running indexer, which waits, and
    to interrupt: all of it counts at once, or nothing. --from-chain is for a chain that was reorganised
    deeper than OUTCRY_CHAIN_REORG_DEPTH, for a launchpad that is added, or an earlier
    OUTCRY_CHAIN_START_BLOCK; no indexer may run.

    \b
    outcry rebuild tokens
    outcry rebuild tokens --check
    """
    from openoutcry.commands import rebuild as command

    if from_chain:
        command.forget(overrides(data_dir), yes=yes)
    else:
        command.tokens(overrides(data_dir), check=check)
