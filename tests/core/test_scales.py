"""Scaled integers against exact decimal arithmetic."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openoutcry.core.scales import (
    INT64_MAX,
    MAX_SCALE,
    fit,
    parse_decimals,
    rescale,
    scale_of,
    to_decimal,
    to_scaled,
)
from openoutcry.errors import ProtocolError, ScaleOverflowError

BOUND = [Decimal(INT64_MAX), Decimal(-INT64_MAX)]


def exact(number: Decimal, scale: int) -> Decimal:
    """Return number x 10**scale without rounding."""
    with localcontext(prec=500):
        shifted: Decimal = number * 10**scale
        return shifted


@st.composite
def written(draw: st.DrawFn) -> str:
    """Return a decimal as a venue might write it."""
    digits = draw(st.integers(0, 10**17))
    places = draw(st.integers(0, 18))
    text = f"{Decimal(digits).scaleb(-places):f}"
    zeros = draw(st.sampled_from(["", "0", "000"]))
    text = text + zeros if "." in text else text
    return draw(st.sampled_from(["", "", "", "-"])) + text


@given(st.lists(written(), max_size=8))
@example(["61837.63000000", "0.02000000"])
@example(["1.00000000000000000000000000001"])
@example(["0", "0.000000000000000000"])
def test_parsing_agrees_with_decimal(texts: list[str]) -> None:
    """Parsed columns are exactly the numbers written, or an error: never something near."""
    try:
        values, scale = parse_decimals(texts)
    except ScaleOverflowError:
        numbers = [Decimal(text) for text in texts]
        needed = max(scale_of_naively(number) for number in numbers)
        assert needed > MAX_SCALE or any(abs(exact(n, needed)) > INT64_MAX for n in numbers)
        return
    assert 0 <= scale <= MAX_SCALE
    assert [Decimal(int(v)) for v in values] == [exact(Decimal(t), scale) for t in texts]


def scale_of_naively(number: Decimal) -> int:
    """Return the least scale at which `number` is whole, by trying."""
    with localcontext(prec=500):
        return next(scale for scale in range(400) if exact(number, scale) % 1 == 0)


@given(st.lists(st.integers(0, 10**9), min_size=1), st.integers(1, 8))
def test_the_fast_path_keeps_the_written_scale(numbers: list[int], places: int) -> None:
    """Numbers with the same count of places come out at that scale, trailing zeros included."""
    texts = [f"{Decimal(n).scaleb(-places):f}" for n in numbers]
    values, scale = parse_decimals(texts)
    assert (values.tolist(), scale) == (numbers, places)


NO_NUMBERS = [
    "", " ", ".", "-", "NaN", "Infinity", "-Infinity", "sNaN", "1.2.3", "1..2", "12,5",
    "0x10", "ten", "1e", "1.5 2.5", "1E+999999999", "1E-999999999", "1E+9999999999999999999",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_NUMBERS)
@pytest.mark.parametrize("beside", [[], ["1.500"], ["7.5"], ["1.23"]])
def test_what_is_no_number_is_an_error(text: str, beside: list[str]) -> None:
    """Text that is no plain decimal is refused, also among good ones, on both paths."""
    with pytest.raises((ProtocolError, ScaleOverflowError)):
        parse_decimals([text, *beside])
    with pytest.raises((ProtocolError, ScaleOverflowError)):
        parse_decimals([*beside, text])


@pytest.mark.parametrize(
    "text",
    ["9223372036854775808", "1e30", "0.0000000000000000001", "99999999999.12345678901",
     "1.00000000000000000000000000001", "1." + "0" * 200 + "1", "1" * 300],
)  # fmt: skip
def test_what_does_not_fit_is_an_overflow(text: str) -> None:
    """More than 64 bits or 18 places is an error, not a wrap and not a rounding."""
    with pytest.raises(ScaleOverflowError):
        parse_decimals([text])


@given(st.integers(-INT64_MAX, INT64_MAX), st.integers(0, 18))
def test_decimals_and_integers_are_inverse(value: int, scale: int) -> None:
    """To a decimal and back is the same integer, and the scale found is never too small."""
    number = to_decimal(value, scale)
    assert to_scaled(number, scale) == value
    assert scale_of(number) == scale_of_naively(number) <= scale


def test_scaling_down_loses_nothing() -> None:
    """A number with more places than the scale is an error."""
    with pytest.raises(ScaleOverflowError, match="decimal places"):
        to_scaled(Decimal("1.25"), 1)
    assert to_scaled(Decimal("1.20"), 1) == 12
    assert to_scaled(Decimal("0E+50"), 8) == 0


@given(st.lists(st.integers(-INT64_MAX, INT64_MAX), max_size=6), st.data())
def test_rescaling_is_exact_or_an_error(numbers: list[int], data: st.DataObject) -> None:
    """Each row is multiplied exactly, or the whole is refused because a row does not fit."""
    values = np.array(numbers, np.int64)
    old = np.array([data.draw(st.integers(0, 18)) for _ in numbers], np.int64)
    new = np.array([data.draw(st.integers(int(o), 18)) for o in old], np.int64)
    wanted = [v * 10 ** int(n - o) for v, o, n in zip(numbers, old, new, strict=True)]
    if any(abs(w) > INT64_MAX for w in wanted):
        with pytest.raises(ScaleOverflowError):
            rescale(values, old, new)
    else:
        assert rescale(values, old, new).tolist() == wanted


@given(
    st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 3)), min_size=1, max_size=12),
    st.integers(0, 10),
    st.lists(st.integers(0, 10), min_size=4, max_size=4),
)
def test_fitting_widens_without_loss(
    rows: list[tuple[int, int]], scale: int, instruments: list[int]
) -> None:
    """Values keep their worth at their instruments' scales, which grow no more than they must."""
    values = np.array([value for value, _ in rows], np.int64)
    index = np.array([which for _, which in rows], np.int64)
    before = np.array(instruments, np.int64)
    try:
        fitted, after = fit(values, scale, index, before)
    except ScaleOverflowError:
        assert any(v * 10 ** max(0, instruments[i] - scale) > INT64_MAX for v, i in rows)
        return
    for (value, which), got in zip(rows, fitted.tolist(), strict=True):
        assert to_decimal(got, int(after[which])) == to_decimal(value, scale)
    for which, old in enumerate(instruments):
        needs = [scale_of(to_decimal(v, scale)) for v, i in rows if i == which]
        assert after[which] == max([old, *needs])
    assert before.tolist() == instruments


def test_one_instruments_places_do_not_overflow_anothers_size() -> None:
    """A huge amount of a coin without decimals may stand beside a coin with eight of them."""
    values = np.array([10**12, 3], np.int64)
    fitted, after = fit(values, 0, np.array([0, 1]), np.array([0, 8]))
    assert fitted.tolist() == [10**12, 3 * 10**8]
    assert after.tolist() == [0, 8]
