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
"""So many are looked at first. It costs 2 ms, and is enough for what one token in 50 begins with."""

# `busiest` ends within a magnitude that others may have too: what is above `edge` is complete. 10 is the
# magnitude of nothing. What is under NOT (SELECT … FROM enough) is not begun where there is enough.
# The quotes make one lexeme of whatever was typed.
_FOUND: Final = """
asked AS MATERIALIZED (
    SELECT symbol, quoted::tsquery AS whole, (quoted || ':*')::tsquery AS beginning FROM (
        SELECT lower({text}) AS symbol, '''' || replace(
            replace(left(lower({text}), 64), '\\', '\\\\'), '''', ''''''
        ) || '''' AS quoted
    ) AS typed
), busiest AS MATERIALIZED (
    SELECT token_id, magnitude_total AS magnitude FROM token_figures WHERE magnitude_total > 10
    ORDER BY magnitude_total DESC LIMIT {busiest}
), edge AS MATERIALIZED (
    SELECT CASE WHEN count(*) < {busiest} THEN 10 ELSE min(magnitude) END AS magnitude FROM busiest
), near AS MATERIALIZED (
    SELECT t.id, lower(t.symbol) = (SELECT symbol FROM asked) AS whole
    FROM busiest b JOIN tokens t ON t.id = b.token_id
    WHERE b.magnitude > (SELECT magnitude FROM edge) AND (
        t.keys @@ (SELECT beginning FROM asked)
        OR t.address BETWEEN {first} AND {last} OR t.creator BETWEEN {first} AND {last}
    )
), enough AS MATERIALIZED (
    SELECT count(*) >= {limit} AS many, count(*) FILTER (WHERE whole) >= {limit} AS whole FROM near
), found AS MATERIALIZED (
    SELECT id FROM near
    UNION SELECT id FROM tokens
    WHERE keys @@ (SELECT whole FROM asked) AND lower(symbol) = (SELECT symbol FROM asked)
      AND NOT (SELECT whole FROM enough)
    UNION SELECT id FROM tokens
    WHERE keys @@ (SELECT beginning FROM asked) AND NOT (SELECT many FROM enough)
    UNION SELECT id FROM tokens
    WHERE address BETWEEN {first} AND {last} AND NOT (SELECT many FROM enough)
    UNION SELECT id FROM tokens
    WHERE creator BETWEEN {first} AND {last} AND NOT (SELECT many FROM enough)
), top AS MATERIALIZED (
    SELECT t.id AS token_id, t.address, f.volume_total AS volume,
        lower(t.symbol) = (SELECT symbol FROM asked) AS whole
    FROM found JOIN tokens t USING (id) JOIN token_figures f ON f.token_id = t.id
    WHERE t.created_at IS NOT NULL OR f.trades > 0
    ORDER BY whole DESC, volume DESC, token_id LIMIT {limit}
)"""

_ORDER: Final = "top.whole DESC, top.volume DESC, top.token_id"


def _found(first_place: int, busiest: int = BUSIEST) -> str:
    """Return CTEs whose parameters begin there: limit, text, and the ends of the addresses."""
    names = ("limit", "text", "first", "last")
    kinds = ("bigint", "text", "bytea", "bytea")
    places = {
        name: f"${place}::{kind}"
        for place, name, kind in zip(itertools.count(first_place), names, kinds, strict=False)
    }
    return _FOUND.format(**places, busiest=busiest)


def quick(busiest: int = BUSIEST) -> str:
    """Return the statement of `read_found` that looks at so many first."""
    return token_quick.listing(f", {_found(7, busiest)}", order=_ORDER)


_QUICK: Final = quick()
_ADDRESSES: Final = f"WITH {_found(1)} SELECT address FROM top ORDER BY {_ORDER}"


async def read_found(
    connection: Connection, sought: Sought, now: int, limit: int
) -> Listed | None:
    """Return the tokens that were sought, with volumes exact at `now` (µs).

    Those whose symbol is the text come first, then those with the most volume ever, then those that were
    known first. None as `token_quick` does: ask the long way round.
    """
    return await token_quick.read_listing(connection, _QUICK, now, *_asked(sought, limit))


async def read_found_slowly(
    connection: Connection, sought: Sought, now: int, limit: int
) -> Listed:
    """Return the same wherever the windows stand."""
    async with token_reader.picture(connection):
        moment = await token_moments.read_moment(connection)
        rows = await connection.fetch(_ADDRESSES, *_asked(sought, limit))
        addresses = [row[0] for row in rows]
        found = await token_reader.read_tokens(connection, addresses, now)
    return Listed(moment.version, moment.block, [found[address] for address in addresses])


def _asked(sought: Sought, limit: int) -> tuple[int, str, bytes | None, bytes | None]:
    return limit, sought.text, sought.first, sought.last
