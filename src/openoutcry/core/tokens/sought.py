"""What somebody has typed to find a token."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from msgspec import Struct

from openoutcry.core.chain.hexes import ADDRESS_BYTES
from openoutcry.errors import BadRequestError

LONGEST: Final = 64
NAMED: Final = 256
"""So many characters of a name are searched for words."""

_DIGITS: Final = 2 * ADDRESS_BYTES
_BEGINNING: Final = re.compile(rf"0[xX]([0-9a-fA-F]{{2,{_DIGITS}}})")
_WHAT: Final = "the beginning of a symbol, a name, or an address"


class Sought(Struct, frozen=True):
    """The text that a symbol, a name or a word of it begins with, in any case of letters.

    `first` and `last` are the ends of the addresses that begin so, both inclusive; None where it is
    not the beginning of one.
    """

    text: str
    first: bytes | None = None
    last: bytes | None = None


def sought(typed: str | None) -> Sought:
    """Return what is to be found. Raises BadRequestError that says what would be right.

    What begins with 0x and two or more hexadecimal digits may be an address: its checksum is of no
    concern, because it is only the beginning of one.
    """
    if typed is None:
        raise BadRequestError(f"q is missing; give {_WHAT}.")
    text = typed.strip()
    if not text:
        raise BadRequestError(f"q is empty; give {_WHAT}.")
    if len(text) > LONGEST:
        raise BadRequestError(f"q has {len(text)} characters; it may have {LONGEST}.")
    for character in text:
        # Surrogates (Cs) cannot be written in UTF-8.
        if unicodedata.category(character) in {"Cc", "Cs"}:
            named = f"U+{ord(character):04X}"
            raise BadRequestError(f"q has the control character {named} in it; leave it out.")
    if found := _BEGINNING.fullmatch(text):
        digits = found[1]
        ends = (bytes.fromhex(digits.ljust(_DIGITS, fill)) for fill in "0f")
        return Sought(text, *ends)
    return Sought(text)
