"""One call for many who ask at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedCalls:
    """Calls by a key: who asks for one that is under way gets its answer, or its error.

    A call goes on when who asked for it first has gone. Not for answers that must not be older than
    the question: those are for `NextCall`.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[Any]] = {}
        self.shared = 0

    async def get(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> T:
        """Return what `call` returns, called now unless it runs for the same key."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.ensure_future(_awaited(call))
            task.add_done_callback(lambda done: self._done(key, done))
        else:
            self.shared += 1
        found: T = await asyncio.shield(task)
        return found

    def _done(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # who waits has it; nobody may be left


class NextCall(Generic[T]):
    """A call whose answer is never older than the question: who comes while one runs shares the next."""

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return an answer of a call that began after this one."""
        if self._running is None or self._running.done():
            task = self._running = asyncio.ensure_future(_awaited(self._call))
        elif self._next is None:
            task = self._next = asyncio.ensure_future(self._after(self._running))
        else:
            task = self._next
        return await asyncio.shield(task)

    async def _after(self, before: asyncio.Task[T]) -> T:
        await asyncio.wait({before})
        self._running, self._next = self._next, None
        return await self._call()


async def _awaited(call: Callable[[], Awaitable[T]]) -> T:
    return await call()
