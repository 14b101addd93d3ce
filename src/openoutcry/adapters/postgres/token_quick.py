"""Lists of tokens, and single ones, in one statement: a snapshot of its own, and one round trip.

For the usual case: the windows stand within minutes of the moment that is asked about. The bounds
of time that are parameters let whole days of the log be left out when the statement begins; the
exact ones are read in it. Where the windows stand is part of the answer: None tells the caller to ask
the long way round (`token_reader`).

Planning such a statement takes twice as long as running it. Connections with GENERIC do it once.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from openoutcry.adapters.postgres.pool import Connection
from openoutcry.adapters.postgres.token_figures import COUNTS_BETWEEN
from openoutcry.tokens import DAY, WEEK, Ranked, Token, Volumes, Window

GENERIC: Final = {"plan_cache_mode": "force_generic_plan"}
"""Server settings of a pool for these statements: they have one good plan, whatever is asked. With a
year of partitions an answer took 1.2 ms of CPU with it, and 1.9 when it was planned each time."""

NEAR: Final = 600_000_000
"""How far off the windows may be, in µs."""

# $1 to $3: of the day the earliest bound, the exact end of the window, the latest bound; $4 to $6: of
# the week. `sign`: whether what lies between through and that end is to be taken off the sums, or added.
_MOMENT: Final = """
moment AS MATERIALIZED (
    SELECT h.xmin::text AS version, h.number AS block, d.through AS day, w.through AS week,
        CASE WHEN d.through <= $2 THEN -1 ELSE 1 END AS day_sign,
        CASE WHEN w.through <= $5 THEN -1 ELSE 1 END AS week_sign
    FROM chain_head h, token_windows d, token_windows w WHERE d.name = '24h' AND w.name = '7d'
)"""

_BOUNDS: Final = {"day": ("$1", "$2", "$3"), "week": ("$4", "$5", "$6")}
_STORED: Final = {"day": "24h", "week": "7d"}


def _between(window: str) -> str:
    """Return the trades by which a window's stored sums are off."""
    earliest, end, latest = _BOUNDS[window]
    return f"""
    FROM token_trades x
    WHERE x.block_time > {earliest} AND x.block_time <= {latest}
      AND x.block_time > (SELECT least({window}, {end}) FROM moment)
      AND x.block_time <= (SELECT greatest({window}, {end}) FROM moment)
      AND {COUNTS_BETWEEN.format("x", earliest, latest)}"""


def _exact(window: str) -> str:
    """Return a window's volume of the token of row `f`: its stored sum, and by how much that is off."""
    return f"""f.volume_{_STORED[window]} + (SELECT {window}_sign FROM moment)
        * coalesce((SELECT sum(x.eth) {_between(window)} AND x.token_id = f.token_id), 0)"""


COLUMNS: Final = """
t.id, t.address, t.launchpad, t.creator, t.name, t.symbol, t.decimals, t.target,
    t.created_at, t.graduated_at, coalesce(f.supply, f.minted) AS supply,
    coalesce(f.reserve, greatest(f.paid_in, 0)) AS reserve, f.price, f.holders, f.trades"""

# 10 is the magnitude of nothing. `least`: that of the least volume that the first by magnitude have now.
# Another token is among the largest only if its sum has at least that magnitude, or grows: sums do where
# the asker's clock is behind. The limit of `others` limits nothing: with one, the index is used,
# whatever is estimated.
_LARGEST: Final = """
, least AS MATERIALIZED (
    SELECT CASE WHEN count(*) < $7 THEN 11 ELSE outcry_magnitude(greatest(min(volume), 1)) END
        AS magnitude
    FROM (
        SELECT {exact} AS volume FROM (
            SELECT * FROM token_figures WHERE magnitude_{stored} > 10
            ORDER BY magnitude_{stored} DESC LIMIT $7
        ) AS f
    ) AS first
), others AS MATERIALIZED (
    SELECT token_id, volume_{stored} FROM token_figures
    WHERE magnitude_{stored} >= (SELECT magnitude FROM least)
    ORDER BY magnitude_{stored} DESC LIMIT (SELECT 9223372036854775807)
), growing AS MATERIALIZED (
    SELECT token_id, volume_{stored} FROM token_figures
    WHERE magnitude_{stored} < (SELECT magnitude FROM least)
      AND token_id IN (SELECT x.token_id {between} AND (SELECT {window}_sign FROM moment) > 0)
), exact AS MATERIALIZED (
    SELECT f.token_id, {exact} AS volume
    FROM (SELECT * FROM others UNION ALL SELECT * FROM growing) AS f
), top AS MATERIALIZED (
    SELECT * FROM exact WHERE volume > 0 ORDER BY volume DESC, token_id LIMIT $7
)"""

_LARGEST_EVER: Final = """
, top AS MATERIALIZED (
    SELECT token_id, volume_total AS volume FROM token_figures WHERE magnitude_total > 10
    ORDER BY magnitude_total DESC, volume_total DESC, token_id LIMIT $7
)"""

_NEWEST: Final = """
, top AS MATERIALIZED (
    SELECT id AS token_id, created_at AS volume FROM tokens WHERE created_at IS NOT NULL
    ORDER BY created_at DESC, id DESC LIMIT $7
)"""


def _largest(window: str) -> str:
    stored, between = _STORED[window], _between(window)
    return _LARGEST.format(window=window, stored=stored, exact=_exact(window), between=between)


def listing(top: str, ranked_by: str = "", order: str = "top.volume DESC, top.token_id") -> str:
    """Return the statement of the list `top`: a CTE with `token_id`, `volume`, and what is in `order`.

    $1 to $6 are the bounds of time, the others are the CTE's. `ranked_by` is the window of which it has
    the exact volume.
    """
    volumes = {
        window: "top.volume" if window == ranked_by else _exact(window) for window in _BOUNDS
    }
    return f"""
WITH {_MOMENT}{top}
SELECT m.version, m.block, m.day AS day_through, m.week AS week_through, {COLUMNS},
    {volumes["day"]} AS day, {volumes["week"]} AS week, f.volume_total AS total
FROM moment m LEFT JOIN (
    top JOIN tokens t ON t.id = top.token_id JOIN token_figures f ON f.token_id = t.id
) ON true
ORDER BY {order}
"""


_SQL: Final = {
    Window.DAY: listing(_largest("day"), "day"),
    Window.WEEK: listing(_largest("week"), "week"),
    Window.TOTAL: listing(_LARGEST_EVER),
    None: listing(_NEWEST, order="top.volume DESC, top.token_id DESC"),
}

_ONE: Final = f"""
WITH {_MOMENT}
SELECT m.version, m.block, m.day AS day_through, m.week AS week_through, {COLUMNS},
    {_exact("day")} AS day, {_exact("week")} AS week, f.volume_total AS total,
    f.xmin::text AS own_version, f.last_position
FROM moment m LEFT JOIN (tokens t JOIN token_figures f ON f.token_id = t.id)
    ON t.address = $7 AND (t.created_at IS NOT NULL OR f.trades > 0)
"""


class Listed(Struct, frozen=True):
    """Tokens in an order, with the version of everything that they are of, and its newest block."""

    version: str
    block: int | None
    ranked: list[Ranked]


class One(Struct, frozen=True):
    """What there is of an address: None, or a token with its own version and last trade's place."""

    block: int | None
    ranked: Ranked | None
    version: str = ""
    last_position: int | None = None


async def read_list(
    connection: Connection, window: Window | None, now: int, limit: int
) -> Listed | None:
    """Return the largest of a window, exact at `now` (µs), or the newest (None)."""
    return await read_listing(connection, _SQL[window], now, limit)


async def read_listing(connection: Connection, sql: str, now: int, *asked: Any) -> Listed | None:
    """Return the list of a statement that `listing` has made, exact at `now` (µs)."""
    bounds = _bounds(now)
    rows = await connection.fetch(sql, *bounds, *asked)
    first = rows[0]
    if not _fits(first, bounds):
        return None
    ranked = [ranked_of(row) for row in rows] if first["id"] is not None else []
    return Listed(first["version"], first["block"], ranked)


async def read_one(connection: Connection, address: bytes, now: int) -> One | None:
    """Return a token, exact at `now` (µs)."""
    bounds = _bounds(now)
    row = await connection.fetchrow(_ONE, *bounds, address)
    if not _fits(row, bounds):
        return None
    if row["id"] is None:
        return One(row["block"], None)
    return One(row["block"], ranked_of(row), row["own_version"], row["last_position"])


def ranked_of(row: Any) -> Ranked:
    """Return the token of a row with COLUMNS, `day`, `week` and `total`."""
    price = row["price"]
    token = Token(
        id=row["id"],
        address=row["address"],
        launchpad=row["launchpad"],
        creator=row["creator"],
        name=row["name"],
        symbol=row["symbol"],
        decimals=row["decimals"],
        target=int(row["target"]),
        created_at=row["created_at"],
        graduated_at=row["graduated_at"],
        supply=int(row["supply"]),
        reserve=int(row["reserve"]),
        price=None if price is None else int(price),
        holders=row["holders"],
        trades=row["trades"],
    )
    return Ranked(token, Volumes(int(row["day"]), int(row["week"]), int(row["total"])))


def _bounds(now: int) -> tuple[int, ...]:
    day, week = now - DAY, now - WEEK
    return day - NEAR, day, day + NEAR, week - NEAR, week, week + NEAR


def _fits(row: Any, bounds: tuple[int, ...]) -> bool:
    return bool(
        bounds[0] <= row["day_through"] <= bounds[2]
        and bounds[3] <= row["week_through"] <= bounds[5]
    )
