"""What blocks add up to, the obvious way: every event from the start, in plain Python.

It is the definition of every figure that the store publishes. Tests compare the two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from openoutcry.core.intervals import HOUR, Interval
from openoutcry.core.tokens.sought import NAMED, Sought
from openoutcry.core.tokens.words import printable
from openoutcry.tokens import (
    DAY,
    NOBODY,
    WEEK,
    Block,
    CountedTrade,
    Holder,
    Ranked,
    SizeClass,
    Token,
    TokenCandle,
    TokenCreated,
    TokenGraduated,
    TokenTrade,
    TokenTransfer,
    VolumeBucket,
    Volumes,
)


def addresses(blocks: Sequence[Block]) -> list[bytes]:
    """Return the tokens that there are: made or traded in `blocks`; ascending."""
    found = {
        event.token
        for block in blocks
        for event in block.events
        if isinstance(event, TokenCreated | TokenTrade)
    }
    return sorted(found)


def trades(blocks: Sequence[Block], token: bytes | None = None) -> list[CountedTrade]:
    """Return the trades of a token, or of all, in the order of the chain (as `blocks` are)."""
    return [
        CountedTrade(block.header.number, block.header.hash, block.header.time, event)
        for block in blocks
        for event in sorted(block.events, key=lambda event: event.index)
        if isinstance(event, TokenTrade) and token in {None, event.token}
    ]


def token_of(blocks: Sequence[Block], token: bytes) -> Token:
    """Return what is known of a token; its id is 0.

    The last creation counts, and the first graduation. Price, supply and reserve are those after the
    last trade; where it does not tell supply or reserve, what was minted less what was burnt, and what
    buyers paid less what sellers got (never less than nothing) stand for them.
    """
    made = [
        (block.header, event)
        for block in blocks
        for event in block.events
        if isinstance(event, TokenCreated) and event.token == token
    ]
    header, birth = made[-1] if made else (None, None)
    graduated = [
        block.header.time
        for block in blocks
        for event in block.events
        if isinstance(event, TokenGraduated) and event.token == token
    ]
    traded = [counted.trade for counted in trades(blocks, token)]
    last = traded[-1] if traded else None
    supply = last.supply if last else None
    reserve = last.reserve if last else None
    if supply is None:
        supply = sum(
            event.amount * ((event.sender == NOBODY) - (event.receiver == NOBODY))
            for _, event in _transfers(blocks, token)
        )
    if reserve is None:
        reserve = max(0, sum(trade.side * trade.eth for trade in traded))
    return Token(
        id=0,
        address=token,
        launchpad=printable(birth.launchpad) if birth else "",
        creator=birth.creator if birth else NOBODY,
        name=printable(birth.name) if birth else "",
        symbol=printable(birth.symbol) if birth else "",
        decimals=birth.decimals if birth else 18,
        target=birth.target if birth else 0,
        created_at=header.time if header else None,
        graduated_at=graduated[0] if graduated else None,
        supply=supply,
        reserve=reserve,
        price=last.price if last else None,
        holders=len(holders(blocks, token)),
        trades=len(traded),
    )


def volumes(blocks: Sequence[Block], now: int, token: bytes | None = None) -> Volumes:
    """Return what a token, or all of them, were traded for: after `now` less the window, and ever."""
    counted = trades(blocks, token)
    return Volumes(
        day=sum(each.trade.eth for each in counted if each.time > now - DAY),
        week=sum(each.trade.eth for each in counted if each.time > now - WEEK),
        total=sum(each.trade.eth for each in counted),
    )


def holders(blocks: Sequence[Block], token: bytes) -> list[Holder]:
    """Return who has some of a token, the largest balance first, then by address.

    A holding begins with the block at whose end the balance is above zero for the first time since it
    last was not; the first purchase is the first in that block or later. Active is who traded, sent or
    was sent the token.
    """
    balance: dict[bytes, int] = defaultdict(int)
    bought: dict[bytes, int | None] = {}
    active: dict[bytes, int] = {}
    for block in blocks:
        before = dict(balance)
        buyers = set()
        for event in block.events:
            if isinstance(event, TokenTransfer) and event.token == token:
                balance[event.sender] -= event.amount
                balance[event.receiver] += event.amount
                active[event.sender] = active[event.receiver] = block.header.time
            if isinstance(event, TokenTrade) and event.token == token:
                active[event.trader] = block.header.time
                if event.side > 0:
                    buyers.add(event.trader)
        for address in {*balance, *buyers}:
            if balance[address] <= 0 or before.get(address, 0) <= 0:
                bought[address] = None
            if balance[address] > 0 and address in buyers and bought.get(address) is None:
                bought[address] = block.header.time
    rows = [
        Holder(address, amount, bought.get(address), active[address])
        for address, amount in balance.items()
        if amount > 0 and address != NOBODY
    ]
    return sorted(rows, key=lambda row: (-row.balance, row.address))


def candles(blocks: Sequence[Block], token: bytes, interval: Interval) -> list[TokenCandle]:
    """Return a token's candles, ascending; buckets without trades have none."""
    return [
        TokenCandle(
            bucket=bucket,
            open=inside[0].price,
            high=max(trade.price for trade in inside),
            low=min(trade.price for trade in inside),
            close=inside[-1].price,
            volume=sum(trade.tokens for trade in inside),
            quote_volume=sum(trade.eth for trade in inside),
            trades=len(inside),
            buys=sum(trade.side > 0 for trade in inside),
            buy_quote_volume=sum(trade.eth for trade in inside if trade.side > 0),
        )
        for bucket, inside in _buckets(trades(blocks, token), interval.floor)
    ]


def hours(blocks: Sequence[Block]) -> list[VolumeBucket]:
    """Return what all tokens were traded for by hour, ascending."""
    return [
        VolumeBucket(bucket, *_sums(inside))
        for bucket, inside in _buckets(trades(blocks), lambda time: time - time % HOUR)
    ]


def sizes(blocks: Sequence[Block], token: bytes, since: int) -> list[SizeClass]:
    """Return a token's trades after `since` (µs) by their size, the smallest first."""
    classes: dict[int, list[TokenTrade]] = defaultdict(list)
    for counted in trades(blocks, token):
        if counted.time > since:
            eth = counted.trade.eth
            classes[len(str(eth)) - 1 if eth else -1].append(counted.trade)
    return [SizeClass(exponent, *_sums(classes[exponent])) for exponent in sorted(classes)]


def found(ranked: Iterable[Ranked], sought: Sought) -> list[Ranked]:
    """Return the tokens that were sought: first those whose symbol it is, then the largest ever.

    Of equal ones that which was known first (the least id). A word of a name begins after a space.
    """
    wanted = sought.text.lower()

    def order(each: Ranked) -> tuple[bool, int, int]:
        return each.token.symbol.lower() != wanted, -each.volumes.total, each.token.id

    return sorted((each for each in ranked if _matches(each.token, sought, wanted)), key=order)


def _matches(token: Token, sought: Sought, wanted: str) -> bool:
    name = " " + token.name[:NAMED].lower()
    if token.symbol.lower().startswith(wanted) or " " + wanted in name:
        return True
    first, last = sought.first, sought.last
    if first is None or last is None:
        return False
    return first <= token.address <= last or first <= token.creator <= last


def _sums(inside: Sequence[TokenTrade]) -> tuple[int, int, int, int]:
    bought = [trade for trade in inside if trade.side > 0]
    return (
        sum(trade.eth for trade in inside),
        len(inside),
        len(bought),
        sum(trade.eth for trade in bought),
    )


def _transfers(blocks: Sequence[Block], token: bytes) -> Iterator[tuple[Block, TokenTransfer]]:
    for block in blocks:
        for event in block.events:
            if isinstance(event, TokenTransfer) and event.token == token:
                yield block, event


def _buckets(
    counted: Iterable[CountedTrade], floor: Callable[[int], int]
) -> Iterator[tuple[int, list[TokenTrade]]]:
    found: dict[int, list[TokenTrade]] = defaultdict(list)
    for each in counted:
        found[floor(each.time)].append(each.trade)
    yield from sorted(found.items())
