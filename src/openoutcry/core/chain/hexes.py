"""Addresses, hashes and quantities between their hexadecimal form and ours.

Two kinds of reader: `address` and `tx_hash` judge what people typed, and say what would be right;
`data`, `word` and `quantity` judge what a node said.
"""

from __future__ import annotations

import re
from typing import Final

from eth_hash.backends.pycryptodome import keccak256

from openoutcry.errors import BadRequestError, NodeNonsenseError

ADDRESS_BYTES: Final = 20
HASH_BYTES: Final = 32

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_HASH: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_DATA: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_QUANTITY: Final = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})")
_SHOWN: Final = 70


def show(data: bytes) -> str:
    """Return `0x` and lower-case hexadecimal: the form of addresses and hashes in our JSON."""
    return "0x" + data.hex()


def checksummed(address: bytes) -> str:
    """Return an address with the upper-case letters that EIP-55 gives it."""
    digits = address.hex()
    marks = keccak256(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(mark, 16) >= 8 else digit
        for digit, mark in zip(digits, marks[: len(digits)], strict=True)
    )


def address(text: str, what: str = "the address") -> bytes:
    """Return the 20 bytes of an address that a person typed.

    Letters are all lower case, or mixed as EIP-55 says: a mixed one proves that nothing was mistyped.
    Raises BadRequestError that names `what` and says what would be right.
    """
    if not _ADDRESS.fullmatch(text):
        raise BadRequestError(
            f"{what} must be 0x and 40 hexadecimal digits, not {_shown(text)}{_counted(text, 40)}"
        )
    found = bytes.fromhex(text[2:])
    if text[2:] != text[2:].lower() and text != checksummed(found):
        raise BadRequestError(
            f"{what} {_shown(text)} has a wrong checksum: a digit or the case of a letter is wrong;"
            " compare it with where it came from, or write it in lower case if you are sure of it"
        )
    return found


def tx_hash(text: str, what: str = "the transaction hash") -> bytes:
    """Return the 32 bytes of a hash that a person typed, in any case of letters.

    Raises BadRequestError that names `what` and says what would be right.
    """
    if not _HASH.fullmatch(text):
        raise BadRequestError(
            f"{what} must be 0x and 64 hexadecimal digits, not {_shown(text)}{_counted(text, 64)}"
        )
    return bytes.fromhex(text[2:])


def data(value: object, what: str) -> bytes:
    """Return the bytes that a node wrote as hexadecimal. Raises NodeNonsenseError."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise NodeNonsenseError(f"{what} is no hexadecimal data: {_shown(value)}")
    return bytes.fromhex(value[2:])


def word(value: object, length: int, what: str) -> bytes:
    """Return exactly `length` bytes that a node wrote. Raises NodeNonsenseError."""
    found = data(value, what)
    if len(found) != length:
        raise NodeNonsenseError(f"{what} has {len(found)} bytes instead of {length}")
    return found


def quantity(value: object, what: str) -> int:
    """Return a number that a node wrote: 0x, no leading zeros, at most 256 bits.

    Raises NodeNonsenseError.
    """
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise NodeNonsenseError(f"{what} is no quantity: {_shown(value)}")
    return int(value, 16)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _counted(text: str, digits: int) -> str:
    got = len(text) - 2
    if not text.startswith("0x") or got == digits:
        return ""
    return f" ({got} digits after 0x)"
