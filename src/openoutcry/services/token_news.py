"""Tell everybody what has happened to tokens: their figures and trades as they are now stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct, field
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.adapters.postgres import token_moments, token_reader
from openoutcry.adapters.postgres.pool import Pool, connection
from openoutcry.adapters.postgres.token_store import Stored
from openoutcry.adapters.tasks import sleep
from openoutcry.adapters.valkey.client import listeners
from openoutcry.core.chain import hexes
from openoutcry.core.keys import TOKENS_TOP, token_channel
from openoutcry.core.tokens.messages import TokenChange, top_tokens, trade_items
from openoutcry.core.tokens.shapes import token_item
from openoutcry.core.tokens.windows import last_of, second_of
from openoutcry.errors import StoreUnavailableError
from openoutcry.tokens import CountedTrade, Window

_log = structlog.get_logger(__name__)

TOP: Final = 50
"""Tokens in the list that is told."""
MOST_TRADES: Final = 200
"""Trades of one token that wait to be told; when there are more, the oldest go, and are counted."""
MOST_WAITING: Final = 20_000
"""Trades of all tokens that wait; when there are more, they all go, and only figures are told."""
MOST_UNDONE: Final = 1_000
AT_ONCE: Final = 256
"""Tokens that are read and told at once."""

_REST_SHARE: Final = 4
_AGAIN_SECONDS: Final = 0.5
_TOP_SECONDS: Final = 1.0


class _Waiting(Struct):
    """What there is to tell of a token."""

    trades: list[CountedTrade] = field(default_factory=list)
    undone: dict[bytes, None] = field(default_factory=dict)
    missed: int = 0


class TokenNews:
    """Publishes after commits, in a task of its own (`run`): whoever commits never waits for it.

    What waits is conflated by token: its figures are read when they are told, at most a fifth of the
    time, and only for tokens that somebody listens to. While Valkey or the store is away, it waits,
    within the bounds above. With `top` it tells once a second of the largest, if they have changed.
    """

    def __init__(
        self,
        valkey: Redis,
        pool: Pool,
        *,
        top: bool = True,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.published = self.dropped = 0
        self._valkey = valkey
        self._pool = pool
        self._top = top
        self._clock = clock
        self._waiting: dict[bytes, _Waiting] = {}
        self._number = 0
        self._wait = asyncio.Event()
        self._last_top = b""

    async def tell(self, stored: Stored) -> None:
        """Take note of a commit; returns at once."""
        for token in stored.tokens:
            waiting = self._waiting.setdefault(token, _Waiting())
            if stored.undone:
                self._note_undone(waiting, stored.undone)
        for counted in stored.trades:
            waiting = self._waiting.setdefault(counted.trade.token, _Waiting())
            waiting.trades.append(counted)
            self._number += 1
            if len(waiting.trades) > MOST_TRADES:
                self._drop(waiting, 1)
        if self._number > MOST_WAITING:
            for waiting in self._waiting.values():
                self._drop(waiting, len(waiting.trades))
        if self._waiting:
            self._wait.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`; what cannot be read or sent just now is tried again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_changes(stop))
            if self._top:
                tasks.create_task(self._run_top(stop))

    def _note_undone(self, waiting: _Waiting, hashes: Iterable[bytes]) -> None:
        gone = frozenset(hashes)
        left = [one for one in waiting.trades if one.block_hash not in gone]
        self._number -= len(waiting.trades) - len(left)
        waiting.trades = left
        for each in hashes:
            waiting.undone[each] = None
        while len(waiting.undone) > MOST_UNDONE:
            del waiting.undone[next(iter(waiting.undone))]
            waiting.missed += 1  # whoever hears of it reads the present state

    def _drop(self, waiting: _Waiting, number: int) -> None:
        del waiting.trades[:number]
        waiting.missed += number
        self._number -= number
        self.dropped += number

    async def _run_changes(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await asyncio.wait_for(self._wait.wait(), 0.5)
            except TimeoutError:
                continue
            self._wait.clear()
            started = time.perf_counter()
            waiting, self._waiting = self._waiting, {}
            self._number = 0
            try:
                await self._publish(waiting)
            except (RedisError, OSError, StoreUnavailableError) as error:
                _log.warning("news of tokens wait", reason=f"{type(error).__name__}: {error}")
                self._put_back(waiting)
                await sleep(_AGAIN_SECONDS, stop)
                continue
            await sleep(_REST_SHARE * (time.perf_counter() - started), stop)

    async def _publish(self, waiting: dict[bytes, _Waiting]) -> None:
        """Tell what waits, and forget it bit by bit."""
        names = {token: token_channel(hexes.show(token)) for token in waiting}
        heard = await listeners(self._valkey, list(names.values()))
        for token, name in names.items():
            if name not in heard:
                del waiting[token]
        while waiting:
            some = list(waiting)[:AT_ONCE]
            async with connection(self._pool) as lent, token_reader.picture(lent):
                moment = await token_moments.read_moment(lent)
                found = await token_reader.read_tokens(lent, some, self._clock())
            pipeline: Any = self._valkey.pipeline(transaction=False)
            for token, ranked in found.items():
                one = waiting[token]
                message = TokenChange(
                    int(moment.version),
                    token_item(ranked),
                    trade_items(one.trades, ranked.token.decimals),
                    [hexes.show(each) for each in one.undone],
                    one.missed,
                )
                pipeline.publish(names[token], msgspec.json.encode(message))
            if found:
                await pipeline.execute()
            self.published += len(found)
            for token in some:
                del waiting[token]

    def _put_back(self, older: dict[bytes, _Waiting]) -> None:
        newer, self._waiting = self._waiting, older
        self._number = sum(len(each.trades) for each in older.values())
        for token, more in newer.items():
            known = self._waiting.setdefault(token, _Waiting())
            self._note_undone(known, more.undone)
            known.trades += more.trades
            known.missed += more.missed
            self._number += len(more.trades)
            self._drop(known, max(0, len(known.trades) - MOST_TRADES))
        self._wait.set()

    async def _run_top(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await sleep(_TOP_SECONDS - time.time() % _TOP_SECONDS, stop)
            try:
                await self.tell_top()
            except (RedisError, OSError, StoreUnavailableError) as error:
                _log.debug("the top of tokens is not told", reason=str(error))

    async def tell_top(self) -> None:
        """Tell which tokens have the largest volumes, if somebody listens and it has changed."""
        if not await listeners(self._valkey, [TOKENS_TOP]):
            self._last_top = b""
            return
        now = last_of(second_of(self._clock()))
        async with connection(self._pool) as lent:
            ranked = await token_reader.read_top(lent, Window.DAY, now, TOP)
        message = msgspec.json.encode(top_tokens(Window.DAY, ranked))
        if message != self._last_top:
            await self._valkey.publish(TOKENS_TOP, message)
            self._last_top = message
