"""Request weight by address and minute."""

from __future__ import annotations

from openoutcry.sandbox.limits import BAN_SECONDS, PATIENCE, WeightMeter

SECOND = 1_000_000
START = 60 * SECOND * 1000


def test_weight_adds_up_and_starts_anew_each_minute() -> None:
    """Used weight counts within a calendar minute, each address for itself."""
    meter = WeightMeter(limit=10)
    assert meter.spend("a", 4, START).used == 4
    assert meter.spend("a", 4, START + SECOND).used == 8
    assert meter.spend("b", 1, START).used == 1
    assert meter.spend("a", 4, START + 60 * SECOND).used == 4


def test_too_much_weight_is_refused_until_the_minute_ends() -> None:
    """Over the limit comes 429 with the seconds to the next minute."""
    meter = WeightMeter(limit=10)
    verdict = meter.spend("a", 11, START + 20 * SECOND)
    assert (verdict.status, verdict.retry_after) == (429, 40)
    assert meter.spend("a", 1, START + 60 * SECOND).status == 200


def test_who_does_not_listen_is_banned() -> None:
    """After several refusals comes 418, which outlasts the minute."""
    meter = WeightMeter(limit=10)
    statuses = [meter.spend("a", 11, START).status for _ in range(PATIENCE + 1)]
    assert statuses == [429] * PATIENCE + [418]
    verdict = meter.spend("a", 1, START + 61 * SECOND)
    assert (verdict.status, verdict.retry_after) == (418, BAN_SECONDS - 61)
    assert meter.spend("a", 1, START + BAN_SECONDS * SECOND).status == 200
