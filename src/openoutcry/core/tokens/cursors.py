"""Where a page of a list ended, as a text that a client sends back. Pure."""

from __future__ import annotations

import re
from typing import Final

from openoutcry.errors import BadRequestError

_TRADE: Final = re.compile(r"(\d{1,17})-(\d{1,15})-(\d{1,7})", re.ASCII)
_HOLDER: Final = re.compile(r"(\d{1,78})-([0-9a-f]{40})", re.ASCII)
_WRONG: Final = (
    "cursor is not one of ours; send the `next` of the page before, or none for the first."
)


def trade_cursor(time: int, number: int, index: int) -> str:
    """Return the cursor behind the trade of a time (µs), block and log."""
    return f"{time}-{number}-{index}"


def read_trade_cursor(text: str) -> tuple[int, int, int]:
    """Return time (µs), block and log of a cursor. Raises BadRequestError."""
    found = _TRADE.fullmatch(text)
    if found is None:
        raise BadRequestError(_WRONG)
    time, number, index = map(int, found.groups())
    if index >= 1 << 20 or number >= 1 << 43:
        raise BadRequestError(_WRONG)
    return time, number, index


def holder_cursor(balance: int, address: bytes) -> str:
    """Return the cursor behind the holder of a balance."""
    return f"{balance}-{address.hex()}"


def read_holder_cursor(text: str) -> tuple[int, bytes]:
    """Return balance and address of a cursor. Raises BadRequestError."""
    found = _HOLDER.fullmatch(text)
    if found is None:
        raise BadRequestError(_WRONG)
    return int(found[1]), bytes.fromhex(found[2])
