"""Random numbers that can be asked for in any order: hashes of counters, and noise made of them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bits = NDArray[np.uint64]
Floats = NDArray[np.float64]

QUANTILES: Final = 4096
"""Rows of a quantile table: twelve random bits choose one."""


def make_key(*parts: object) -> np.uint64:
    """Return the key of a family of random numbers, from what makes the family different."""
    text = "\x1f".join(str(part) for part in parts)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def bits(key: np.uint64, counters: Ints) -> Bits:
    """Return 64 random bits for each counter (the finaliser of splitmix64).

    Only whole-number operations: the same counter gives the same bits in whatever array it stands.
    """
    with np.errstate(over="ignore"):
        z = counters.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def take(source: Bits, shift: int, width: int) -> Ints:
    """Return `width` bits of each number, `shift` bits from the bottom."""
    return ((source >> np.uint64(shift)) & np.uint64((1 << width) - 1)).astype(np.int64)


def uniform(source: Bits) -> Floats:
    """Return numbers in [0, 1) from the upper 53 bits."""
    return (source >> np.uint64(11)).astype(np.float64) * 2.0**-53


def value_noise(key: np.uint64, at: Ints, period: int) -> Floats:
    """Return smooth noise in [-1, 1] that has a random value at every multiple of `period`.

    `at` ascends. Products and sums only, which round alike wherever an element stands.
    """
    knots, fraction, first = _knots(at, period)
    values = uniform(bits(key, np.arange(first, int(knots[-1]) + 2))) * 2.0 - 1.0
    smooth = fraction * fraction * (3.0 - 2.0 * fraction)
    low = values[knots - first]
    return low + (values[knots - first + 1] - low) * smooth


def table_noise(key: np.uint64, at: Ints, period: int, table: Floats) -> Floats:
    """Return noise like `value_noise` (straight lines), its values drawn from a quantile table."""
    knots, fraction, first = _knots(at, period)
    values = table[take(bits(key, np.arange(first, int(knots[-1]) + 2)), 40, 12)]
    low = values[knots - first]
    return low + (values[knots - first + 1] - low) * fraction


def _knots(at: Ints, period: int) -> tuple[Ints, Floats, int]:
    knots = at // period
    return knots, (at - knots * period) / period, int(knots[0])


@lru_cache(maxsize=8)
def lognormal(sigma: float, ceiling: float) -> Floats:
    """Return quantiles of a log-normal distribution cut at `ceiling` times its median, mean 1."""
    normal = NormalDist()
    steps = [normal.inv_cdf((row + 0.5) / QUANTILES) for row in range(QUANTILES)]
    table = np.minimum(np.exp(np.array(steps) * sigma), ceiling)
    table /= table.mean()
    table.flags.writeable = False
    return table
