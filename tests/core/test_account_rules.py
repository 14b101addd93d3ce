"""What names, passwords, labels and scopes may be."""

from __future__ import annotations

import pytest

from openoutcry.core.account_rules import (
    check_label,
    check_name,
    check_password,
    check_scopes,
    normal_password,
)
from openoutcry.errors import BadRequestError
from openoutcry.model import Scope


@pytest.mark.parametrize("name", ["a", "Ada", "ada.l@example.org", "x" * 64, "0-_+"])
def test_names(name: str) -> None:
    """Names are ASCII, as people and mail addresses are written."""
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", " ada", "ada ", "_a", "a b", "é", "x" * 65, "a\n", "İ", "a\0"]
)
def test_other_names(name: str) -> None:
    """Whatever could look like another name, or not be typed, is refused."""
    with pytest.raises(BadRequestError, match="letters, digits"):
        check_name(name)


@pytest.mark.parametrize(
    "password",
    [
        "eleven brown otters",
        "x7#kq0Zp1!",
        "пароль-надёжный",
        "ada ada likes long walks",
        "a b c d e f",
    ],
)
def test_passwords(password: str) -> None:
    """Length is what counts; any character will do, blanks too."""
    assert check_password(password, "ada")


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("short", "has 5 characters"),
        ("x" * 201, "has 201 characters"),
        ("aaaaaaaaaaaa", "too few"),
        ("abababababab", "too few"),
        ("1234567890", "tried first"),
        ("bcdefghijklm", "tried first"),
        ("Password1234", "tried first"),
        ("correcthorse", "tried first"),
        ("ada.lovelace1", "more than the name"),
        ("half \ud800 of a pair", "not valid text"),
    ],
)
def test_other_passwords(password: str, says: str) -> None:
    """What is guessed first is refused, and the refusal never repeats it."""
    with pytest.raises(BadRequestError, match=says) as refusal:
        check_password(password, "ada.lovelace")
    assert password not in str(refusal.value)


def test_one_password_however_it_was_typed() -> None:
    """An accent typed as one character or as two is the same password."""
    assert normal_password("caf\u00e9 au lait") == normal_password("cafe\u0301 au lait")


def test_labels() -> None:
    """A key's name is one printable line."""
    assert check_label("  price bot ") == "price bot"
    for label in ("", "  ", "x" * 61, "two\nlines", "\x1b[31m", "a\x85b", "a\0"):
        with pytest.raises(BadRequestError, match="1 to 60"):
            check_label(label)


def test_scopes() -> None:
    """Read is always there, each stands once and in order, and unknown ones are named."""
    assert check_scopes([]) == (Scope.READ,)
    assert check_scopes(["admin", "trade", "trade"]) == (Scope.READ, Scope.TRADE, Scope.ADMIN)
    with pytest.raises(BadRequestError, match="'fly' does not exist; there are read, trade, admin"):
        check_scopes(["read", "fly"])
