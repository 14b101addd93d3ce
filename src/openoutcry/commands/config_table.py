"""The table of settings in docs/configuration.md, made from the Settings class itself."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

import msgspec

from openoutcry.config import PREFIX, Settings

_START, _END = "<!-- table -->", "<!-- /table -->"


def render() -> str:
    """Return the table as Markdown, one row for each setting in the order of the class."""
    lines = ["| key | environment | kind | default | meaning |", "|---|---|---|---|---|"]
    documented = _docstrings()
    known = msgspec.inspect.type_info(Settings)
    assert isinstance(known, msgspec.inspect.StructType)  # noqa: S101 - it is a Struct
    for field in known.fields:
        meaning = documented[field.name].replace("|", "\\|")
        variable = PREFIX + field.name.upper()
        default = _default(getattr(Settings(), field.name))
        kind = _kind(field.type)
        lines.append(f"| `{field.name}` | `{variable}` | {kind} | {default} | {meaning} |")
    return "\n".join(lines)


def replace(text: str) -> str:
    """Return a document with the table between its two marks made anew."""
    before, rest = text.split(_START)
    return f"{before}{_START}\n{render()}\n{_END}{rest.split(_END)[1]}"


def _docstrings() -> dict[str, str]:
    """Return the string below each field: Python itself throws them away."""
    body = ast.parse(textwrap.dedent(inspect.getsource(Settings))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - it is a class
    found = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            name = ast.unparse(field.target)
            found[name] = " ".join(str(ast.literal_eval(after.value)).split())
    return found


def _default(value: Any) -> str:
    if isinstance(value, list):
        value = ",".join(value)
    if isinstance(value, bool):
        value = str(value).lower()
    return f"`{value}`" if value != "" else "empty"


def _kind(kind: Any) -> str:
    if isinstance(kind, msgspec.inspect.LiteralType):
        return " or ".join(f"`{value}`" for value in kind.values)
    if isinstance(kind, msgspec.inspect.ListType):
        return "list (commas in the environment)"
    names: dict[Any, str] = {
        msgspec.inspect.IntType: "whole number",
        msgspec.inspect.FloatType: "number",
        msgspec.inspect.DecimalType: "exact number",
        msgspec.inspect.BoolType: "`true` or `false`",
        msgspec.inspect.StrType: "text",
    }
    signs = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
    limits = [
        f"{sign} {getattr(kind, name)}"
        for name, sign in signs
        if getattr(kind, name, None) is not None
    ]
    return ", ".join([names[type(kind)], *limits])
