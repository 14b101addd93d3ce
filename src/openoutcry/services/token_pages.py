"""The present state of tokens, as a hub's channels begin with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from openoutcry.adapters.postgres import token_moments, token_reader
from openoutcry.adapters.postgres.pool import Pool, connection
from openoutcry.core.tokens.messages import top_tokens
from openoutcry.core.tokens.shapes import TokenItem, TradeItem, token_item, trade_item
from openoutcry.core.tokens.windows import last_of, second_of
from openoutcry.tokens import Window

TRADES: Final = 50
TOP: Final = 50


class TokenPage(Struct, frozen=True):
    """A token with its newest trades, newest first, true at `version` of the store."""

    version: int
    token: TokenItem
    trades: list[TradeItem]


class TokenPages:
    """Reads them from the store. Raises StoreUnavailableError."""

    def __init__(
        self, pool: Pool, clock: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self._pool = pool
        self._clock = clock

    async def page(self, token: bytes) -> TokenPage | None:
        """Return a token's page, None where there is no such token."""
        async with connection(self._pool) as lent, token_reader.picture(lent):
            moment = await token_moments.read_moment(lent)
            found = await token_moments.read_page(lent, token, self._clock(), TRADES)
        if found is None:
            return None
        standing, trades = found
        decimals = standing.ranked.token.decimals
        return TokenPage(
            int(moment.version),
            token_item(standing.ranked),
            [trade_item(each, decimals) for each in trades],
        )

    async def top(self) -> bytes:
        """Return the tokens with the largest volumes of 24 hours, as JSON."""
        now = last_of(second_of(self._clock()))
        async with connection(self._pool) as lent:
            ranked = await token_reader.read_top(lent, Window.DAY, now, TOP)
        return msgspec.json.encode(top_tokens(Window.DAY, ranked))
