"""What names, passwords, labels and scopes of an account may be; each refusal says what is right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from openoutcry.errors import BadRequestError
from openoutcry.model import Scope

SHORTEST_PASSWORD: Final = 10
LONGEST_PASSWORD: Final = 200
"""Characters. Argon2 takes any length; the bound keeps a request from being the work."""

LONGEST_LABEL: Final = 60

LABEL_PATTERN: Final = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
"""No control characters, and not only blanks; as JSON Schema says it, too."""

_LABEL: Final = re.compile(LABEL_PATTERN)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_FEWEST_DIFFERENT: Final = 5


def is_name(text: str) -> bool:
    """Return whether somebody may be called so."""
    return bool(_NAME.fullmatch(text))


def check_name(name: str) -> str:
    """Return the name if one may be called so. Raises BadRequestError."""
    if not is_name(name):
        raise BadRequestError(
            f"name is {name[:40]!r}; it is 1 to 64 letters, digits and . _ @ + -,"
            " and starts with a letter or a digit."
        )
    return name


def check_password(password: str, name: str) -> str:
    """Return the password as it is hashed, if it is good enough. Raises BadRequestError.

    The length counts, and what everybody would try first is refused; no kinds of characters are
    asked for. The password itself is never in the message.
    """
    normal = normal_password(password)
    if not SHORTEST_PASSWORD <= len(normal) <= LONGEST_PASSWORD:
        raise BadRequestError(
            f"The password has {len(normal)} characters;"
            f" it has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD}."
        )
    if len(set(normal)) < _FEWEST_DIFFERENT:
        raise BadRequestError(
            f"The password repeats too few characters; use at least {_FEWEST_DIFFERENT} different."
        )
    lower = normal.lower()
    if name.lower() in lower and len(lower) - len(name) < SHORTEST_PASSWORD // 2:
        raise BadRequestError("The password is hardly more than the name; choose another.")
    if lower in _KNOWN or _is_run(lower):
        raise BadRequestError("The password is among those that are tried first; choose another.")
    return normal


def normal_password(password: str) -> str:
    """Return the password in the one form in which it is hashed, however it was typed.

    Raises BadRequestError for what is no text (half of a surrogate pair).
    """
    try:
        password.encode()
    except UnicodeEncodeError:
        raise BadRequestError("The password is not valid text (UTF-8).") from None
    return unicodedata.normalize("NFKC", password)


def check_label(label: str) -> str:
    """Return what a key is called, without blanks around it. Raises BadRequestError."""
    trimmed = label.strip()
    if len(trimmed) > LONGEST_LABEL or not _LABEL.fullmatch(trimmed):
        raise BadRequestError(
            f"name is what the key is called: 1 to {LONGEST_LABEL} characters on one line."
        )
    return trimmed


def check_scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    """Return scopes in their order, `read` always among them. Raises BadRequestError."""
    wanted = set(names)
    if unknown := sorted(wanted - set(Scope)):
        choices = ", ".join(Scope)
        raise BadRequestError(f"scope {unknown[0][:40]!r} does not exist; there are {choices}.")
    return tuple(scope for scope in Scope if scope in wanted or scope is Scope.READ)


def _is_run(text: str) -> bool:
    """Return whether each character follows the one before, as in 1234567890 or abcdefghij."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps in ({1}, {-1})


# Of the lists of leaked passwords, those of ten characters and more that lead them.
_KNOWN: Final = frozenset(
    """
    1234567890 0123456789 0987654321 1q2w3e4r5t 1qaz2wsx3edc q1w2e3r4t5 qwertyuiop qwerty1234
    qwerty12345 qwerty123456 qwertyuiop123 asdfghjkl123 zaq12wsxcde3 password12 password123
    password1234 password12345 password123456 passw0rd123 p@ssw0rd123 letmein123 welcome123
    administrator admin12345 admin123456 iloveyou123 trustno1234 changeme123 correcthorse
    correcthorsebatterystaple sunshine123 football123 baseball123 superman123 princess123
    dragon12345 monkey12345 abcd123456 abc1234567 a123456789 1234567890a 123456789a 12345678910
    11223344556 1122334455 123123123123 123456123456 12341234123 9876543210 bitcoin1234
    bitcoin12345 tothemoon123 openoutcry openoutcry1
    """.split()  # noqa: SIM905 - a list of quoted words would hide them
)
