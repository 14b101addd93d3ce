"""One change of an account, with everything that it tells of, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from openoutcry.adapters.postgres.pool import Connection, unavailable
from openoutcry.adapters.postgres.trading_accounts import read_account
from openoutcry.adapters.postgres.trading_rows import (
    BOT_COLUMNS,
    FILL_COLUMNS,
    ORDER_COLUMNS,
    bot_row,
    fill_row,
    log_row,
    order_row,
)
from openoutcry.core.trading.events import Changes
from openoutcry.core.trading.wire import LogBody, Message, messages
from openoutcry.trading import Account


def _upsert(table: str, columns: Sequence[str], key: str, fixed: Sequence[str], rows: str) -> str:
    """Return the statement that adds rows of a user ($1), or renews what is not `fixed` in them.

    `rows` is the parameter with the rows as JSON. A row of somebody else is left alone.
    """
    names = ", ".join(columns)
    renewed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in fixed)
    return (
        f"INSERT INTO {table} (user_id, {names})"
        f" SELECT $1, {', '.join(f'new.{name}' for name in columns)}"
        f" FROM head, json_populate_recordset(NULL::{table}, {rows}::json) AS new"
        f" ON CONFLICT ({key}) DO UPDATE SET {renewed}"
        f" WHERE {table}.user_id = excluded.user_id"
    )


_NO_ID: Final = '{"id":0'

_HEAD: Final = """
UPDATE trading_accounts SET version = version + 1, position = position + $3, kill_switch = $4
WHERE user_id = $1 AND version = $2 RETURNING position
"""
_BOTS: Final = _upsert(
    "bots", BOT_COLUMNS, "id", ("id", "strategy", "exchange", "created_at"), "$5"
)
_ORDERS: Final = _upsert(
    "orders",
    ORDER_COLUMNS,
    "client_order_id",
    ("client_order_id", "bot_id", "symbol", "side", "kind", "quantity", "price", "created_at"),
    "$6",
)
_BALANCES: Final = _upsert(
    "balances", ("asset", "free", "locked"), "user_id, asset", ("asset",), "$8"
)

# Not an upsert: an execution that is booked twice is a fault, and must not pass for a change.
_FILLS: Final = f"""
INSERT INTO fills (user_id, {", ".join(FILL_COLUMNS)})
SELECT $1, {", ".join(f"new.{name}" for name in FILL_COLUMNS)}
FROM head, json_populate_recordset(NULL::fills, $7::json) WITH ORDINALITY AS new
ORDER BY new.ordinality
"""

# One statement, so one round trip, for all of it. The others read `head`, which locks the account's row:
# so they come after it, and if the version has moved there is nothing for them to do. What an entry of
# the log is called goes into the message that tells of it: its text comes without the beginning.
COMMIT: Final = f"""
WITH head AS ({_HEAD}), new_bots AS ({_BOTS}), new_orders AS ({_ORDERS}), new_fills AS ({_FILLS}),
new_balances AS ({_BALANCES}), deleted AS (
    UPDATE bots SET deleted_at = now(), updated_at = now(), status = 'STOPPED'
    FROM head WHERE user_id = $1 AND id = ANY ($9::int[]) AND deleted_at IS NULL
), logged AS (
    INSERT INTO activity_logs (user_id, bot_id, level, message, time)
    SELECT $1, new.bot_id, new.level, new.message, new.time
    FROM head, json_populate_recordset(NULL::activity_logs, $10::json) WITH ORDINALITY AS new
    ORDER BY new.ordinality
    RETURNING id
), entries AS (
    SELECT id, row_number() OVER (ORDER BY id) AS number FROM logged
), told AS (
    INSERT INTO outbox (user_id, position, type, data, time)
    SELECT $1, head.position - $3 + message.at, message.type,
        CASE WHEN entries.id IS NULL THEN '' ELSE '{{"id":' || entries.id END || message.data,
        clock_timestamp()
    FROM head, unnest($11::text[], $12::text[], $13::int[])
        WITH ORDINALITY AS message (type, data, entry, at)
        LEFT JOIN entries ON entries.number = message.entry
    ORDER BY message.at
)
SELECT position, ARRAY(SELECT id FROM logged ORDER BY id) AS log_ids FROM head
"""

CHECKPOINT: Final = f"""
WITH head AS ({_HEAD}), moved AS (
    UPDATE bots SET seen = new.seen, memory = new.memory
    FROM head, json_populate_recordset(NULL::bots, $5::json) AS new
    WHERE bots.user_id = $1 AND bots.id = new.id
)
SELECT position FROM head
"""

# Nobody may hold an account for long: a process that stops in between loses its connection.
LOCK: Final = """
SELECT set_config('idle_in_transaction_session_timeout', '5s', true)
FROM trading_accounts WHERE user_id = $1 FOR NO KEY UPDATE
"""


class Committed(Struct, frozen=True):
    """An account's version after a change, the offset of its newest message, its log entries' ids."""

    version: int
    position: int
    log_ids: tuple[int, ...] = ()


class Outcome(Struct, frozen=True):
    """What became of a change: `committed` is None where there was nothing to store."""

    changes: Changes
    committed: Committed | None = None


async def commit(
    connection: Connection, user_id: int, before_version: int, changes: Changes
) -> Committed | None:
    """Store what has changed in an account and its messages; all of it, or nothing.

    None: the account is no longer at `before_version`, and nothing was written; load it and fold
    again. The account's row is locked first, so whoever changes an account comes after the one
    before. One statement: a transaction of its own, unless the caller has begun one. Raises
    StoreUnavailableError: then it may have been stored nevertheless, which the version tells when
    the account is loaded again.
    """
    account, told = changes.account, messages(changes, [0] * len(changes.logs))
    bots = dict.fromkeys((*changes.created, *changes.bots, *changes.touched))
    balances = [(name, account.balances[name]) for name in changes.balances]
    bodies, entries = _bodies(told)
    with unavailable():
        row = await connection.fetchrow(
            COMMIT,
            user_id,
            before_version,
            len(told),
            account.kill_switch,
            _json([bot_row(account.bots[bot_id]) for bot_id in bots]),
            _json([order_row(order) for order in changes.orders]),
            _json([fill_row(fill) for fill in changes.fills]),
            _json([{"asset": asset, "free": b.free, "locked": b.locked} for asset, b in balances]),
            list(changes.deleted),
            _json([log_row(entry) for entry in changes.logs]),
            [each.type for each in told],
            bodies,
            entries,
        )
    if row is None:
        return None
    return Committed(before_version + 1, row["position"], tuple(row["log_ids"]))


async def change(
    connection: Connection, user_id: int, work: Callable[[Account], Changes]
) -> Outcome | None:
    """Lock an account, let `work` fold something into it, and store what has changed.

    For who changes an account now and then: others wait, so it never has to be done again, however
    busy the account is. None: there is no account. What `work` raises passes through, and nothing is
    stored; neither is what is refused. Must not be called within a transaction. Raises
    StoreUnavailableError.
    """
    with unavailable():
        async with connection.transaction():
            if await connection.fetchval(LOCK, user_id) is None:
                return None
            account = await read_account(connection, user_id)
            if account is None:
                return None
            changes = work(account)
            if changes.refused or not changes.must_be_stored:
                return Outcome(changes)
            return Outcome(changes, await commit(connection, user_id, account.version, changes))


async def checkpoint(
    connection: Connection, user_id: int, before_version: int, changes: Changes
) -> Committed | None:
    """Store how far bots have read the tape, with their memory; nobody is told.

    A restart goes on from there. Also counts as a version, so that nobody who loaded the account
    before writes the old place back. None and errors as for `commit`.
    """
    account = changes.account
    moved = [account.bots[bot_id] for bot_id in (*changes.touched, *changes.bots)]
    rows = _json([{"id": bot.id, "seen": bot.seen, "memory": bot.memory} for bot in moved])
    args = (user_id, before_version, 0, account.kill_switch, rows)
    with unavailable():
        position = await connection.fetchval(CHECKPOINT, *args)
    return None if position is None else Committed(before_version + 1, position)


def _bodies(told: Sequence[Message]) -> tuple[list[str], list[int | None]]:
    """Return each message's JSON, and which entry of the log it tells of (1 first), if any.

    The JSON of such a one lacks its beginning, up to the id that only the store knows.
    """
    bodies: list[str] = []
    entries: list[int | None] = []
    number = 0
    for message in told:
        text = msgspec.json.encode(message.data).decode()
        if isinstance(message.data, LogBody):
            number += 1
            text = text.removeprefix(_NO_ID)
        bodies.append(text)
        entries.append(number if isinstance(message.data, LogBody) else None)
    return bodies, entries


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()
