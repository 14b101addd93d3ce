"""Play a recording to whoever listens, at its own pace or as fast as it is read."""

from __future__ import annotations

import asyncio
from typing import Final, Literal

import numpy as np

from openoutcry.sandbox.faults import Faults
from openoutcry.sandbox.floor import Connection, Floor
from openoutcry.sandbox.recording import Recording
from openoutcry.sandbox.timed import TimedStreams

Speed = Literal["1", "10", "max"]

_TICK: Final = 0.002
_CHUNK: Final = 2048
"""Messages per write at full speed: about 400 kB."""
_FAULTY_CHUNK: Final = 64
"""The same while faults are on, so that they fall between messages."""


class Replay:
    """Moves a recording's position and publishes the messages it passes.

    It starts when somebody first listens to a recorded stream, or when `start` is called, and stops
    where `play_until` says. All clients see the same position. At full speed it waits for the slowest
    client, and while nobody listens; at other speeds it goes on. After the end, connections stay open.
    """

    def __init__(self, recording: Recording, floor: Floor, faults: Faults, speed: Speed) -> None:
        self._recording = recording
        self._floor = floor
        self._faults = faults
        self._speed = speed
        self._frames: dict[bool, list[bytes]] = {}
        self._alone = False
        self._until = len(recording.messages.wrapped)
        self._numbers = {name: at for at, name in enumerate(recording.messages.names)}
        self._timed = TimedStreams(recording, recording.symbols, floor, faults, self._numbers)
        self._symbols = [name.partition("@")[0].upper() for name in recording.messages.names]
        self._prints = [
            name.partition("@")[2] in {"trade", "aggTrade"} for name in recording.messages.names
        ]

    def start(self) -> None:
        """Start, and go on to the end, even if nobody listens."""
        self._alone = True
        self.play_until(len(self._recording.messages.wrapped))

    def play_until(self, position: int) -> None:
        """Play no further than to before the message `position`, until told otherwise."""
        self._until = position
        self._floor.changed.set()

    async def second(self, clock: int) -> None:
        """Tell candles and tickers, made of the trades, where the recording has none of its own."""
        await self._timed.second(clock, self._recording.now())

    async def run(self) -> None:
        """Play to the end, then deliver what faults still hold back; never returns."""
        await self._leave()
        if self._speed == "max":
            await self._at_full_speed()
        else:
            await self._paced(int(self._speed))
        while True:
            self._push(self._recording.position, self._recording.position)
            self._floor.flush()
            await asyncio.sleep(_TICK * 10)

    async def _leave(self) -> None:
        """Wait until it may go on, and somebody listens or it was told to go on alone."""
        while self._recording.position >= self._until or not (
            self._alone or any(self._floor.heard(name) for name in self._numbers)
        ):
            self._floor.changed.clear()
            await self._floor.changed.wait()

    async def _at_full_speed(self) -> None:
        end = len(self._recording.messages.wrapped)
        while self._recording.position < end:
            await self._leave()
            while any(connection.paused for connection in self._floor.connections):
                self._floor.drained.clear()
                await self._floor.drained.wait()
            chunk = _FAULTY_CHUNK if self._faults.active(self._floor.clock()) else _CHUNK
            start = self._recording.position
            self._recording.position = min(start + chunk, self._until, end)
            self._push(start, self._recording.position)
            self._floor.flush()
            await asyncio.sleep(0)

    async def _paced(self, speed: int) -> None:
        received = self._recording.messages.received
        begun = self._floor.clock()
        while self._recording.position < len(received):
            if self._recording.position >= self._until:
                stopped = self._floor.clock()
                await self._leave()
                begun += self._floor.clock() - stopped
            passed = (self._floor.clock() - begun) * speed
            upto = int(received.searchsorted(int(received[0]) + passed, "right"))
            start = self._recording.position
            self._recording.position = max(start, min(upto, self._until))
            upto = self._recording.position
            self._push(start, upto)
            self._floor.flush()
            await asyncio.sleep(_TICK)

    def _push(self, start: int, end: int) -> None:
        """Queue the messages `start`..`end` (indices, end excluded) for everybody."""
        now = self._floor.clock()
        made: dict[tuple[bool, frozenset[str]], tuple[bytes, int]] = {}
        order = self._after_faults(start, end, now)
        for connection in list(self._floor.connections):
            key = (connection.session.combined, frozenset(connection.session.streams))
            if key not in made:
                made[key] = self._chunk(connection, order)
            if made[key][1]:
                self._floor.push(connection, *made[key])

    def _chunk(self, connection: Connection, order: np.ndarray) -> tuple[bytes, int]:
        combined = connection.session.combined
        if combined not in self._frames:
            self._frames[combined] = self._recording.messages.frames(combined=combined)
        frames = self._frames[combined]
        wanted = np.zeros(len(self._numbers), dtype=np.bool_)
        wanted[[self._numbers[n] for n in connection.session.streams if n in self._numbers]] = True
        mine = order[wanted[self._recording.messages.stream[order]]].tolist()
        return b"".join([frames[at] for at in mine]), len(mine)

    def _after_faults(self, start: int, end: int, now: int) -> np.ndarray:
        """Return which messages go out, in which order."""
        names, stream = self._recording.messages.names, self._recording.messages.stream
        if not self._faults.active(now) and not any(self._faults.holds(name) for name in names):
            return np.arange(start, end)
        passed: list[int] = []
        for number, name in enumerate(names):
            mine = (start + np.flatnonzero(stream[start:end] == number)).tolist()
            if self._faults.silent(self._symbols[number], now):
                continue
            if self._prints[number]:
                symbol = self._symbols[number]
                passed += self._faults.messages(name, symbol, mine, now)
            else:
                passed += mine
        return np.array(passed, dtype=np.int64)
