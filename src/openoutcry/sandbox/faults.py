"""Misbehaviour on request: which faults are on, and what they do to messages and calls. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from openoutcry.core.intervals import SECOND
from openoutcry.errors import BadRequestError, ConfigError
from openoutcry.sandbox.garbage import Garbage

Kind = Literal[
    "drop",
    "delay",
    "repeat",
    "reorder",
    "skip_ids",
    "cut",
    "refuse",
    "silence",
    "shutdown",
    "rest_status",
    "rest_delay",
    "rest_garbage",
    "rest_lost",
]

_ONCE = frozenset({"skip_ids", "cut", "shutdown"})
_NEEDS_SECONDS = frozenset({"refuse", "silence"})


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """One fault. `docs/sandbox.md` has an example of each kind.

    `symbol` limits it (empty: all), `after` starts it that many seconds later, `seconds` ends it
    (None: it stays until cleared). Per message: `fraction` is the chance to be hit, `count` ends
    the fault after that many hits. `ms` is a delay, or how long a reorder waits for its `window` to
    fill. `count` is also the ids of skip_ids. `frame` says whether a cut says goodbye first.
    `status` and `retry_after` are rest_status's, `body` is rest_garbage's; rest_lost carries a call
    out and cuts the connection instead of answering. `path` limits any of the REST kinds to one
    path, `method` to one method (empty: all).
    """

    kind: Kind
    symbol: str = ""
    after: Annotated[float, Meta(ge=0)] = 0.0
    seconds: Annotated[float, Meta(ge=0)] | None = None
    fraction: Annotated[float, Meta(ge=0, le=1)] = 1.0
    count: Annotated[int, Meta(ge=1)] | None = None
    ms: Annotated[int, Meta(ge=0)] = 500
    times: Annotated[int, Meta(ge=1, le=100)] = 1
    window: Annotated[int, Meta(ge=2, le=10_000)] = 5
    frame: bool = True
    status: Annotated[int, Meta(ge=400, le=599)] = 429
    retry_after: Annotated[int, Meta(ge=0)] | None = None
    body: Garbage = "html"
    path: str = ""
    method: str = ""


def parse_faults(data: bytes) -> list[Fault]:
    """Return the faults in JSON: one object, or an array of them. Raises BadRequestError."""
    try:
        value = msgspec.json.decode(data)
        return msgspec.convert(value if isinstance(value, list) else [value], list[Fault])
    except msgspec.MsgspecError as error:
        raise BadRequestError(f"Not a fault: {error}") from None


def load_faults(path: Path | None) -> list[Fault]:
    """Return the faults in a file. Raises ConfigError that names the file."""
    if path is None:
        return []
    try:
        return parse_faults(path.read_bytes())
    except (OSError, BadRequestError) as error:
        raise ConfigError(f"Fault file {path}: {error}") from None


class Running(Struct):
    """A fault in force: `start` and `end` in µs, `hits` so far; `done` for what happens once."""

    fault: Fault
    start: int
    end: int | None
    hits: int = 0
    done: bool = False

    def on(self, symbol: str, now: int) -> bool:
        """Return whether the fault concerns `symbol` just now; an empty symbol is any."""
        mine = not self.fault.symbol or self.fault.symbol.upper() == symbol.upper()
        return mine and self.start <= now and not self.over(now)

    def over(self, now: int) -> bool:
        """Return whether the fault will do nothing any more."""
        spent = self.fault.count is not None and self.hits >= self.fault.count
        return self.done or spent or (self.end is not None and now >= self.end)


Item = TypeVar("Item")


class Lane(Generic[Item]):
    """The messages of one stream that a fault holds back."""

    def __init__(self) -> None:
        self.delayed: list[tuple[int, Item]] = []
        self.shuffled: list[Item] = []
        self.deadline = 0

    @property
    def empty(self) -> bool:
        """Whether nothing is held back."""
        return not self.delayed and not self.shuffled


class Faults:
    """All faults. Times are µs; chance comes from `seed`, so a run can be repeated."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - misbehaviour needs no secrecy
        self._running: list[Running] = []
        self._lanes: dict[str, Lane[Any]] = {}

    def add(self, fault: Fault, now: int) -> None:
        """Put a fault in force. Raises BadRequestError if it lacks what its kind needs."""
        if fault.kind in _NEEDS_SECONDS and fault.seconds is None:
            raise BadRequestError(f"A fault of kind {fault.kind} needs 'seconds'.")
        if fault.kind == "skip_ids" and fault.count is None:
            raise BadRequestError("A fault of kind skip_ids needs 'count'.")
        start = now + round(fault.after * SECOND)
        lasting = fault.seconds is not None and fault.kind not in _ONCE
        end = start + round((fault.seconds or 0) * SECOND) if lasting else None
        self._running.append(Running(fault, start, end))

    def clear(self) -> None:
        """End every fault; what is held back goes out with the next messages."""
        self._running.clear()

    def active(self, now: int) -> list[Running]:
        """Return the faults that are in force or still to come."""
        self._running = [running for running in self._running if not running.over(now)]
        return list(self._running)

    def due(self, now: int) -> list[Fault]:
        """Return, each once, the faults that are a deed: skip_ids, cut, shutdown."""
        found = [
            running
            for running in self._running
            if running.fault.kind in _ONCE and running.start <= now and not running.done
        ]
        for running in found:
            running.done = True
        return [running.fault for running in found]

    def messages(self, stream: str, symbol: str, items: Sequence[Item], now: int) -> list[Item]:
        """Return what of a stream goes out at `now`: of the new messages and those held back.

        Call it for silent streams too, so that what is held back comes out in time.
        """
        lane = self._lanes.get(stream)
        if not self._running and lane is None:
            return list(items)
        lane = self._lanes.setdefault(stream, Lane())
        kept = self._drop_and_repeat(symbol, items, now)
        kept = self._delay(lane, symbol, kept, now)
        kept = self._reorder(lane, symbol, kept, now)
        if lane.empty and not self._running:
            del self._lanes[stream]
        return kept

    def holds(self, stream: str) -> bool:
        """Return whether a stream has messages held back."""
        return stream in self._lanes and not self._lanes[stream].empty

    def _of(self, kind: Kind, symbol: str, now: int) -> list[Running]:
        return [run for run in self._running if run.fault.kind == kind and run.on(symbol, now)]

    def _hit(self, running: Running, now: int) -> bool:
        if running.over(now) or self._random.random() >= running.fault.fraction:
            return False
        running.hits += 1
        return True

    def _drop_and_repeat(self, symbol: str, items: Sequence[Item], now: int) -> list[Item]:
        drops, repeats = self._of("drop", symbol, now), self._of("repeat", symbol, now)
        if not drops and not repeats:
            return list(items)
        kept: list[Item] = []
        for item in items:
            if any(self._hit(drop, now) for drop in drops):
                continue
            again = sum(run.fault.times for run in repeats if self._hit(run, now))
            kept.extend([item] * (1 + again))
        return kept

    def _delay(self, lane: Lane[Item], symbol: str, items: list[Item], now: int) -> list[Item]:
        delays = self._of("delay", symbol, now)
        if not delays and not lane.delayed:
            return items
        for item in items:
            wait = sum(run.fault.ms for run in delays if self._hit(run, now))
            lane.delayed.append((now + wait * 1000, item))
        out = [item for due, item in lane.delayed if due <= now]
        lane.delayed = [held for held in lane.delayed if held[0] > now]
        return out

    def _reorder(self, lane: Lane[Item], symbol: str, items: list[Item], now: int) -> list[Item]:
        reorders = self._of("reorder", symbol, now)
        if not reorders:
            out, lane.shuffled = lane.shuffled + items, []
            return out
        window, out = reorders[0].fault.window, []
        for item in items:
            if not lane.shuffled:
                lane.deadline = now + reorders[0].fault.ms * 1000
            lane.shuffled.append(item)
            if len(lane.shuffled) >= window:
                out += self._shuffle(lane, reorders[0])
        if lane.shuffled and now >= lane.deadline:
            out += self._shuffle(lane, reorders[0])
        return out

    def _shuffle(self, lane: Lane[Item], running: Running) -> list[Item]:
        batch, lane.shuffled = lane.shuffled, []
        running.hits += len(batch)
        self._random.shuffle(batch)
        return batch

    def silent(self, symbol: str, now: int) -> bool:
        """Return whether a symbol's streams (empty: whole connections) say nothing just now."""
        return any(
            run.on(symbol, now) and (bool(symbol) or not run.fault.symbol)
            for run in self._running
            if run.fault.kind == "silence"
        )

    def refusing(self, now: int) -> bool:
        """Return whether new connections are refused just now."""
        return any(run.on("", now) for run in self._running if run.fault.kind == "refuse")

    def rest(self, symbol: str, now: int, path: str = "", method: str = "GET") -> list[Fault]:
        """Return the faults that hit a REST call of `path` for `symbol` (empty: none or several)."""
        return [
            run.fault
            for run in self._running
            if run.fault.kind.startswith("rest_")
            and run.fault.path in {"", path}
            and run.fault.method in {"", method}
            and run.on(symbol, now)
            and self._hit(run, now)
        ]
