"""The store of tokens: blocks are applied and undone, each in one transaction, exact at every moment.

One writer at a time: whoever writes holds an advisory lock until the commit. Readers see blocks whole,
with everything that they add up to, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import asyncpg
from msgspec import Struct

from openoutcry.adapters.postgres import token_figures, token_holders, token_rows
from openoutcry.adapters.postgres.pool import Connection
from openoutcry.core.tokens.order import position
from openoutcry.errors import ConfigError
from openoutcry.tokens import Block, ChainHead, CountedTrade, Header, TokenTrade

LOCK: Final = 7_381_520
"""First key of the advisory lock of whoever writes tokens; the second is 0."""

DEPTH: Final = 256
"""How many of the newest headers are kept although nothing happened in their blocks."""

_LOCK: Final = "SELECT pg_advisory_xact_lock($1, 0)"
_HEAD: Final = "SELECT number, hash FROM chain_head WHERE number IS NOT NULL"
_SET_HEAD: Final = "UPDATE chain_head SET number = $1, hash = $2"

# The row's xmin tells readers that something has changed (token_moments).
_TOUCH: Final = "UPDATE chain_head SET number = number"

_HEADERS: Final = """
SELECT number, hash, parent, time FROM chain_blocks
WHERE applied AND whole AND number > (SELECT number FROM chain_head) - $1
ORDER BY number
"""

_BIND: Final = """
UPDATE chain_head SET chain_id = coalesce(chain_id, $1), genesis = coalesce(genesis, $2)
RETURNING chain_id, genesis
"""

_KNOWN: Final = """
SELECT hash, id, applied, whole, filled, number, time FROM chain_blocks WHERE hash = ANY ($1::bytea[])
"""

_ADD_BLOCKS: Final = """
INSERT INTO chain_blocks (number, hash, parent, time, applied, whole, filled)
SELECT number, hash, parent, time, true, $5, filled
FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::timestamptz[], $6::boolean[])
     AS b (number, hash, parent, time, filled)
ORDER BY number
RETURNING hash, id
"""

_RENEW_BLOCKS: Final = """
UPDATE chain_blocks b SET applied = true, whole = b.whole OR $2, filled = b.filled OR new.filled
FROM unnest($1::int[], $3::boolean[]) AS new (id, filled)
WHERE b.id = new.id
  AND (NOT b.applied OR b.whole IS DISTINCT FROM (b.whole OR $2) OR b.filled < new.filled)
"""

# Blocks that cannot stay beside the new ones: of their numbers, with other hashes.
_RIVALS: Final = """
SELECT id, number, hash, parent, time, whole, filled FROM chain_blocks
WHERE applied AND number BETWEEN $1 AND $2 AND hash <> ALL ($3::bytea[])
"""

_RIVALS_OF_PARTS: Final = """
SELECT id, number, hash, parent, time, whole, filled FROM chain_blocks
WHERE applied AND number = ANY ($1::bigint[]) AND hash <> ALL ($2::bytea[])
"""

_CHILDREN: Final = """
SELECT id, number, hash, parent, time, whole, filled FROM chain_blocks
WHERE applied AND whole AND number > $1
"""

_OF_HASHES: Final = """
SELECT id, number, hash, parent, time, whole, filled FROM chain_blocks
WHERE applied AND hash = ANY ($1::bytea[])
"""

_BELOW: Final = """
SELECT number, hash FROM chain_blocks WHERE applied AND whole AND number < $1
ORDER BY number DESC LIMIT 1
"""

_LATER: Final = """
SELECT id, time FROM chain_blocks WHERE applied AND filled AND number >= $1
"""

_MARK: Final = "UPDATE chain_blocks SET applied = false WHERE id = ANY ($1::int[])"

_PRUNE: Final = "DELETE FROM chain_blocks WHERE number < $1 AND number >= $2 AND NOT filled"

_ADDRESSES: Final = "SELECT address FROM tokens WHERE id = ANY ($1::int[])"


class Stored(Struct, frozen=True):
    """What an apply or undo has changed: what there is to tell, once it has committed.

    `trades` began to count with it, in the order of the chain; `tokens` are the addresses of those
    whose figures may have changed; `undone` are hashes of blocks that ceased to count; `refused` are
    those of parts that were not stored, because the indexer has come by their numbers without them.
    """

    head: ChainHead | None
    trades: tuple[CountedTrade, ...] = ()
    tokens: tuple[bytes, ...] = ()
    undone: tuple[bytes, ...] = ()
    refused: tuple[bytes, ...] = ()


async def bind_chain(connection: Connection, chain_id: int, genesis: bytes) -> None:
    """Make this the store of a chain, for good. Raises ConfigError if it is that of another."""
    row = await connection.fetchrow(_BIND, chain_id, genesis)
    if tuple(row) != (chain_id, genesis):
        raise ConfigError(
            f"the store holds chain {row[0]} with genesis 0x{row[1].hex()}, not chain {chain_id}"
            f" with genesis 0x{genesis.hex()}: use a database of its own for each chain"
        )


async def read_head(connection: Connection) -> ChainHead | None:
    """Return the newest block that was applied whole; None before the first."""
    row = await connection.fetchrow(_HEAD)
    return ChainHead(*row) if row else None


async def read_headers(connection: Connection, depth: int = DEPTH) -> list[Header]:
    """Return the stored headers of the newest `depth` numbers up to the head, ascending.

    Catching up skips the headers of blocks without rows, so numbers may be missing.
    """
    return [Header(*row) for row in await connection.fetch(_HEADERS, depth)]


async def apply(connection: Connection, blocks: Sequence[Block], *, part: bool = False) -> Stored:
    """Store blocks, ascending by number, and all that they add up to; whole or not at all.

    The blocks are whole, and the last becomes the head. Those between that are not listed, back to
    the head before, are blocks without events (so catching up lists only those that have some, and
    the last of a range). What was stored of these numbers with other hashes is undone, and whatever
    the indexer stored upon it; but a block below the head that only takes the place of one that was
    not listed needs an `undo` first, for nothing tells it from a repetition. With `part`, they hold
    some of their blocks' events only, and the head stays: a part counts at once, except where the
    indexer has come by and found another block, or none with events. Each event counts once, however
    often it comes. Joins the caller's transaction, if there is one.
    """
    async with connection.transaction():
        await connection.execute(_LOCK, LOCK)
        head = await read_head(connection)
        if not blocks:
            return Stored(head)
        await connection.execute(token_rows.SCRATCH)
        refused: tuple[bytes, ...] = ()
        if part:
            rivals, refused = await _rivals_of_parts(connection, blocks, head)
            blocks = [block for block in blocks if block.header.hash not in refused]
        else:
            rivals = await _rivals(connection, blocks, head)
        undone = await _take_back(connection, rivals)
        trades, touched = await _add(connection, blocks, whole=not part)
        last = blocks[-1].header if blocks else None
        above = any(rival["whole"] for rival in rivals)
        if last and not part and (head is None or above or last.number >= head.number):
            await _move_head(connection, head, last)
            head = ChainHead(last.number, last.hash)
        elif touched or undone:
            await connection.execute(_TOUCH)
        return Stored(
            head,
            trades,
            await _addresses(connection, {*touched, *undone}),
            tuple(rival["hash"] for rival in rivals),
            refused,
        )


async def undo(connection: Connection, block_hashes: Iterable[bytes]) -> Stored:
    """Take blocks back, with all that they had added; those that are not applied are left alone.

    The head goes back to the newest stored block below the lowest, if it was one of them; blocks that
    catching up had not listed are to be listed, or passed over, again. Blocks upon those that are named
    are not found by themselves: name all of them. Joins the caller's transaction.
    """
    async with connection.transaction():
        await connection.execute(_LOCK, LOCK)
        await connection.execute(token_rows.SCRATCH)
        head = await read_head(connection)
        rows = await connection.fetch(_OF_HASHES, list(block_hashes))
        touched = await _take_back(connection, rows)
        whole = [row for row in rows if row["whole"]]
        if head and any(row["hash"] == head.hash for row in whole):
            lowest = min(whole, key=lambda row: row["number"])
            below = await connection.fetchrow(_BELOW, lowest["number"])
            head = ChainHead(*(below or (lowest["number"] - 1, lowest["parent"])))
            await connection.execute(_SET_HEAD, head.number, head.hash)
        elif touched:
            await connection.execute(_TOUCH)
        return Stored(
            head,
            tokens=await _addresses(connection, touched),
            undone=tuple(row["hash"] for row in rows),
        )


async def _rivals(
    connection: Connection, blocks: Sequence[Block], head: ChainHead | None
) -> list[asyncpg.Record]:
    rivals: list[asyncpg.Record]
    first, last = blocks[0].header.number, blocks[-1].header.number
    low = first if head is None else min(first, head.number + 1)
    hashes = [block.header.hash for block in blocks]
    rivals = await connection.fetch(_RIVALS, low, last, hashes)
    if any(rival["whole"] for rival in rivals):
        rivals += await connection.fetch(_CHILDREN, last)
    return rivals


async def _rivals_of_parts(
    connection: Connection, blocks: Sequence[Block], head: ChainHead | None
) -> tuple[list[asyncpg.Record], tuple[bytes, ...]]:
    """Return parts that give way, and the hashes of new ones that have to."""
    numbers = [block.header.number for block in blocks]
    hashes = [block.header.hash for block in blocks]
    rivals = await connection.fetch(_RIVALS_OF_PARTS, numbers, hashes)
    taken = {rival["number"] for rival in rivals if rival["whole"]}
    stored = {row["hash"] for row in await connection.fetch(_OF_HASHES, hashes)}
    passed = head.number if head else -1
    refused = tuple(
        block.header.hash
        for block in blocks
        if block.header.number in taken
        or (block.header.number <= passed and block.header.hash not in stored)
    )
    return [rival for rival in rivals if rival["number"] not in taken], refused


async def _take_back(connection: Connection, rows: Sequence[asyncpg.Record]) -> list[int]:
    """Let blocks, all of them applied, cease to count; return the ids of tokens that felt it."""
    if not rows:
        return []
    ids = [row["id"] for row in rows]
    await connection.execute(_MARK, ids)
    filled = [row for row in rows if row["filled"]]
    if not filled:
        return []
    times = sorted({row["time"] for row in filled})
    await token_rows.recall(connection, [row["id"] for row in filled], times)
    traded = await token_rows.touched(connection)
    born = await token_rows.born(connection, ids)
    await token_figures.take_back(connection, traded)
    await token_figures.renew_births(connection, born)
    await token_holders.take_back(connection)
    await token_rows.forget(connection)
    return traded + born


async def _add(
    connection: Connection, blocks: Sequence[Block], *, whole: bool
) -> tuple[tuple[CountedTrade, ...], list[int]]:
    """Let blocks count; return the trades that are new by it, and the ids of tokens that felt it."""
    if not blocks:
        return (), []
    known = {
        row["hash"]: row
        for row in await connection.fetch(_KNOWN, [block.header.hash for block in blocks])
    }
    back = [row for row in known.values() if row["filled"] and not row["applied"]]
    filled = [block for block in blocks if block.events]
    changed = [block.header.number for block in filled] + [row["number"] for row in back]
    later = await connection.fetch(_LATER, min(changed)) if changed else []
    ids = await _mark(connection, blocks, known, whole=whole)
    if not changed:
        return (), []
    if back:
        times = sorted({row["time"] for row in back})
        await token_rows.recall(connection, [row["id"] for row in back], times)
    if later:
        # Before anything is added, while what was there can still be told from it.
        await _remember(connection, filled, later)
    fresh = await token_rows.insert(connection, filled, ids)
    traded = await token_rows.touched(connection)
    born = await token_rows.born(connection, [*ids.values()])
    await token_figures.add(connection)
    await token_figures.renew_births(connection, born)
    await token_holders.add(connection)
    await token_rows.forget(connection)
    came_back = {row["hash"] for row in back}
    trades = tuple(
        CountedTrade(block.header.number, block.header.hash, block.header.time, event)
        for block in filled
        for event in sorted(block.events, key=lambda event: event.index)
        if isinstance(event, TokenTrade)
        and (
            block.header.hash in came_back
            or (ids[block.header.hash], position(block.header.number, event.index)) in fresh
        )
    )
    return trades, traded + born


async def _remember(
    connection: Connection, filled: Sequence[Block], later: Sequence[asyncpg.Record]
) -> None:
    tokens = await token_rows.number_tokens(
        connection, (event.token for block in filled for event in block.events)
    )
    await token_holders.remember(
        connection,
        [row["id"] for row in later],
        sorted({row["time"] for row in later}),
        [*tokens.values(), *await token_rows.touched(connection)],
    )


async def _mark(
    connection: Connection,
    blocks: Sequence[Block],
    known: dict[bytes, asyncpg.Record],
    *,
    whole: bool,
) -> dict[bytes, int]:
    """Note that blocks are applied; return their ids by hash."""
    new = [block for block in blocks if block.header.hash not in known]
    old = [block for block in blocks if block.header.hash in known]
    ids = {block.header.hash: known[block.header.hash]["id"] for block in old}
    if old:
        await connection.execute(
            _RENEW_BLOCKS,
            [ids[block.header.hash] for block in old],
            whole,
            [bool(block.events) for block in old],
        )
    if new:
        headers = [block.header for block in new]
        rows = await connection.fetch(
            _ADD_BLOCKS,
            [header.number for header in headers],
            [header.hash for header in headers],
            [header.parent for header in headers],
            [header.time for header in headers],
            whole,
            [bool(block.events) for block in new],
        )
        ids.update((row["hash"], row["id"]) for row in rows)
    return ids


async def _move_head(connection: Connection, head: ChainHead | None, last: Header) -> None:
    await connection.execute(_SET_HEAD, last.number, last.hash)
    # Only what has grown old since the last time: the index is by number.
    since = head.number - 2 * DEPTH if head else 0
    await connection.execute(_PRUNE, last.number - DEPTH, since)


async def _addresses(connection: Connection, tokens: Iterable[int]) -> tuple[bytes, ...]:
    wanted = sorted(tokens)
    if not wanted:
        return ()
    return tuple(row[0] for row in await connection.fetch(_ADDRESSES, wanted))
