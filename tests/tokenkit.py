"""What tests of tokens share: blocks, a store, all that it publishes beside the naive model's word."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import asyncpg
import msgspec

from openoutcry.adapters.postgres import token_charts, token_reader
from openoutcry.adapters.postgres.token_charts import TOKEN_INTERVALS
from openoutcry.adapters.postgres.token_figures import BASES
from openoutcry.core.tokens import naive
from openoutcry.tokens import (
    NOBODY,
    Block,
    Header,
    Ranked,
    TokenCreated,
    TokenEvent,
    TokenGraduated,
    TokenTrade,
    TokenTransfer,
    TradeSide,
    Window,
)

START = 1_767_225_600_000_000  # 2026-01-01
TX = bytes(31) + b"\1"
TABLES = (
    "chain_blocks, tokens, token_figures, token_trades, token_transfers, token_creations,"
    " token_graduations, token_holders, token_hours,"
    " token_candles_1m, token_candles_1h, token_candles_1d"
)
DERIVED = {
    "tokens": "id",
    "token_figures": "token_id",
    "token_holders": "token_id, address",
    "token_hours": "bucket",
    "token_candles_1m": "token_id, bucket",
    "token_candles_1h": "token_id, bucket",
    "token_candles_1d": "token_id, bucket",
}


def address(number: int) -> bytes:
    """Return an address; 0 is nobody's."""
    return bytes(19) + bytes([number])


def block_hash(number: int, fork: int) -> bytes:
    """Return the hash of a block: another for each fork."""
    return sha256(f"{number}/{fork}".encode()).digest()


def block(
    number: int, *events: TokenEvent, fork: int = 0, parent: int = 0, time: int | None = None
) -> Block:
    """Return a block of a fork upon one of another; twelve seconds each, unless told."""
    header = Header(
        number,
        block_hash(number, fork),
        block_hash(number - 1, parent),
        START + 12_000_000 * number if time is None else time,
    )
    return Block(header, events)


def created(index: int, token: int, name: str = "Token") -> TokenCreated:
    """Return the creation of a token."""
    return TokenCreated(index, TX, address(token), address(9), "pad", name, name[:3], 18, 10**19)


def graduated(index: int, token: int) -> TokenGraduated:
    """Return the graduation of a token."""
    return TokenGraduated(index, TX, address(token))


def trade(
    index: int,
    token: int,
    trader: int,
    eth: int,
    *,
    tokens: int = 1,
    price: int | None = None,
    supply: int | None = None,
    reserve: int | None = None,
) -> TokenTrade:
    """Return a purchase, or with `eth` below zero a sale."""
    side = TradeSide.SELL if eth < 0 else TradeSide.BUY
    cost = abs(eth) if price is None else price
    return TokenTrade(
        index, TX, address(token), address(trader), side, abs(eth), tokens, cost, supply, reserve
    )


def transfer(index: int, token: int, sender: int, receiver: int, amount: int) -> TokenTransfer:
    """Return a transfer; 0 sends what is minted, and is sent what is burnt."""
    return TokenTransfer(index, TX, address(token), address(sender), address(receiver), amount)


async def empty(db: asyncpg.Connection) -> None:
    """Make a store as it is after the migration."""
    await db.execute(
        f"TRUNCATE {TABLES} RESTART IDENTITY;"
        "UPDATE token_windows SET through = 'epoch';"
        "UPDATE chain_head SET chain_id = NULL, genesis = NULL, number = NULL, hash = NULL"
    )


async def dump(db: asyncpg.Connection) -> dict[str, list[str]]:
    """Return every byte of the derived tables, row by row."""
    return {
        table: [row[0] for row in await db.fetch(f"SELECT t::text FROM {table} t ORDER BY {key}")]
        for table, key in DERIVED.items()
    }


async def published(
    db: asyncpg.Connection, tokens: Sequence[bytes], now: int, every: bool = True
) -> dict[str, Any]:
    """Return everything that the store says of tokens at `now`, by what it is.

    Candles of all intervals, or else of the stored ones.
    """
    end = START + 10**14
    figures: dict[str, Any] = {"platform": await token_reader.read_platform(db, now)}
    figures["hours"] = await token_charts.read_hours(db, 0, end)
    figures["known"] = sorted(await token_reader.read_ids(db, tokens))
    for window in Window:
        for most in (50, 2):
            ranked = await token_reader.read_top(db, window, now, most)
            figures[f"top {most} {window}"] = [_without_id(each) for each in ranked]
    for token in tokens:
        name = token.hex()
        one = await token_reader.read_token(db, token, now)
        figures[f"{name} token"] = _without_id(one) if one else None
        if one is None:
            continue
        figures[f"{name} holders"] = await token_reader.read_holders(db, token)
        figures[f"{name} trades"] = await token_reader.read_trades(db, token, 1000)
        figures[f"{name} sizes"] = await token_charts.read_sizes(db, token, now - 10**11)
        for interval in TOKEN_INTERVALS.values() if every else BASES:
            figures[f"{name} {interval.name}"] = await token_charts.read_candles(
                db, token, interval, 0, end
            )
    return figures


async def ranks(db: asyncpg.Connection) -> dict[bytes, int]:
    """Return the order in which tokens were first known: it settles ties."""
    return dict(await db.fetch("SELECT address, id FROM tokens"))


def expected(
    blocks: Sequence[Block],
    tokens: Sequence[bytes],
    now: int,
    known: dict[bytes, int],
    every: bool = True,
) -> dict[str, Any]:
    """Return what `published` has to be when these blocks, ascending, are what counts."""
    there = naive.addresses(blocks)
    rows = [Ranked(naive.token_of(blocks, t), naive.volumes(blocks, now, t)) for t in there]
    figures: dict[str, Any] = {"platform": naive.volumes(blocks, now)}
    figures["hours"] = naive.hours(blocks)
    figures["known"] = there
    for window, of in {Window.DAY: "day", Window.WEEK: "week", Window.TOTAL: "total"}.items():
        order = [(-getattr(row.volumes, of), known[row.token.address], row) for row in rows]
        ranked = [row for volume, _, row in sorted(order, key=_rank) if volume]
        for most in (50, 2):
            figures[f"top {most} {window}"] = ranked[:most]
    for token in tokens:
        name = token.hex()
        figures[f"{name} token"] = next((row for row in rows if row.token.address == token), None)
        if token not in there:
            continue
        figures[f"{name} holders"] = naive.holders(blocks, token)
        figures[f"{name} trades"] = naive.trades(blocks, token)[::-1]
        figures[f"{name} sizes"] = naive.sizes(blocks, token, now - 10**11)
        for interval in TOKEN_INTERVALS.values() if every else BASES:
            figures[f"{name} {interval.name}"] = naive.candles(blocks, token, interval)
    return figures


def _rank(row: tuple[int, int, Ranked]) -> tuple[int, int]:
    return row[:2]


def _without_id(ranked: Ranked) -> Ranked:
    return Ranked(msgspec.structs.replace(ranked.token, id=0), ranked.volumes)


assert address(0) == NOBODY
