"""Parameters as JSON values, read with complaints that a trader understands."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from msgspec import Struct, structs

from openoutcry.core.intervals import INTERVALS, IntervalName
from openoutcry.core.prices import plain_text

_MOST_TEXT: Final = 64
_TOO_LONG: Final = 18


class ParameterError(ValueError):
    """Parameters cannot be read; `problems` says why, a sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def read(kind: type[Struct], values: Mapping[str, Any]) -> Any:
    """Return `values` as a Struct of `kind`. Raises ParameterError with every problem at once."""
    problems: list[str] = []
    found: dict[str, Any] = {}
    plan = _plan(kind)
    known = [name for name, _, _ in plan]
    problems += [
        f"{name} is not a parameter of this; the parameters are {', '.join(known)}."
        for name in values
        if name not in known
    ]
    for name, wanted, required in plan:
        value = values.get(name)
        if value is None:
            if required:
                problems.append(f"{name} is missing.")
            continue
        try:
            found[name] = _read(wanted, value)
        except ValueError as error:
            problems.append(f"{name} must be {error}, not {_shown(value)}.")
    if problems:
        raise ParameterError(problems)
    return kind(**found)


def to_json(parameters: Struct) -> dict[str, Any]:
    """Return parameters as JSON values: amounts are decimal strings."""
    return {name: _written(value) for name, value in structs.asdict(parameters).items()}


def describe(kind: type[Struct]) -> list[tuple[str, str, str, str]]:
    """Return each parameter's name, kind of value, default (empty: required) and meaning."""
    hints = get_type_hints(kind, include_extras=True)
    rows = []
    for field in structs.fields(kind):
        meta = get_args(hints[field.name])[1]
        default = "" if field.required else _shown(_written(field.default))
        default = "none" if field.default is None else default
        rows.append((field.name, _kind_text(_bare(hints[field.name])), default, meta.description))
    return rows


@cache
def _plan(kind: type[Struct]) -> list[tuple[str, Any, bool]]:
    """Return each field's name, its type and whether it is required; looking is slow."""
    hints = get_type_hints(kind)
    return [
        (field.name, _bare(hints[field.name]), field.required) for field in structs.fields(kind)
    ]


def _bare(hint: Any) -> Any:
    """Return the type without `Annotated` and without `None`."""
    if hasattr(hint, "__metadata__"):
        hint = get_args(hint)[0]
    if get_origin(hint) in {Union, UnionType}:
        hint = next(part for part in get_args(hint) if part is not type(None))
    return hint


def _read(kind: Any, value: Any) -> Any:
    if kind is Decimal:
        return _decimal(value)
    if kind is bool:
        if isinstance(value, bool):
            return value
        raise ValueError("true or false")
    if kind is int:
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
            return value
        raise ValueError("a whole number")
    if choices := _choices(kind):
        if isinstance(value, str) and value in choices:
            return kind(value)
        raise ValueError(f"one of {', '.join(choices)}")
    if isinstance(value, str) and len(value) <= _MOST_TEXT:
        return value
    raise ValueError("a text")


def _choices(kind: Any) -> list[str]:
    if kind is IntervalName:
        return list(INTERVALS)
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return []


def _decimal(value: Any) -> Decimal:
    known = isinstance(value, (str, int, float, Decimal)) and not isinstance(value, bool)
    text = str(value)
    try:
        number = Decimal(text if known and len(text) <= _MOST_TEXT else "NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError("a decimal number such as 0.01")  # noqa: TRY004 - the value is wrong
    if number.adjusted() >= _TOO_LONG or exponent < -_TOO_LONG:
        raise ValueError("a number with at most 18 digits before the point and 18 behind it")
    return number


def _written(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain_text(value)
    return value.value if isinstance(value, Enum) else value


_KINDS: Final[dict[Any, str]] = {
    Decimal: "number",
    bool: "true or false",
    int: "whole number",
    IntervalName: "candle length",
}


def _kind_text(kind: Any) -> str:
    return _KINDS.get(kind) or " or ".join(_choices(kind)) or "text"


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"
