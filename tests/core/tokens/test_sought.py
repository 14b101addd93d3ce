"""What is typed to find a token: what it means, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.tokens.sought import LONGEST, Sought, sought
from openoutcry.errors import BadRequestError


@pytest.mark.parametrize("typed", ["otter", "0x", "0xa", "0xzz", "0xProtocol", "x12", "50%", "ä"])
def test_text(typed: str) -> None:
    """It is looked for in symbols and names, spaces around it left out."""
    assert sought(f"  {typed} ") == Sought(typed)


def test_the_beginning_of_an_address() -> None:
    """All addresses that begin with these digits, be it half a byte; a whole one is itself."""
    assert sought("0xAB") == Sought("0xAB", b"\xab" + bytes(19), b"\xab" + b"\xff" * 19)
    assert sought("0xab1") == Sought("0xab1", b"\xab\x10" + bytes(18), b"\xab\x1f" + b"\xff" * 18)
    whole = bytes(range(20))
    assert sought(f"0X{whole.hex()}") == Sought(f"0X{whole.hex()}", whole, whole)
    assert sought(f"0x{whole.hex()}0").first is None


@given(st.binary(min_size=20, max_size=20), st.integers(2, 40))
def test_any_beginning_has_its_address(address: bytes, digits: int) -> None:
    """An address is among those that begin as it does, and its neighbour elsewhere is not."""
    typed = "0x" + address.hex()[:digits]
    found = sought(typed)
    assert found.first is not None
    assert found.last is not None
    assert found.first <= address <= found.last
    assert "0x" + found.first.hex() == typed.ljust(42, "0")
    assert "0x" + found.last.hex() == typed.ljust(42, "f")


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        (None, "q is missing"),
        ("", "q is empty"),
        (" \t ", "q is empty"),
        ("x" * (LONGEST + 1), "65 characters"),
        ("a\0b", "U+0000"),
        ("a\nb", "U+000A"),
        ("a\x7fb", "U+007F"),
        ("a\x9fb", "U+009F"),
        ("a\ud800b", "U+D800"),
    ],
)
def test_what_is_refused(typed: str | None, word: str) -> None:
    """Each in words of its own."""
    with pytest.raises(BadRequestError, match=word.replace("+", r"\+")):
        sought(typed)


def test_the_longest() -> None:
    """64 characters are not too many, whatever is around them."""
    assert sought(" " + "x" * LONGEST + " ").text == "x" * LONGEST
