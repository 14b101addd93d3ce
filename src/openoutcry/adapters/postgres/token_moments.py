"""Versions: whether anything about tokens has changed since somebody looked, by one row each.

A version is the `xmin` of a row that is written in each transaction that changes something: the number
of that transaction. `chain_head` stands for everything, a token's row of `token_figures` for what is
about that token. Nothing has to be kept for it, and no message can be lost.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from openoutcry.adapters.postgres import token_quick, token_reader
from openoutcry.adapters.postgres.pool import Connection
from openoutcry.adapters.postgres.token_quick import One
from openoutcry.core.tokens.order import block_of
from openoutcry.tokens import CountedTrade, Ranked

_MOMENT: Final = "SELECT xmin::text, number FROM chain_head"

_STANDING: Final = """
SELECT f.xmin::text, f.last_position, h.number FROM token_figures f, chain_head h WHERE f.token_id = $1
"""

_BORN: Final = """
SELECT address, launchpad, decimals, created_number FROM tokens
WHERE address = ANY ($1::bytea[]) AND created_number IS NOT NULL
"""

_CHAIN: Final = "SELECT chain_id, genesis FROM chain_head WHERE chain_id IS NOT NULL"

_COUNTS: Final = """
SELECT count(*) FILTER (WHERE t.created_at IS NOT NULL OR f.trades > 0),
    coalesce(sum(f.trades), 0)::bigint
FROM tokens t JOIN token_figures f ON f.token_id = t.id
"""

_LARGEST: Final = """
SELECT coalesce(sum(balance) FILTER (WHERE place <= 10), 0),
    coalesce(sum(balance) FILTER (WHERE place <= 50), 0), coalesce(sum(balance), 0)
FROM (
    SELECT balance, row_number() OVER (ORDER BY balance DESC, address) AS place
    FROM token_holders WHERE token_id = $1 AND balance > 0
    ORDER BY balance DESC, address LIMIT 100
) AS largest
"""


class Moment(Struct, frozen=True):
    """A version of everything, and the newest block that is in it (None before the first)."""

    version: str
    block: int | None


class Standing(Struct, frozen=True):
    """A token as it stands: `version` changes with it, `block` is the newest that it knows of.

    A confirmation may have brought a trade from above the indexer's head: then it is that one's.
    """

    ranked: Ranked
    version: str
    block: int | None


class Largest(Struct, frozen=True):
    """What the 10, 50 and 100 largest holders have together."""

    ten: int
    fifty: int
    hundred: int


class Born(Struct, frozen=True):
    """Who made a token, and in which block."""

    launchpad: str
    decimals: int
    number: int


async def read_moment(connection: Connection) -> Moment:
    """Return the present version of everything."""
    return Moment(*await connection.fetchrow(_MOMENT))


async def read_standing(connection: Connection, address: bytes, now: int) -> Standing | None:
    """Return a token, exact at `now` (µs), with its version; None where there is no such token."""
    quick = await token_quick.read_one(connection, address, now)
    if quick is not None:
        return standing_of(quick)
    async with token_reader.picture(connection):
        ranked = await token_reader.read_token(connection, address, now)
        if ranked is None:
            return None
        version, last, head = await connection.fetchrow(_STANDING, ranked.token.id)
    return standing_of(One(head, ranked, version, last))


def standing_of(one: One) -> Standing | None:
    """Return a token that was read, None where there was none."""
    if one.ranked is None:
        return None
    traded = None if one.last_position is None else block_of(one.last_position)
    blocks = [number for number in (traded, one.block) if number is not None]
    return Standing(one.ranked, one.version, max(blocks, default=None))


async def read_page(
    connection: Connection, address: bytes, now: int, trades: int
) -> tuple[Standing, list[CountedTrade]] | None:
    """Return a token with its newest trades, all of one moment; None where there is none."""
    async with token_reader.picture(connection):
        standing = await read_standing(connection, address, now)
        if standing is None:
            return None
        return standing, await token_reader.read_trades(connection, address, trades)


async def read_born(connection: Connection, addresses: list[bytes]) -> dict[bytes, Born]:
    """Return those of these tokens whose creation counts."""
    rows = await connection.fetch(_BORN, addresses)
    return {row[0]: Born(row[1], row[2], row[3]) for row in rows}


async def read_chain(connection: Connection) -> tuple[int, bytes] | None:
    """Return the id and first block of the chain that is stored; None before the first indexer."""
    row = await connection.fetchrow(_CHAIN)
    return None if row is None else (row[0], row[1])


async def read_counts(connection: Connection) -> tuple[int, int]:
    """Return how many tokens there are, and how many trades of all of them."""
    row = await connection.fetchrow(_COUNTS)
    return row[0], row[1]


async def read_largest(connection: Connection, token_id: int) -> Largest:
    """Return what a token's largest holders have."""
    row = await connection.fetchrow(_LARGEST, token_id)
    return Largest(int(row[0]), int(row[1]), int(row[2]))
