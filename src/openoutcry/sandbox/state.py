"""What the made-up exchange must remember to make the same trades again: a small JSON file."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from openoutcry.core.intervals import DAY
from openoutcry.errors import ConfigError
from openoutcry.sandbox.listing import MadeUpSymbol
from openoutcry.sandbox.tape import BLOCK, RateChange, Skip

HISTORY_DAYS = 8
"""Days before its first start on which the exchange was listed: week-long charts are full."""
HISTORY_RATE = 0.25
"""Trades a second and symbol in that history."""
LEAD = 2
"""Blocks between now and the first one that a change may touch: what is made stays as it is."""


class SymbolState(Struct):
    """One symbol's rate schedule and holes in its ids."""

    schedule: list[RateChange]
    skips: list[Skip] = []


class State(Struct):
    """Seed, first block (seconds since 1970), and the symbols that ever traded."""

    seed: int
    listed: int
    symbols: dict[str, SymbolState] = {}


def new_state(seed: int, now: int) -> State:
    """Return the state of an exchange that opens at `now` (µs) with its history behind it."""
    return State(seed=seed, listed=(now // DAY * DAY - HISTORY_DAYS * DAY) // BLOCK)


def load_state(path: Path | None, seed: int, now: int) -> State:
    """Return the state in a file, or a new one if there is no file.

    Raises ConfigError if the file cannot be read, or was made with another seed.
    """
    if path is None or not path.exists():
        return new_state(seed, now)
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"Sandbox state {path} cannot be read: {error}.") from None
    if state.seed != seed:
        raise ConfigError(
            f"Sandbox state {path} belongs to seed {state.seed}, not {seed}: use that seed, or "
            "another file for another market."
        )
    return state


def save_state(path: Path | None, state: State) -> None:
    """Write the state so that a crash leaves either the old file or the new one."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(state)))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def set_rate(state: State, symbols: list[MadeUpSymbol], rate: float, now: int) -> bool:
    """Share `rate` (trades a second, all together) among the symbols, from shortly after `now` on.

    Symbols never seen before get their history, and the rate at once: nobody has seen a trade of
    theirs. Returns whether anything changed.
    """
    whole = sum(symbol.share for symbol in symbols)
    changed = False
    for symbol in symbols:
        name = symbol.listing.symbol
        lead = LEAD
        if name not in state.symbols:
            lead = 0
            state.symbols[name] = SymbolState([RateChange(state.listed, HISTORY_RATE)])
            changed = True
        schedule = state.symbols[name].schedule
        share = rate * symbol.share / whole
        if schedule[-1].rate != share:
            block = now // BLOCK + lead
            schedule[:] = [change for change in schedule if change.block < block]
            schedule.append(RateChange(block, share))
            changed = True
    return changed


def add_skip(state: State, symbol: str, count: int, now: int) -> Skip:
    """Leave `count` ids of a symbol out, shortly after `now`; return where."""
    skip = Skip(now // BLOCK + LEAD, count)
    state.symbols[symbol].skips.append(skip)
    return skip
