"""Fills of a user as the trader commits them: the rows and their messages in one transaction."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from outboxkit import ADD, add_trader

_numbers = count(1)

_BOT = """
INSERT INTO bots (user_id, name, strategy, exchange, symbol, status, parameters, leverage, memory,
    position_quantity, position_cost, position_loan, realized_pnl, fees, closes, wins, orders_made,
    fills, created_at, updated_at)
VALUES ($1, 'b', 'scalper', 'paper', 'BTCUSDT', 'ACTIVE', '{}', 1, '{}', 0, 0, 0, 0, 0, 0, 0, 1, 0,
    now(), now())
RETURNING id
"""
_ORDER = """
INSERT INTO orders (user_id, bot_id, client_order_id, symbol, side, kind, status, quantity,
    filled_quantity, filled_quote, fee, reserved, created_at, updated_at)
VALUES ($1, $2, $3, 'BTCUSDT', 'BUY', 'MARKET', 'PENDING', 1000000, 0, 0, 0, 0, now(), now())
"""
_FILL = """
INSERT INTO fills (user_id, bot_id, client_order_id, execution_id, symbol, side, price, quantity, fee,
    realized_pnl, time)
VALUES ($1, $2, $3, $4, 'BTCUSDT', 'BUY', 1, 1, 0, 0, $5)
"""


class Filler:
    """A user with a bot and an order that fills and fills."""

    def __init__(self, user_id: int, bot_id: int, order: str) -> None:
        self._of = (user_id, bot_id, order)

    @classmethod
    async def make(cls, db: Any, name: str = "ada") -> Filler:
        """Add the user and all that fills hang on."""
        user_id = await add_trader(db, name)
        bot_id = await db.fetchval(_BOT, user_id)
        order = f"oo-{bot_id}-1"
        await db.execute(_ORDER, user_id, bot_id, order)
        return cls(user_id, bot_id, order)

    async def fill(self, db: Any, days: Sequence[dt.date], *, told: bool = True) -> None:
        """Commit a fill at noon of each day; `told` False: long published, its message gone."""
        async with db.transaction():
            for day in days:
                noon = dt.datetime.combine(day, dt.time(12), dt.UTC)
                await db.execute(_FILL, *self._of, f"x{next(_numbers)}", noon)
            if told:
                texts = [
                    json.dumps({"order": {}, "fill": {"time": f"{day}T12:00:00.000Z"}})
                    for day in days
                ]
                kinds = ["order_filled"] * len(days)
                await db.execute(ADD, self._of[0], len(days), kinds, texts)
