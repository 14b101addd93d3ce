"""What a token is called, as far as a database can hold it: its maker may write anything."""

from __future__ import annotations


def printable(words: str) -> str:
    """Return text without zero bytes, which PostgreSQL refuses, and lone surrogates as marks."""
    return words.replace("\0", "").encode(errors="replace").decode()
