"""What is told about tokens on the bus, and from the hub to its clients."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from openoutcry.core.tokens.shapes import TokenItem, TradeItem, token_item, trade_item
from openoutcry.tokens import CountedTrade, Ranked

_HALF = 1 << 31
_WHOLE = 1 << 32


class TokenChange(Struct, frozen=True):
    """What has changed about a token; its figures are those of `version` of the store.

    `trades` are new, the newest first. `undone` are hashes of blocks that do not count any more: it is
    heeded before `trades`. `missed` is how many trades were left out.
    """

    version: int
    token: TokenItem
    trades: list[TradeItem]
    undone: list[str]
    missed: int = 0


class TopTokens(Struct, frozen=True):
    """The tokens with the largest volumes of a window."""

    window: str
    tokens: list[TokenItem]


def is_newer(version: int, than: int) -> bool:
    """Whether a version of the store is newer than another: they count around at 2**32."""
    return 0 < (version - than) % _WHOLE < _HALF


def trade_items(trades: Iterable[CountedTrade], decimals: int) -> list[TradeItem]:
    """Return trades as JSON, those that come last first."""
    return [trade_item(each, decimals) for each in trades][::-1]


def top_tokens(window: str, ranked: Iterable[Ranked]) -> TopTokens:
    """Return the message of a list."""
    return TopTokens(window, [token_item(each) for each in ranked])
