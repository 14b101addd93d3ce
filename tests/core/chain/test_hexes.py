"""Addresses, hashes and quantities: what people and nodes may write, and what they are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.chain import hexes
from openoutcry.errors import BadRequestError, NodeNonsenseError

# The examples of EIP-55.
CHECKSUMMED = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("text", CHECKSUMMED)
def test_checksums_are_those_of_the_standard(text: str) -> None:
    """The standard's own examples come out as they stand there."""
    assert hexes.checksummed(hexes.address(text)) == text


@given(st.binary(min_size=20, max_size=20))
def test_an_address_is_read_as_it_is_shown(address: bytes) -> None:
    """In lower case and with its checksum it is the same address."""
    assert hexes.address(hexes.show(address)) == address
    assert hexes.address(hexes.checksummed(address)) == address


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must be 0x and 40"),
        ("0x12", "2 digits after 0x"),
        ("52908400098527886E0F7030069857D2E4169EE7", "must be 0x and 40"),
        ("0X52908400098527886E0F7030069857D2E4169EE7", "must be 0x and 40"),
        ("0x52908400098527886E0F7030069857D2E4169EE7 ", "41 digits"),
        ("0x52908400098527886E0F7030069857D2E4169EEg", "must be 0x and 40"),
        ("0x52908400098527886E0F7030069857D2E4169Ee7", "wrong checksum"),
        ("0x" + "٣" * 40, "must be 0x and 40"),
        ("0xDE709F2102306220921060314715629080E2FB77", "wrong checksum"),
    ],
)
def test_a_wrong_address_is_told_what_would_be_right(text: str, says: str) -> None:
    """Length, prefix, digits and checksum are each named."""
    with pytest.raises(BadRequestError, match=says):
        hexes.address(text)


def test_hashes_have_64_digits() -> None:
    """In any case of letters; a shorter one is told how many digits it has."""
    assert hexes.tx_hash("0x" + "aB" * 32) == b"\xab" * 32
    with pytest.raises(BadRequestError, match=r"txHash must .* 64 .*\(63 digits after 0x\)"):
        hexes.tx_hash("0x" + "a" * 63, "txHash")
    with pytest.raises(BadRequestError) as told:
        hexes.tx_hash("x" * 100_000)
    assert len(str(told.value)) < 200


@pytest.mark.parametrize(
    "value", ["", "0x", "0x00", "0x01", "12", "0xg", 12, None, "0x" + "1" * 65]
)
def test_quantities_of_nodes_are_strict(value: object) -> None:
    """No leading zeros, no decimal numbers, nothing above 256 bits."""
    with pytest.raises(NodeNonsenseError, match="the number is no quantity"):
        hexes.quantity(value, "the number")


def test_what_nodes_write_is_read() -> None:
    """Quantities, data, and words of a length."""
    assert hexes.quantity("0x0", "it") == 0
    assert hexes.quantity("0x" + "f" * 64, "it") == 2**256 - 1
    assert hexes.data("0x", "it") == b""
    assert hexes.word("0x0aFF", 2, "it") == b"\x0a\xff"
    for value in ("0x0", "0a", None, ["0x"]):
        with pytest.raises(NodeNonsenseError):
            hexes.data(value, "it")
    with pytest.raises(NodeNonsenseError, match="1 bytes instead of 2"):
        hexes.word("0x00", 2, "it")
