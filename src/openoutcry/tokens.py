"""The vocabulary of tokens on a chain: blocks, what happens in them, what it adds up to. Values.

Amounts are integers of the smallest unit (wei; a token's own 10**-decimals), as the chain has them.
Addresses are 20 bytes, hashes 32. Times are UTC integer microseconds, those of the block.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

from msgspec import Struct

NOBODY: Final = bytes(20)
"""The address that tokens are minted from and burnt to: no holder."""

WEI: Final = 10**18
"""Wei of one ether."""

PRICE_UNIT: Final = 10**36
"""Prices are integers, in ether for a whole token, scaled by this: 18 digits finer than wei."""

DAY: Final = 86_400_000_000
WEEK: Final = 7 * DAY


class TradeSide(IntEnum):
    """Whether a trader bought from the curve or sold to it; signed, as the tape's sides are."""

    BUY = 1
    SELL = -1


class Window(StrEnum):
    """How far back a rolling volume reaches."""

    DAY = "24h"
    WEEK = "7d"
    TOTAL = "total"


LENGTHS: Final = {Window.DAY: DAY, Window.WEEK: WEEK}
"""The length of each window that something can leave, in µs."""


class Header(Struct, frozen=True):
    """What makes a block part of one chain."""

    number: int
    hash: bytes
    parent: bytes
    time: int


class Log(Struct, frozen=True):
    """An event as a node tells it (`eth_getLogs`), in the order of `index` within its block."""

    block_number: int
    block_hash: bytes
    tx_hash: bytes
    index: int
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


class TokenCreated(Struct, frozen=True, tag=True):
    """A launchpad has made a token. `target` is the ether (wei) at which it graduates, 0 if unknown."""

    index: int
    tx_hash: bytes
    token: bytes
    creator: bytes
    launchpad: str
    name: str
    symbol: str
    decimals: int = 18
    target: int = 0


class TokenTrade(Struct, frozen=True, tag=True):
    """One purchase from, or sale to, a curve: a print of the chain's tape.

    `eth` is what the trader paid or got, in wei, `tokens` what they got or gave. `price` is the
    curve's afterwards if the event tells it, else that of the trade. `supply` is what circulates
    afterwards and `reserve` the ether in the curve, None where the event does not say.
    """

    index: int
    tx_hash: bytes
    token: bytes
    trader: bytes
    side: TradeSide
    eth: int
    tokens: int
    price: int
    supply: int | None = None
    reserve: int | None = None


class TokenTransfer(Struct, frozen=True, tag=True):
    """Tokens that changed hands (ERC-20 `Transfer`), also by being minted or burnt."""

    index: int
    tx_hash: bytes
    token: bytes
    sender: bytes
    receiver: bytes
    amount: int


class TokenGraduated(Struct, frozen=True, tag=True):
    """A token's curve has reached its target and closed."""

    index: int
    tx_hash: bytes
    token: bytes


TokenEvent = TokenCreated | TokenTrade | TokenTransfer | TokenGraduated


class Block(Struct, frozen=True):
    """A block and what happened in it to the tokens that we follow, ascending by `index`."""

    header: Header
    events: tuple[TokenEvent, ...] = ()


class Volumes(Struct, frozen=True):
    """What was bought and sold for, in wei, in the last 24 hours, the last 7 days, and ever."""

    day: int
    week: int
    total: int


class Token(Struct, frozen=True):
    """A token and what is known of it now.

    `created_at` is None for one that is known by its trades only, `price` before the first of them.
    """

    id: int
    address: bytes
    launchpad: str
    creator: bytes
    name: str
    symbol: str
    decimals: int
    target: int
    created_at: int | None
    graduated_at: int | None
    supply: int
    reserve: int
    price: int | None
    holders: int
    trades: int


class Holder(Struct, frozen=True):
    """An address that has some of a token. `first_bought_at` is None for one that was only given it."""

    address: bytes
    balance: int
    first_bought_at: int | None
    last_active_at: int


class CountedTrade(Struct, frozen=True):
    """A trade, with the number, hash and time of the block that it is in."""

    block_number: int
    block_hash: bytes
    time: int
    trade: TokenTrade


class TokenCandle(Struct, frozen=True):
    """What a token's trades in one bucket did to its price (scaled by PRICE_UNIT).

    `volume` is in the token's smallest unit, the quote volumes in wei; `buys` counts purchases.
    """

    bucket: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    trades: int
    buys: int
    buy_quote_volume: int


class VolumeBucket(Struct, frozen=True):
    """What was traded in one bucket of time: `volume` and `buy_volume` in wei."""

    bucket: int
    volume: int
    trades: int
    buys: int
    buy_volume: int


class SizeClass(Struct, frozen=True):
    """Trades of at least 10**`exponent` wei and less than ten times that; exponent -1: of nothing."""

    exponent: int
    volume: int
    trades: int
    buys: int
    buy_volume: int


class Ranked(Struct, frozen=True):
    """A token with its exact volumes, as it stands in a list."""

    token: Token
    volumes: Volumes


class ChainHead(Struct, frozen=True):
    """The newest block that the store has been brought to."""

    number: int
    hash: bytes
