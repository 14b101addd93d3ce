"""The rate of a counter over its last moments."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_SECONDS: Final = 10.0


class Rate:
    """How fast a counter grew in the last `window` seconds, from readings at any distance."""

    def __init__(self, window: float = WINDOW_SECONDS) -> None:
        self._window = window
        self._readings: deque[tuple[float, float]] = deque()

    def read(self, now: float, count: float) -> float:
        """Take a reading at `now` (s, of a clock that never goes back); return the rate a second.

        A counter that went back began anew, and so does the rate. The first reading gives 0.
        """
        readings = self._readings
        if readings and count < readings[-1][1]:
            readings.clear()
        readings.append((now, count))
        while len(readings) > 2 and readings[1][0] <= now - self._window:
            readings.popleft()
        (then, before) = readings[0]
        return (count - before) / (now - then) if now > then else 0.0
