"""One change of an account, with everything that it tells of, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    order_row,
)
from openoutcry.core.trading.events import Changes
from openoutcry.core.trading.wire import Message, log_body, messages
from openoutcry.trading import Account


def _upsert(table: str, columns: Sequence[str], key: str, fixed: Sequence[str]) -> str:
    """Return the statement that adds a row of a user ($1), or renews what is not `fixed` in it.

    A row of somebody else is left alone.
    """
    places = ", ".join(f"${at}" for at in range(1, len(columns) + 2))
    renewed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in fixed)
    return (
        f"INSERT INTO {table} (user_id, {', '.join(columns)}) VALUES ({places})"
        f" ON CONFLICT ({key}) DO UPDATE SET {renewed}"
        f" WHERE {table}.user_id = excluded.user_id"
    )


HEAD: Final = """
UPDATE trading_accounts SET version = version + 1, position = position + $3, kill_switch = $4
WHERE user_id = $1 AND version = $2 RETURNING position
"""
# Nobody may hold an account for long: a process that stops in between loses its connection.
LOCK: Final = """
SELECT set_config('idle_in_transaction_session_timeout', '5s', true)
FROM trading_accounts WHERE user_id = $1 FOR NO KEY UPDATE
"""
BOTS: Final = _upsert("bots", BOT_COLUMNS, "id", ("id", "strategy", "exchange", "created_at"))
DELETED: Final = """
UPDATE bots SET deleted_at = now(), updated_at = now(), status = 'STOPPED'
WHERE user_id = $1 AND id = ANY($2::int[]) AND deleted_at IS NULL
"""
ORDERS: Final = _upsert(
    "orders",
    ORDER_COLUMNS,
    "client_order_id",
    ("client_order_id", "bot_id", "symbol", "side", "kind", "quantity", "price", "created_at"),
)
# Not an upsert: an execution that is booked twice is a fault, and must not pass for a change.
FILLS: Final = (
    f"INSERT INTO fills (user_id, {', '.join(FILL_COLUMNS)})"
    f" VALUES ({', '.join(f'${at}' for at in range(1, len(FILL_COLUMNS) + 2))})"
)
LOGS: Final = """
INSERT INTO activity_logs (user_id, bot_id, level, message, time)
SELECT $1, log.bot_id, log.level, log.message, log.time
FROM unnest($2::int[], $3::text[], $4::text[], $5::timestamptz[])
    WITH ORDINALITY AS log (bot_id, level, message, time, at)
ORDER BY log.at
RETURNING id
"""
BALANCES: Final = _upsert("balances", ("asset", "free", "locked"), "user_id, asset", ("asset",))
OUTBOX: Final = """
INSERT INTO outbox (user_id, position, type, data, time)
SELECT $1, $2 + message.at, message.type, message.data, clock_timestamp()
FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS message (type, data, at)
ORDER BY message.at
"""
SEEN: Final = """
UPDATE bots SET seen = moved.seen, memory = moved.memory
FROM unnest($2::int[], $3::bigint[], $4::jsonb[]) AS moved (id, seen, memory)
WHERE bots.user_id = $1 AND bots.id = moved.id
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
    again. The first statement takes the account's row lock, so whoever changes an account comes
    after the one before. Must not be called within a transaction. Raises StoreUnavailableError: then
    it may have been stored nevertheless, which the version tells when the account is loaded again.
    """
    with unavailable():
        async with connection.transaction():
            return await _write(connection, user_id, before_version, changes)


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
            return Outcome(changes, await _write(connection, user_id, account.version, changes))


async def checkpoint(
    connection: Connection, user_id: int, before_version: int, changes: Changes
) -> Committed | None:
    """Store how far bots have read the tape, with their memory; nobody is told.

    A restart goes on from there. Also counts as a version, so that nobody who loaded the account
    before writes the old place back. None and errors as for `commit`.
    """
    account = changes.account
    moved = [account.bots[bot_id] for bot_id in (*changes.touched, *changes.bots)]
    rows = [bot_row(bot) for bot in moved]
    seen, memory = BOT_COLUMNS.index("seen"), BOT_COLUMNS.index("memory")
    with unavailable():
        async with connection.transaction():
            args = (user_id, before_version, 0, account.kill_switch)
            position = await connection.fetchval(HEAD, *args)
            if position is None:
                return None
            ids, places = [bot.id for bot in moved], [row[seen] for row in rows]
            await connection.execute(SEEN, user_id, ids, places, [row[memory] for row in rows])
    return Committed(before_version + 1, position)


async def _write(
    connection: Connection, user_id: int, before_version: int, changes: Changes
) -> Committed | None:
    account = changes.account
    told = messages(changes, [0] * len(changes.logs))
    args = (user_id, before_version, len(told), account.kill_switch)
    position = await connection.fetchval(HEAD, *args)
    if position is None:
        return None
    bots = dict.fromkeys((*changes.created, *changes.bots, *changes.touched))
    await _many(connection, BOTS, user_id, [bot_row(account.bots[bot_id]) for bot_id in bots])
    await _many(connection, ORDERS, user_id, [order_row(order) for order in changes.orders])
    await _many(connection, FILLS, user_id, [fill_row(fill) for fill in changes.fills])
    if changes.deleted:
        await connection.execute(DELETED, user_id, list(changes.deleted))
    log_ids: list[int] = []
    if changes.logs:
        log_ids = await _write_logs(connection, user_id, changes)
        told = _with_log_ids(told, changes, log_ids)
    balances = [(name, account.balances[name]) for name in changes.balances]
    rows = [(asset, balance.free, balance.locked) for asset, balance in balances]
    await _many(connection, BALANCES, user_id, rows)
    if told:
        types = [each.type for each in told]
        bodies = [msgspec.json.encode(each.data).decode() for each in told]
        await connection.execute(OUTBOX, user_id, position - len(told), types, bodies)
    return Committed(before_version + 1, position, tuple(log_ids))


async def _write_logs(connection: Connection, user_id: int, changes: Changes) -> list[int]:
    logs = changes.logs
    rows = await connection.fetch(
        LOGS,
        user_id,
        [log.bot_id for log in logs],
        [log.level.value for log in logs],
        [log.message for log in logs],
        [log.time for log in logs],
    )
    return [row["id"] for row in rows]


def _with_log_ids(
    told: Sequence[Message], changes: Changes, log_ids: Sequence[int]
) -> list[Message]:
    """Return messages that were made before the log entries had ids, with their ids."""
    entries = zip(log_ids, changes.logs, strict=True)
    logged = iter([Message("log_created", log_body(*each)) for each in entries])
    return [next(logged) if each.type == "log_created" else each for each in told]


async def _many(
    connection: Connection, sql: str, user_id: int, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Run one statement for each row, in one round trip."""
    if rows:
        await connection.executemany(sql, [(user_id, *row) for row in rows])
