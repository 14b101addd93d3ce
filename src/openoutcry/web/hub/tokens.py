"""The channels `token:<address>` and `tokens:top`: figures and trades of tokens, once committed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from openoutcry.core.tokens.messages import TokenChange, is_newer
from openoutcry.core.tokens.shapes import TokenItem, TradeItem
from openoutcry.services.token_pages import TokenPage
from openoutcry.web.hub import wire
from openoutcry.web.hub.channels import Channel, Policy
from openoutcry.web.hub.outbox import LatestTopic, Owed, TooFarBehindError

TRADES: Final = 50
"""Trades of a snapshot."""
NEWEST: Final = 200
"""Trades, and blocks that were undone, that are remembered for clients that are behind."""
EARLY: Final = 1_000
"""Messages that are kept while the snapshot is read; when there are more, the oldest go."""


class TokenStore(Protocol):
    """Where snapshots of tokens come from. Raises StoreUnavailableError."""

    async def page(self, token: bytes) -> TokenPage | None:
        """Return a token's page, None where there is no such token."""

    async def top(self) -> bytes:
        """Return the tokens with the largest volumes of 24 hours, as JSON."""


class Change(Struct, frozen=True):
    """What clients are told; blocks in `undone` are heeded before `trades`."""

    token: TokenItem
    trades: list[TradeItem]
    undone: list[str]


class TokenTopic:
    """Remembers what was told of a token: the newest figures, trades, and blocks that were undone.

    A client that is behind gets one message of them: figures as they are, the newest trades that
    still count. One that has missed more than NEWEST undone blocks is closed, and begins anew.
    """

    policy = Policy.NEWEST

    def __init__(self, compose: Callable[[Change], bytes]) -> None:
        self._compose = compose
        self._count = 0
        self._lost = 0
        self._token: TokenItem | None = None
        self._trades: deque[tuple[int, TradeItem]] = deque(maxlen=NEWEST)
        self._undone: deque[tuple[int, str]] = deque()

    def note(self, change: Change) -> None:
        """Remember a message."""
        self._count += 1
        self._token = change.token
        gone = set(change.undone)
        if gone:
            kept = [one for one in self._trades if one[1].block_hash not in gone]
            self._trades = deque(kept, maxlen=NEWEST)
        for each in change.undone:
            self._undone.append((self._count, each))
            if len(self._undone) > NEWEST:
                self._lost = self._undone.popleft()[0]
        self._trades.extend((self._count, trade) for trade in reversed(change.trades))

    def cursor(self) -> int:
        """Return the number of messages so far."""
        return self._count

    def owed(self, cursor: int) -> Owed:
        """Return one frame of all that a client at `cursor` missed. Raises TooFarBehindError."""
        if cursor < self._lost:
            raise TooFarBehindError
        if cursor == self._count or self._token is None:
            return Owed([])
        undone = [each for number, each in self._undone if number > cursor]
        trades = [trade for number, trade in reversed(self._trades) if number > cursor]
        frame = self._compose(Change(self._token, trades, list(dict.fromkeys(undone))))
        return Owed([frame], self._count - cursor - 1)


class TokenFeed:
    """One token. What the bus says and what the store holds meet by the store's versions.

    A message holds the token at its version; whatever is no newer than the snapshot is in that.
    """

    def __init__(self, channel: Channel, clock: Callable[[], int]) -> None:
        self.channel = channel
        self.topic = TokenTopic(self.frame)
        self.loaded = False
        self._clock = clock
        self._token: TokenItem | None = None
        self._loaded_version = self._version = 0
        self._trades: list[TradeItem] = []
        self._early: deque[TokenChange] = deque(maxlen=EARLY)

    @property
    def address(self) -> bytes:
        """The token."""
        return bytes.fromhex(self.channel.symbol[2:])

    def load(self, page: TokenPage) -> Change | None:
        """Take in the store's state; return what clients are to be told, if they know another."""
        before, known, first = self._token, self._trades, not self.loaded
        self.loaded = True
        self._token, self._trades = page.token, page.trades
        self._loaded_version = self._version = page.version
        changes = [self._merge(each) for each in self._early]
        self._early.clear()
        if first or (before == self._token and known == self._trades and not any(changes)):
            return None
        had = {_key(each) for each in known}
        has = {_key(each) for each in self._trades}
        oldest = min(map(_place, self._trades), default=(0, 0))
        gone = {
            each.block_hash for each in known if _key(each) not in has and _place(each) >= oldest
        }
        fresh = [each for each in self._trades if _key(each) not in had or each.block_hash in gone]
        return Change(self._token, fresh, sorted(gone))

    def apply(self, message: TokenChange) -> Change | None:
        """Take in what the bus says; return what clients are to be told."""
        if not self.loaded:
            self._early.append(message)
            return None
        return self._merge(message)

    def snapshot(self, now: int) -> bytes:  # noqa: ARG002  (the same for every feed)
        """Return figures and the newest trades, newest first."""
        return msgspec.json.encode({"token": self._token, "trades": self._trades})

    def frame(self, change: Change) -> bytes:
        """Return a `token_update`."""
        stamp = wire.timestamp(self._clock())
        data = msgspec.json.encode(change)
        return wire.text_frame(wire.update("token", self.channel.name, data, stamp))

    def _merge(self, message: TokenChange) -> Change | None:
        if not is_newer(message.version, self._loaded_version):
            return None
        if is_newer(message.version, self._version) or self._token is None:
            self._version, self._token = message.version, message.token
        undone = set(message.undone)
        kept = [each for each in self._trades if each.block_hash not in undone]
        had = {_key(each) for each in kept}
        fresh = [each for each in message.trades if _key(each) not in had]
        self._trades = _newest([*fresh, *kept])
        return Change(self._token, fresh, message.undone)


class TopFeed:
    """The tokens with the largest volumes: the last message is all there is to know."""

    def __init__(self, channel: Channel, clock: Callable[[], int]) -> None:
        self.channel = channel
        self.topic = LatestTopic()
        self.loaded = False
        self._clock = clock
        self._last = b"null"
        self.heard = 0

    def load(self, kept: bytes, heard: int) -> bytes | None:
        """Take in what the store holds, read when `heard` messages had come; later ones are newer.

        Returns the frame that tells it, if clients have something else.
        """
        first, self.loaded = not self.loaded, True
        if self.heard != heard or kept == self._last:
            return None
        self._last = kept
        return None if first else self._frame()

    def apply(self, data: bytes) -> bytes:
        """Take in a list; return the frame that tells it. Raises msgspec.DecodeError."""
        if not isinstance(msgspec.json.decode(data), dict):
            raise msgspec.DecodeError("a list of tokens is a JSON object")
        self._last = data
        self.heard += 1
        return self._frame()

    def snapshot(self, now: int) -> bytes:  # noqa: ARG002  (the same for every feed)
        """Return the list."""
        return self._last

    def _frame(self) -> bytes:
        stamp = wire.timestamp(self._clock())
        return wire.text_frame(wire.update("tokens", self.channel.name, self._last, stamp))


def _newest(trades: Iterable[TradeItem]) -> list[TradeItem]:
    return sorted(trades, key=_place, reverse=True)[:TRADES]


def _place(trade: TradeItem) -> tuple[int, int]:
    return trade.block_number, trade.log_index


def _key(trade: TradeItem) -> tuple[str, int]:
    return trade.block_hash, trade.log_index


decode_change = msgspec.json.Decoder(TokenChange).decode
