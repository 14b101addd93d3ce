"""Read tokens, their exact volumes at a moment, holders and trades."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec import Struct

from openoutcry.adapters.postgres import token_quick
from openoutcry.adapters.postgres.pool import Connection
from openoutcry.adapters.postgres.token_figures import COUNTS, COUNTS_BETWEEN
from openoutcry.core.tokens.order import block_of, index_of, position
from openoutcry.core.tokens.windows import Slip, slip
from openoutcry.tokens import (
    LENGTHS,
    CountedTrade,
    Holder,
    Ranked,
    TokenTrade,
    TradeSide,
    Volumes,
    Window,
)

_THROUGH: Final = "SELECT name, through FROM token_windows"

_IDS: Final = """
SELECT t.address, t.id FROM tokens t JOIN token_figures f ON f.token_id = t.id
WHERE t.address = ANY ($1::bytea[]) AND (t.created_at IS NOT NULL OR f.trades > 0)
"""

_SLIPPED: Final = f"""
SELECT sum(eth) FROM token_trades x
WHERE {{of}}block_time > {{after}} AND block_time <= {{until}}
  AND {COUNTS_BETWEEN.format("x", "{after}", "{until}")}
"""

# $2 to $4: what is to be added to the day's sums, $5 to $7 to the week's: after, until, sign.
_TOKENS: Final = """
SELECT {columns},
    f.volume_24h + $4::int * coalesce(({day}), 0) AS day,
    f.volume_7d + $7::int * coalesce(({week}), 0) AS week,
    f.volume_total AS total
FROM unnest($1::int[]) WITH ORDINALITY AS asked (id, at)
JOIN tokens t USING (id) JOIN token_figures f ON f.token_id = t.id
ORDER BY asked.at
""".format(
    columns=token_quick.COLUMNS,
    day=_SLIPPED.format(of="x.token_id = t.id AND ", after="$2", until="$3"),
    week=_SLIPPED.format(of="x.token_id = t.id AND ", after="$5", until="$6"),
)

# The long way, over all tokens: the windows stand far off, so much may have left any of them.
_TOP: Final = f"""
WITH slipped AS MATERIALIZED (
    SELECT token_id, sum(eth) AS eth FROM token_trades x
    WHERE block_time > $2 AND block_time <= $3 AND {COUNTS_BETWEEN.format("x", "$2", "$3")}
    GROUP BY token_id
)
SELECT token_id, volume FROM (
    SELECT token_id, f.volume_{{window}} + $4::int * coalesce(slipped.eth, 0) AS volume
    FROM token_figures f LEFT JOIN slipped USING (token_id)
) AS exact
WHERE volume > 0 ORDER BY volume DESC, token_id LIMIT $1
"""

_TOP_EVER: Final = """
SELECT token_id FROM token_figures WHERE magnitude_total > 10
ORDER BY magnitude_total DESC, volume_total DESC, token_id LIMIT $1
"""

_NEWEST: Final = """
SELECT id FROM tokens WHERE created_at IS NOT NULL ORDER BY created_at DESC, id DESC LIMIT $1
"""

_PLATFORM: Final = """
SELECT coalesce(sum(volume_24h), 0) + $3::int * coalesce(({day}), 0),
    coalesce(sum(volume_7d), 0) + $6::int * coalesce(({week}), 0), coalesce(sum(volume_total), 0)
FROM token_figures
""".format(
    day=_SLIPPED.format(of="", after="$1", until="$2"),
    week=_SLIPPED.format(of="", after="$4", until="$5"),
)

_HOLDERS: Final = """
SELECT address, balance, first_bought_at, last_active_at FROM token_holders
WHERE token_id = (SELECT id FROM tokens WHERE address = $1) AND balance > 0
  AND ($2::numeric IS NULL OR balance < $2 OR balance = $2 AND address > $3)
  AND ($2::numeric IS NULL OR balance <= $2)
ORDER BY balance DESC, address LIMIT $4
"""

_TRADES: Final = f"""
SELECT t.position, b.hash, t.block_time, t.tx_hash, t.trader, t.side, t.eth, t.tokens, t.price,
    t.supply, t.reserve
FROM (
    SELECT * FROM token_trades t
    WHERE token_id = (SELECT id FROM tokens WHERE address = $1)
      AND block_time <= $2 AND (block_time, position) < ($2, $3) AND {COUNTS.format("t")}
    ORDER BY block_time DESC, position DESC LIMIT $4
) AS t JOIN chain_blocks b ON b.id = t.block_id
ORDER BY t.block_time DESC, t.position DESC
"""

_LATEST: Final = 32_503_680_000_000_000
"""The year 3000, in µs."""


class TradeCursor(Struct, frozen=True):
    """Where a page of trades ended: the next one holds what is older."""

    time: int
    number: int
    index: int


class HolderCursor(Struct, frozen=True):
    """Where a page of holders ended: the next one holds those with less, or later by address."""

    balance: int
    address: bytes


async def read_ids(connection: Connection, addresses: Sequence[bytes]) -> dict[bytes, int]:
    """Return the ids of those of these tokens that there are: made, or traded."""
    return dict(await connection.fetch(_IDS, list(addresses)))


async def read_token(connection: Connection, address: bytes, now: int) -> Ranked | None:
    """Return a token and its volumes, exact at `now` (µs); None where there is no such token."""
    quick = await token_quick.read_one(connection, address, now)
    if quick is not None:
        return quick.ranked
    async with picture(connection):
        ids = await read_ids(connection, [address])
        found = await _read(connection, list(ids.values()), now)
    return found[0] if found else None


async def read_tokens(
    connection: Connection, addresses: Sequence[bytes], now: int
) -> dict[bytes, Ranked]:
    """Return those of these tokens that there are, by address, with volumes exact at `now` (µs)."""
    async with picture(connection):
        ids = await read_ids(connection, addresses)
        found = await _read(connection, list(ids.values()), now)
    return {each.token.address: each for each in found}


async def read_top(
    connection: Connection, window: Window, now: int, limit: int = 50
) -> list[Ranked]:
    """Return the tokens that were traded for most in a window at `now` (µs), the largest first.

    Exact to the trade; of equal ones that which was known first. Tokens without trades in the
    window are left out.
    """
    quick = await token_quick.read_list(connection, window, now, limit)
    if quick is not None:
        return quick.ranked
    async with picture(connection):
        if window is Window.TOTAL:
            rows = await connection.fetch(_TOP_EVER, limit)
            slips = None
        else:
            slips = await _slips(connection, now)
            by = slips[window]
            sql = _TOP.format(window=window)
            rows = await connection.fetch(sql, limit, by.after, by.until, by.sign)
        return await _read(connection, [row[0] for row in rows], now, slips)


async def read_newest(connection: Connection, now: int, limit: int = 50) -> list[Ranked]:
    """Return the tokens that were made last, the newest first."""
    quick = await token_quick.read_list(connection, None, now, limit)
    if quick is not None:
        return quick.ranked
    async with picture(connection):
        rows = await connection.fetch(_NEWEST, limit)
        return await _read(connection, [row[0] for row in rows], now)


async def read_platform(connection: Connection, now: int) -> Volumes:
    """Return what all tokens together were traded for, exact at `now` (µs)."""
    async with picture(connection):
        slips = await _slips(connection, now)
        row = await connection.fetchrow(_PLATFORM, *_bounds(slips))
    return Volumes(*map(int, row))


async def read_holders(
    connection: Connection, address: bytes, limit: int = 100, after: HolderCursor | None = None
) -> list[Holder]:
    """Return a page of who holds a token, the largest balance first, then by address."""
    cursor = (after.balance, after.address) if after else (None, b"")
    rows = await connection.fetch(_HOLDERS, address, *cursor, limit)
    return [Holder(row[0], int(row[1]), row[2], row[3]) for row in rows]


async def read_trades(
    connection: Connection, address: bytes, limit: int = 100, before: TradeCursor | None = None
) -> list[CountedTrade]:
    """Return a page of a token's trades, the newest first."""
    time, place = _LATEST, 0
    if before:
        time, place = before.time, position(before.number, before.index)
    rows = await connection.fetch(_TRADES, address, time, place, limit)
    return [_trade(address, row) for row in rows]


def cursor_after(trade: CountedTrade) -> TradeCursor:
    """Return where the page goes on that ended with this trade."""
    return TradeCursor(trade.time, trade.block_number, trade.trade.index)


@asynccontextmanager
async def picture(connection: Connection) -> AsyncIterator[None]:
    """Let several questions see one moment of the store: sums, and how far they reach.

    Within another picture it is that one's moment.
    """
    if connection.is_in_transaction():
        yield
        return
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        yield


async def _slips(connection: Connection, now: int) -> dict[str, Slip]:
    through = dict(await connection.fetch(_THROUGH))
    return {window: slip(through[window], now, length) for window, length in LENGTHS.items()}


def _bounds(slips: dict[str, Slip]) -> tuple[int, ...]:
    day, week = slips[Window.DAY], slips[Window.WEEK]
    return (day.after, day.until, day.sign, week.after, week.until, week.sign)


async def _read(
    connection: Connection, ids: list[int], now: int, slips: dict[str, Slip] | None = None
) -> list[Ranked]:
    if not ids:
        return []
    slips = slips or await _slips(connection, now)
    return [
        token_quick.ranked_of(row) for row in await connection.fetch(_TOKENS, ids, *_bounds(slips))
    ]


def _trade(token: bytes, row: Any) -> CountedTrade:
    place, block_hash, time, tx_hash, trader, side, eth, tokens, price, supply, reserve = row
    return CountedTrade(
        block_of(place),
        block_hash,
        time,
        TokenTrade(
            index=index_of(place),
            tx_hash=tx_hash,
            token=token,
            trader=trader,
            side=TradeSide(side),
            eth=int(eth),
            tokens=int(tokens),
            price=int(price),
            supply=None if supply is None else int(supply),
            reserve=None if reserve is None else int(reserve),
        ),
    )
