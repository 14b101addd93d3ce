"""API keys and refresh tokens as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.credentials import (
    KEY,
    PUBLIC_BYTES,
    REFRESH,
    digest,
    make,
    parse,
    renewed,
    same,
)

KINDS = st.sampled_from([KEY, REFRESH])
SECRETS = st.binary(min_size=32, max_size=32)


@given(KINDS, st.data(), SECRETS)
def test_text_and_back(kind: str, data: st.DataObject, secret: bytes) -> None:
    """What is written is read again, always as long, and by its own kind only."""
    size = PUBLIC_BYTES[kind]
    made = make(kind, data.draw(st.binary(min_size=size, max_size=size)), secret)
    assert parse(kind, str(made)) == made
    assert len(str(made)) == len(str(make(kind, b"\xff" * size, b"\xff" * 32)))
    assert parse(REFRESH if kind == KEY else KEY, str(made)) is None


@given(SECRETS, SECRETS)
def test_different_secrets_differ(one: bytes, other: bytes) -> None:
    """No two secrets have the same text, so none of the 256 bits is lost."""
    texts = {str(make(KEY, bytes(9), each)) for each in (one, other)}
    assert len(texts) == len({one, other})


@given(
    KINDS, st.text() | st.from_regex(r"o[kr]_[0-9A-Za-z]{0,30}_[0-9A-Za-z]{0,50}", fullmatch=True)
)
def test_anything_else_is_none(kind: str, text: str) -> None:
    """A text that is not exactly of the shape is no credential; it never raises."""
    found = parse(kind, text)
    assert found is None or str(found) == text


def test_shape() -> None:
    """The documented shape: ok_, 13 characters that people see, 43 that nobody does."""
    kind, public, secret = str(make(KEY, b"\x01" * 9, b"\x02" * 32)).split("_")
    assert (kind, len(public), len(secret)) == ("ok", 13, 43)


def test_a_newline_behind_is_not_let_pass() -> None:
    """`$` of a regular expression would let a line end pass; the whole text has to fit."""
    text = str(make(KEY, bytes(9), bytes(32)))
    assert parse(KEY, text + "\n") is None


def test_a_secret_does_not_show_itself() -> None:
    """In a traceback or a log a credential is its kind only."""
    made = make(KEY, bytes(9), b"\x07" * 32)
    assert made.secret not in repr(made)
    assert made.secret not in f"{made!r} {[made]}"


def test_renewed_keeps_the_family() -> None:
    """A renewed token is found under the same name, and proves by another secret."""
    old = make(REFRESH, bytes(18), bytes(32))
    new = renewed(old, b"\x01" * 32)
    assert (new.kind, new.public) == (old.kind, old.public)
    assert not same(digest(new.secret), digest(old.secret))


def test_too_few_random_bytes_are_a_mistake() -> None:
    """Nobody makes a weak key by accident."""
    with pytest.raises(ValueError, match="random"):
        make(KEY, bytes(9), bytes(31))
    with pytest.raises(ValueError, match="random"):
        make(KEY, bytes(8), bytes(32))
