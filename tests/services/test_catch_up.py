"""How catching up is told: when there is much to do, until there is nothing left."""

from __future__ import annotations

import asyncio

from rich.console import Console

from openoutcry.core.chain.steps import Progress
from openoutcry.services.catch_up import FAR, length, percent, watch
from openoutcry.wiring.indexer_bar import Bar


class Told:
    """What was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def tell(self, progress: Progress, eta: float | None) -> None:
        self.said.append(f"{progress.number} {eta is not None}")

    def done(self, progress: Progress, seconds: float) -> None:
        assert seconds >= 0
        self.said.append(f"done {progress.number}")


async def test_much_to_do_is_told_until_it_is_done() -> None:
    """A few blocks are nothing to tell of; many are, down to the last; then it is silent again."""
    numbers = iter([900, 1000 - FAR, 960, 1000, 1000, 950, 1000])
    steps = [Progress(one, 1000, 800, 0.0, 50) for one in numbers]
    states: list[Progress | None] = [None, Progress(960, 1000, 960, 0.0, 50), *steps]
    stop, told = asyncio.Event(), Told()

    def look() -> Progress | None:
        if len(states) == 1:
            stop.set()
        return states.pop(0)

    await asyncio.wait_for(watch(look, told, stop, every=0), 30)
    assert told.said == ["900 True", "900 True", "960 True", "done 1000"]


def test_a_bar_on_a_terminal() -> None:
    """It shows share, blocks and what is left, and leaves one line behind."""
    console = Console(width=120, force_terminal=True, color_system=None)
    with console.capture() as capture:
        bar = Bar(console)
        bar.tell(Progress(100, 200, 0, 0.0, 50), None)
        bar.tell(Progress(150, 200, 0, 0.0, 50), 75.0)
        bar.done(Progress(200, 200, 0, 0.0, 50), 3725.0)
    text = capture.get()
    assert "75%" in text
    assert "150/200 blocks, 1m 15s left" in text
    assert "Caught up at block 200 after 1h 02m." in text


def test_shares_and_lengths() -> None:
    """Shares of nothing are all of it; lengths are short."""
    assert percent(Progress(150, 200, 100, 0.0, 1)) == 50.0
    assert percent(Progress(5, 5, 5, 0.0, 1)) == 100.0
    assert [length(one) for one in (None, 4.4, 200, 7260)] == ["?", "4s", "3m 20s", "2h 01m"]
