"""What the recorder tells everybody after a commit: the base candles that it changed."""

from __future__ import annotations

from msgspec import Struct

from openoutcry.core.coverage import Coverage
from openoutcry.model import Candle


class BaseCandles(Struct, frozen=True):
    """The message of `candles:<SYMBOL>`, JSON: committed rows, whole, so that the last one wins.

    `rows` maps a stored interval's name to its changed candles, oldest first; their `complete` is
    not set, `coverage` tells it. A row for a bucket may come again; the one with more `trades` is
    newer (rows only ever gain trades).
    """

    symbol: str
    rows: dict[str, list[Candle]]
    coverage: Coverage
