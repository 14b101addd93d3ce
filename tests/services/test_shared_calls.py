"""One call for many: shared while it runs, and never an answer older than the question."""

from __future__ import annotations

import asyncio

import pytest

from openoutcry.services.shared_calls import NextCall, SharedCalls


async def test_who_leaves_does_not_take_the_answer_along() -> None:
    """The first who asked goes; the others still get what it asked for."""
    calls, gate, made = SharedCalls(), asyncio.Event(), 0

    async def call() -> int:
        nonlocal made
        made += 1
        await gate.wait()
        return made

    first = asyncio.create_task(calls.get("key", call))
    others = [asyncio.create_task(calls.get("key", call)) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*others) == [1, 1, 1]
    assert await calls.get("key", call) == 2, "afterwards it is called again"


async def test_an_answer_is_not_older_than_the_question() -> None:
    """Who comes while a call runs waits for the next one, together with all who come meanwhile."""
    began, gates = 0, [asyncio.Event() for _ in range(3)]

    async def call() -> int:
        nonlocal began
        began += 1
        mine = began
        await gates[mine - 1].wait()
        return mine

    moment = NextCall(call)
    first = asyncio.create_task(moment.get())
    late = [asyncio.create_task(moment.get()) for _ in range(10)]
    while began == 0:  # once it has, all eleven have asked
        await asyncio.sleep(0)
    gates[0].set()
    assert await first == 1
    gates[1].set()
    assert await asyncio.gather(*late) == [2] * 10
    gates[2].set()
    assert await moment.get() == 3


async def test_an_error_is_told_and_over() -> None:
    """Those who share a call share its error; the next call is another."""
    broken = True

    async def call() -> int:
        await asyncio.sleep(0.01)
        if broken:
            raise ValueError("no")
        return 1

    moment = NextCall(call)
    asking = [asyncio.create_task(moment.get()) for _ in range(3)]
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in found] == [ValueError] * 3
    broken = False
    assert await moment.get() == 1
    with pytest.raises(ZeroDivisionError):
        await SharedCalls().get(1, _divide)


async def _divide() -> float:
    return 1 / 0
