"""Find tokens by how their symbol, name or address begins: the largest first, among however many.

One letter may be the beginning of every name that there is. So those that were traded for most are
looked at first, by the index of their magnitudes: where enough of them match, nobody else can be among
the first. Only else all that match are read, by the index of what they begin with.
"""

from __future__ import annotations

import itertools
from typing import Final

from openoutcry.adapters.postgres import token_moments, token_quick, token_reader
from openoutcry.adapters.postgres.pool import Connection
from openoutcry.adapters.postgres.token_quick import Listed
from openoutcry.core.tokens.sought import Sought

BUSIEST: Final = 1000
"""So many are looked at first. It costs 1 ms, and is enough for what one token in 20 begins with."""

# `busiest` ends within a magnitude that others may have too: what is above `edge` is complete. 10 is the
# magnitude of nothing. What is under a condition of `enough` or `crowd` is not begun where that does not
# hold. The figures of more than a fifth of all tokens are read as they lie (OFFSET 0 sees to it), of
# fewer each by its key.
_FOUND: Final = """
asked AS MATERIALIZED (
    SELECT lower({text}) AS symbol, lower({lexeme})::tsquery AS whole,
        (lower({lexeme}) || ':*')::tsquery AS beginning
), busiest AS MATERIALIZED (
    SELECT token_id, magnitude_total AS magnitude FROM token_figures WHERE magnitude_total > 10
    ORDER BY magnitude_total DESC LIMIT {busiest}
), edge AS MATERIALIZED (
    SELECT CASE WHEN count(*) < {busiest} THEN 10 ELSE min(magnitude) END AS magnitude FROM busiest
), near AS MATERIALIZED (
    SELECT id, created_at, lower(symbol) = (SELECT symbol FROM asked) AS whole
    FROM busiest JOIN tokens ON id = token_id
    WHERE magnitude > (SELECT magnitude FROM edge) AND {begins}
), enough AS MATERIALIZED (
    SELECT count(*) >= {limit} AS many, count(*) FILTER (WHERE whole) >= {limit} AS whole FROM near
), found AS MATERIALIZED (
    SELECT id, created_at, whole FROM near
    WHERE (SELECT many FROM enough) AND (NOT whole OR (SELECT whole FROM enough))
    UNION ALL
    SELECT id, created_at, true FROM tokens
    WHERE keys @@ (SELECT whole FROM asked) AND lower(symbol) = (SELECT symbol FROM asked)
      AND (SELECT many AND NOT whole FROM enough)
    UNION ALL
    SELECT id, created_at, lower(symbol) = (SELECT symbol FROM asked) FROM tokens
    WHERE {begins} AND NOT (SELECT many FROM enough)
), crowd AS MATERIALIZED (
    SELECT count(*) * 5 > (
        SELECT greatest(reltuples, 1000) FROM pg_class WHERE oid = 'token_figures'::regclass
    ) AS large FROM found
), top AS MATERIALIZED (
    SELECT token_id, whole, volume_total AS volume FROM (
        SELECT token_id, created_at, whole, volume_total, trades
        FROM found JOIN token_figures ON token_id = id WHERE NOT (SELECT large FROM crowd)
        UNION ALL
        SELECT token_id, created_at, whole, volume_total, trades FROM found
        JOIN (SELECT token_id, volume_total, trades FROM token_figures OFFSET 0) AS f ON token_id = id
        WHERE (SELECT large FROM crowd)
    ) AS every
    WHERE created_at IS NOT NULL OR trades > 0
    ORDER BY whole DESC, volume DESC, token_id LIMIT {limit}
)"""

_BEGINS: Final = """(
    keys @@ (SELECT beginning FROM asked)
    OR address BETWEEN {first} AND {last} OR creator BETWEEN {first} AND {last}
)"""

_ORDER: Final = "top.whole DESC, top.volume DESC, top.token_id"


def _found(first_place: int, busiest: int = BUSIEST) -> str:
    """Return CTEs whose parameters begin there: limit, text, the same as a lexeme, ends of addresses."""
    names = ("limit", "text", "lexeme", "first", "last")
    kinds = ("bigint", "text", "text", "bytea", "bytea")
    places = {
        name: f"${place}::{kind}"
        for place, name, kind in zip(itertools.count(first_place), names, kinds, strict=False)
    }
    return _FOUND.format(**places, begins=_BEGINS.format(**places), busiest=busiest)


def quick(busiest: int = BUSIEST) -> str:
    """Return the statement of `read_found` that looks at so many first."""
    return token_quick.listing(f", {_found(7, busiest)}", order=_ORDER)


_QUICK: Final = quick()
_ADDRESSES: Final = f"""
WITH {_found(1)} SELECT address FROM top JOIN tokens ON id = token_id ORDER BY {_ORDER}
"""


async def read_found(connection: Connection, sought: Sought, now: int, limit: int) -> Listed | None:
    """Return the tokens that were sought, with volumes exact at `now` (µs).

    Those whose symbol is the text come first, then those with the most volume ever, then those that were
    known first. None as `token_quick` does: ask the long way round.
    """
    return await token_quick.read_listing(connection, _QUICK, now, *asked(sought, limit))


async def read_found_slowly(connection: Connection, sought: Sought, now: int, limit: int) -> Listed:
    """Return the same wherever the windows stand."""
    async with token_reader.picture(connection):
        moment = await token_moments.read_moment(connection)
        rows = await connection.fetch(_ADDRESSES, *asked(sought, limit))
        addresses = [row[0] for row in rows]
        found = await token_reader.read_tokens(connection, addresses, now)
    return Listed(moment.version, moment.block, [found[address] for address in addresses])


def asked(sought: Sought, limit: int) -> tuple[int, str, str, bytes | None, bytes | None]:
    """Return the parameters of the statement; within quotes nothing has a meaning of its own."""
    lexeme = sought.text.replace("\\", "\\\\").replace("'", "''")
    return limit, sought.text, f"'{lexeme}'", sought.first, sought.last
