"""The log of tokens: rows of blocks into it, and those that begin or cease to count beside it.

What changes is put into temporary tables of the transaction, `changed_trades` and `changed_transfers`:
all that is derived follows from these rows and a sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from openoutcry.adapters.postgres.pool import Connection
from openoutcry.core.tokens.order import position
from openoutcry.core.tokens.words import printable
from openoutcry.tokens import (
    DAY,
    Block,
    TokenCreated,
    TokenEvent,
    TokenGraduated,
    TokenTrade,
    TokenTransfer,
)

E = TypeVar("E", bound=TokenEvent)

# moves: what touches a balance, for the walk over the blocks of a window (token_holders).
SCRATCH: Final = """
SET LOCAL client_min_messages = error;
CREATE TEMP TABLE IF NOT EXISTS changed_trades (LIKE token_trades) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS changed_transfers (LIKE token_transfers) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS moves (
    token_id int, address bytea, number bigint, time timestamptz, delta numeric, bought boolean,
    fresh boolean
) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS next_holders (
    token_id int, address bytea, balance numeric, was numeric, held_since bigint,
    first_bought_at timestamptz, last_active_at timestamptz, unknown boolean
) ON COMMIT DELETE ROWS;
"""

_MAKE_ROOM: Final = """
SELECT outcry_make_room(log, day, day)
FROM unnest($1::timestamptz[]) AS day, unnest(ARRAY['token_trades', 'token_transfers']) AS log
"""

_KNOWN_TOKENS: Final = "SELECT address, id FROM tokens WHERE address = ANY ($1::bytea[])"

_NEW_TOKENS: Final = """
WITH made AS (
    INSERT INTO tokens (address) SELECT unnest($1::bytea[]) RETURNING id, address
), figures AS (
    INSERT INTO token_figures (token_id) SELECT id FROM made
)
SELECT address, id FROM made
"""

_TRADES: Final = """
WITH made AS (
    INSERT INTO token_trades
    SELECT * FROM unnest($1::timestamptz[], $2::bigint[], $3::int[], $4::int[], $5::smallint[],
        $6::bytea[], $7::text[]::numeric[], $8::text[]::numeric[], $9::text[]::numeric[],
        $10::text[]::numeric[], $11::text[]::numeric[], $12::bytea[])
    ON CONFLICT DO NOTHING RETURNING *
), changed AS (
    INSERT INTO changed_trades SELECT * FROM made
)
SELECT block_id, position FROM made
"""

_TRANSFERS: Final = """
WITH made AS (
    INSERT INTO token_transfers
    SELECT * FROM unnest($1::timestamptz[], $2::bigint[], $3::int[], $4::int[], $5::bytea[],
        $6::bytea[], $7::text[]::numeric[], $8::bytea[])
    ON CONFLICT DO NOTHING RETURNING *
), changed AS (
    INSERT INTO changed_transfers SELECT * FROM made
)
SELECT count(*) FROM made
"""

_CREATIONS: Final = """
INSERT INTO token_creations (token_id, position, block_id, block_time, launchpad, creator, name,
    symbol, decimals, target, tx_hash)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::int[], $4::timestamptz[], $5::text[], $6::bytea[],
    $7::text[], $8::text[], $9::smallint[], $10::text[]::numeric[], $11::bytea[])
ON CONFLICT DO NOTHING
"""

_GRADUATIONS: Final = """
INSERT INTO token_graduations (token_id, position, block_id, block_time, tx_hash)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::int[], $4::timestamptz[], $5::bytea[])
ON CONFLICT DO NOTHING
"""

# By the key's first columns: partitions of other days are not looked at.
_OF_BLOCKS: Final = """
INSERT INTO changed_{kind}
SELECT log.* FROM token_{kind} log
WHERE log.block_id = ANY ($1::int[]) AND log.block_time = ANY ($2::timestamptz[])
"""

_TOUCHED: Final = """
SELECT token_id FROM changed_trades UNION SELECT token_id FROM changed_transfers
"""

_BORN: Final = """
SELECT token_id FROM token_creations WHERE block_id = ANY ($1::int[])
UNION SELECT token_id FROM token_graduations WHERE block_id = ANY ($1::int[])
"""


async def make_room(connection: Connection, times: Iterable[int]) -> None:
    """Create the partitions for rows of these times (µs), should nobody have made them ahead."""
    days = sorted({time - time % DAY for time in times})
    await connection.execute(_MAKE_ROOM, days)


async def number_tokens(connection: Connection, addresses: Iterable[bytes]) -> dict[bytes, int]:
    """Return the ids of tokens by their addresses; new ones are given one."""
    wanted = sorted(set(addresses))
    ids: dict[bytes, int] = dict(await connection.fetch(_KNOWN_TOKENS, wanted))
    missing = [address for address in wanted if address not in ids]
    if missing:
        ids.update(await connection.fetch(_NEW_TOKENS, missing))
    return ids


async def insert(
    connection: Connection, blocks: Sequence[Block], block_ids: dict[bytes, int]
) -> set[tuple[int, int]]:
    """Add the events of blocks to the log, each once; return (block id, position) of new trades.

    New trades and transfers are in the temporary tables then.
    """
    ids = await number_tokens(connection, (e.token for block in blocks for e in block.events))
    rows = [
        (event, block.header.time, position(block.header.number, event.index),
         block_ids[block.header.hash], ids[event.token])
        for block in blocks for event in block.events
    ]  # fmt: skip
    trades = _only(rows, TokenTrade)
    transfers = _only(rows, TokenTransfer)
    creations = _only(rows, TokenCreated)
    graduations = _only(rows, TokenGraduated)
    await make_room(connection, {row[1] for row in (*trades, *transfers)})
    fresh: set[tuple[int, int]] = set()
    if trades:
        made = await connection.fetch(
            _TRADES,
            *([row[at] for row in trades] for at in (1, 2, 3, 4)),
            [int(row[0].side) for row in trades],
            [row[0].trader for row in trades],
            [str(row[0].eth) for row in trades],
            [str(row[0].tokens) for row in trades],
            [str(row[0].price) for row in trades],
            [_text(row[0].supply) for row in trades],
            [_text(row[0].reserve) for row in trades],
            [row[0].tx_hash for row in trades],
        )
        fresh = {(row[0], row[1]) for row in made}
    if transfers:
        await connection.fetch(
            _TRANSFERS,
            *([row[at] for row in transfers] for at in (1, 2, 3, 4)),
            [row[0].sender for row in transfers],
            [row[0].receiver for row in transfers],
            [str(row[0].amount) for row in transfers],
            [row[0].tx_hash for row in transfers],
        )
    if creations:
        await connection.execute(
            _CREATIONS,
            *([row[at] for row in creations] for at in (4, 2, 3, 1)),
            [printable(row[0].launchpad) for row in creations],
            [row[0].creator for row in creations],
            [printable(row[0].name) for row in creations],
            [printable(row[0].symbol) for row in creations],
            [row[0].decimals for row in creations],
            [str(row[0].target) for row in creations],
            [row[0].tx_hash for row in creations],
        )
    if graduations:
        await connection.execute(
            _GRADUATIONS,
            *([row[at] for row in graduations] for at in (4, 2, 3, 1)),
            [row[0].tx_hash for row in graduations],
        )
    return fresh


async def recall(connection: Connection, block_ids: Sequence[int], times: Sequence[int]) -> None:
    """Put the rows of blocks, of these times (µs), into the temporary tables."""
    for kind in ("trades", "transfers"):
        await connection.execute(_OF_BLOCKS.format(kind=kind), block_ids, times)


async def touched(connection: Connection) -> list[int]:
    """Return the ids of the tokens of the rows in the temporary tables."""
    return [row[0] for row in await connection.fetch(_TOUCHED)]


async def born(connection: Connection, block_ids: Sequence[int]) -> list[int]:
    """Return the ids of tokens that were made, or graduated, in blocks."""
    return [row[0] for row in await connection.fetch(_BORN, block_ids)]


async def forget(connection: Connection) -> None:
    """Empty the temporary tables: the caller's transaction may go on."""
    await connection.execute("DELETE FROM changed_trades; DELETE FROM changed_transfers")


_Row = tuple[TokenEvent, int, int, int, int]


def _only(rows: Sequence[_Row], kind: type[E]) -> list[tuple[E, int, int, int, int]]:
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows if isinstance(row[0], kind)]


def _text(amount: int | None) -> str | None:
    return None if amount is None else str(amount)
