"""API keys and refresh tokens as text: `ok_<prefix>_<secret>`, `or_<family>_<secret>`."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from msgspec import Struct

KEY: Final = "ok"
"""What an API key starts with."""

REFRESH: Final = "or"
"""What a refresh token starts with."""

SECRET_BYTES: Final = 32
"""Random bytes of a secret part: nobody guesses 256 bits, however many tries there are."""

PUBLIC_BYTES: Final = {KEY: 9, REFRESH: 18}
"""Random bytes of the first part, by which the row is found."""

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Credential(Struct, frozen=True):
    """The parts of an API key or of a refresh token.

    `public` finds the row: of an API key it is the prefix that people see, of a refresh token what
    all tokens of a session share. `secret` proves.
    """

    kind: str
    public: str
    secret: str

    def __str__(self) -> str:
        return f"{self.kind}_{self.public}_{self.secret}"

    def __repr__(self) -> str:
        # A secret must not get into a log by way of a traceback or an f-string.
        return f"Credential({self.kind}_…)"


def make(kind: str, public: bytes, secret: bytes) -> Credential:
    """Return a credential of random bytes: `PUBLIC_BYTES[kind]` and `SECRET_BYTES` of them."""
    if len(public) != PUBLIC_BYTES[kind]:
        raise ValueError("wrong number of random bytes")
    return renewed(Credential(kind, _base62(public), ""), secret)


def renewed(old: Credential, secret: bytes) -> Credential:
    """Return a credential with the same public part and another secret."""
    if len(secret) != SECRET_BYTES:
        raise ValueError("wrong number of random bytes")
    return Credential(old.kind, old.public, _base62(secret))


def parse(kind: str, text: str) -> Credential | None:
    """Return the parts of `text`, or None if it is no credential of this kind."""
    match = _SHAPES[kind].fullmatch(text)
    return Credential(kind, match[1], match[2]) if match else None


def digest(text: str) -> bytes:
    """Return the sha-256 under which a secret is stored."""
    return hashlib.sha256(text.encode()).digest()


def same(one: bytes, other: bytes) -> bool:
    """Return whether two digests are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)


def _base62(data: bytes) -> str:
    """Return the bytes in letters and digits, always as long as so many bytes can need."""
    number, digits = int.from_bytes(data), []
    for _ in range(_length(len(data))):
        number, rest = divmod(number, 62)
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))


def _length(size: int) -> int:
    """Return how many base 62 digits `size` bytes can need."""
    most, length = 256**size - 1, 0
    while most:
        most, length = most // 62, length + 1
    return length


_SHAPES: Final = {
    kind: re.compile(
        rf"{kind}_([0-9A-Za-z]{{{_length(size)}}})_([0-9A-Za-z]{{{_length(SECRET_BYTES)}}})"
    )
    for kind, size in PUBLIC_BYTES.items()
}
