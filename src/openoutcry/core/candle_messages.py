"""What the recorder tells everybody after a commit: the base candles that it changed."""

from __future__ import annotations

from msgspec import Struct

from openoutcry.core.coverage import Coverage
from openoutcry.model import Candle


class BaseCandles(Struct, frozen=True):
    """The message of `candles:<SYMBOL>`, JSON: committed rows, whole, so that the last one wins.

    `rows` maps a stored interval's name to its changed candles, oldest first; their `complete` is
    not set, `coverage` tells it. A row for a bucket may come again; the one with more `trades` is
    newer (rows only ever gain trades). `rows` has at most the newest 64 of each interval; from
    `since` (venue time, µs) on candles may have changed, None if none has.
    """

    symbol: str
    rows: dict[str, list[Candle]]
    coverage: Coverage
    since: int | None = None


class Committed(Struct, frozen=True):
    """The message of `commits`, JSON: candles of everything up to `entry` of `stream` are announced.

    It comes behind the `candles:` messages of those commits. They are all the commits since the one
    that ended with the entry `after`; if that is empty, or later than what a listener has heard of,
    there may be commits that nobody announced.
    """

    stream: str
    after: str
    entry: str
