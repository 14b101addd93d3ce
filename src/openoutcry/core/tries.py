"""How often something may be tried: so many at once, then one more every so often. Pure.

A bucket is one number, `due`: the time at which every try that was taken will have come back. Tries
come back one at a time, `step` after `step`, so nobody waits for a window to end, and no window's
edge lets twice as many through. `adapters.valkey.tries` does the same sum inside Valkey.
"""

from __future__ import annotations


def step_of(tries: int, period: int) -> int:
    """Return the time in which one of so many tries a period comes back; never zero."""
    return max(1, -(-period // tries))


def take(due: int, now: int, tries: int, step: int) -> tuple[int, int]:
    """Return `due` after one more try, and 0; or `due` unchanged, and how long to wait."""
    start = max(due, now)
    wait = start + step - tries * step - now
    return (due, wait) if wait > 0 else (start + step, 0)


def give_back(due: int, now: int, step: int) -> int:
    """Return `due` as if one try less had been taken; 0 for a bucket that is full again."""
    back = due - step
    return back if back > now else 0
