"""Binance's trades and aggregates, made of the trades in the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import structs

from openoutcry.adapters.postgres.trade_reader import EVER, LAST, TradeReader
from openoutcry.core.intervals import SECOND
from openoutcry.venues.binance_server_data import Aggregate, Print, Span

_MORE_ON_ITS_WAY: Final = SECOND // 2
_FIRST_LOOK: Final = 64
_PER_AGGREGATE: Final = 2
_MOST: Final = 10_000


async def page(
    reader: TradeReader, instrument: int, from_id: int | None, limit: int
) -> list[Print]:
    """Return the trades from `from_id` on, or the newest; at most `limit`, oldest first."""
    if from_id is None:
        return await reader.backward(instrument, EVER, LAST, limit)
    start = await reader.locate(instrument, from_id)
    return [] if start is None else await reader.forward(instrument, start, EVER, from_id, limit)


async def aggregates(
    reader: TradeReader, instrument: int, from_id: int | None, span: Span, now: int
) -> list[Aggregate]:
    """Return aggregates from the id `from_id` on, or by time, or the newest; oldest first.

    An aggregate is a run of trades with consecutive ids, one time, one price and one taker; its id
    is its first trade's. It is never cut, and so the same on every page. The newest one is kept
    back for half a second of `now`'s time: more of it may be on its way.
    """
    if from_id is None and span.start is None:
        return await _newest(reader, instrument, span, now)
    start: int | None = span.start or 0
    if from_id is not None:
        # With the trade before, so as to see whether `from_id` begins an aggregate.
        start = await reader.locate(instrument, max(0, from_id - 1))
    if start is None:
        return []
    end = EVER if span.end is None or from_id is not None else span.end + 1
    least, after = from_id or 0, max(0, (from_id or 0) - 1)
    found: list[Aggregate] = []
    size = min(_MOST, _FIRST_LOOK + _PER_AGGREGATE * span.limit)
    while True:
        trades = await reader.forward(instrument, start, end, after, size)
        gather(found, trades)
        whole = [row for row in found if row.id >= least]
        if len(trades) < size:
            newest = await _is_newest(reader, instrument, whole, end)
            return _settled(whole, now, newest=newest)[: span.limit]
        if len(whole) > span.limit:
            return whole[: span.limit]
        # The same second again: trades of one time may be out of order by a little.
        start, after = trades[-1].time - SECOND, trades[-1].id + 1


async def _newest(reader: TradeReader, instrument: int, span: Span, now: int) -> list[Aggregate]:
    end = EVER if span.end is None else span.end + 1
    trades: list[Print] = []
    size, before = min(_MOST, _FIRST_LOOK + _PER_AGGREGATE * span.limit), LAST
    while True:
        earlier = await reader.backward(instrument, end, before, size)
        trades = earlier + trades
        found = gather([], trades)
        everything = len(earlier) < size
        # Of the oldest one the beginning may be missing.
        if everything or len(found) > span.limit + 1:
            whole = found if everything else found[1:]
            newest = await _is_newest(reader, instrument, whole, end)
            return _settled(whole, now, newest=newest)[-span.limit :]
        before = earlier[0].id


async def _is_newest(
    reader: TradeReader, instrument: int, found: Sequence[Aggregate], end: int
) -> bool:
    """Return whether the last one is the newest of all, rather than of the times before `end`."""
    if not found or end == EVER:
        return True
    newest = await reader.newest([instrument])
    return newest[instrument].id <= found[-1].last if instrument in newest else True


def _settled(found: list[Aggregate], now: int, *, newest: bool) -> list[Aggregate]:
    if newest and found and 0 <= now - found[-1].time < _MORE_ON_ITS_WAY:
        return found[:-1]
    return found


def gather(found: list[Aggregate], trades: Sequence[Print]) -> list[Aggregate]:
    """Add trades (ascending by id) to the aggregates `found`, the last of which may go on."""
    for trade in trades:
        if found and _goes_on(found[-1], trade):
            found[-1] = structs.replace(found[-1], size=found[-1].size + trade.size, last=trade.id)
        else:
            number, price, size = trade.id, trade.price, trade.size
            found.append(Aggregate(number, price, size, number, number, trade.time, trade.bought))
    return found


def _goes_on(held: Aggregate, trade: Print) -> bool:
    return (held.last + 1, held.time, held.price, held.bought) == (
        trade.id,
        trade.time,
        trade.price,
        trade.bought,
    )
