"""What a made-up crowd does to the tokens of a launchpad: a seeded sequence of moves. Pure.

The moves name tokens and traders by number and amounts by part, so that they fit any chain: who has
none of a token buys some instead of selling. The same seed makes the same moves.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from enum import Enum, auto
from itertools import accumulate
from random import Random
from typing import Final

from msgspec import Struct

from openoutcry.core.chain.curve import TOKEN, ConstantProduct, Linear, Terms
from openoutcry.tokens import WEI

MILLION: Final = 1_000_000

_MOOD_MOVES: Final = 60
_TRANSFER_PERCENT: Final = 8
_TOKENS: Final = 800_000_000
_ADJECTIVES: Final = ("Amber", "Brisk", "Calm", "Dusky", "Early", "Frank", "Glad", "Humble")
_NOUNS: Final = ("Anchor", "Badger", "Comet", "Dune", "Ember", "Falcon", "Glacier", "Harbour")


class Kind(Enum):
    """What somebody does."""

    BUY = auto()
    SELL = auto()
    TRANSFER = auto()


class Move(Struct, frozen=True):
    """One thing that the crowd does.

    `part` is in millionths: of the target when buying, of what `trader` has of the token otherwise.
    `receiver` is somebody else, and matters to transfers only.
    """

    kind: Kind
    token: int
    trader: int
    receiver: int
    part: int


class Listing(Struct, frozen=True):
    """A token to be created."""

    name: str
    symbol: str
    terms: Terms


def listing(number: int, seed: int) -> Listing:
    """Return the token of that number (from 0): every second one linear, each with its own target."""
    random = Random(f"{seed}:{number}")  # noqa: S311 - a game
    adjective, noun = _ADJECTIVES[number % 8], _NOUNS[(number // 8 + number) % 8]
    again = number // 64
    name = f"{adjective} {noun}" + (f" {again + 1}" if again else "")
    symbol = (adjective[:2] + noun[:2]).upper() + (str(again + 1) if again else "")
    target = random.randrange(20, 201) * WEI // 10
    if number % 2:
        # The pool's ether decides how steep it is: three quarters of the tokens go for the target.
        return Listing(name, symbol, Terms(ConstantProduct(target // 3, _TOKENS * TOKEN), target))
    # A line from a tenth of the mean price up: the area under it is the target at about _TOKENS.
    base = target // _TOKENS // 10
    slope = 2 * (target - base * _TOKENS) * 1000 // _TOKENS**2
    return Listing(name, symbol, Terms(Linear(base, slope), target))


def moves(seed: int, tokens: int, traders: int) -> Iterator[Move]:
    """Yield what a crowd does, without end; there must be two traders at least.

    The first tokens are the most popular; each has its moods, in which more is bought or more sold.
    """
    random = Random(seed)  # noqa: S311 - a game
    popularity = list(accumulate(MILLION // (rank + 2) for rank in range(tokens)))
    moods = [(0, 0)] * tokens
    while True:
        token = bisect(popularity, random.randrange(popularity[-1]))
        left, buying = moods[token]
        if not left:
            left, buying = _MOOD_MOVES, random.randrange(45, 91)
        moods[token] = (left - 1, buying)
        trader = random.randrange(traders)
        receiver = (trader + random.randrange(1, traders)) % traders
        if random.randrange(100) < _TRANSFER_PERCENT:
            kind, part = Kind.TRANSFER, random.randrange(1, MILLION + 1)
        elif random.randrange(100) < buying:
            # Squared: many small purchases, few large ones, 1 % of the target at most.
            kind, part = Kind.BUY, random.randrange(1, 101) ** 2
        else:
            kind, part = Kind.SELL, random.randrange(1, 11) * MILLION // 10
        yield Move(kind, token, trader, receiver, part)
