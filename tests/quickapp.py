"""Litestar's reading of handlers, once a process: every test's application has the same ones.

Half the time of making the application goes into evaluating the annotations of its two hundred
handlers. What they say is the same each time; the objects a handler works with are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import pytest
from litestar._signature import SignatureModel
from litestar.utils.signature import ParsedSignature


def remember_signatures(patch: pytest.MonkeyPatch) -> None:
    """Let Litestar read functions that are written the same only once, until `patch` is undone."""
    patch.setattr(ParsedSignature, "from_fn", classmethod(_parsed(ParsedSignature.from_fn)))
    patch.setattr(SignatureModel, "create", classmethod(_modelled(SignatureModel.create)))


def _parsed(read: Callable[..., ParsedSignature]) -> Callable[..., ParsedSignature]:
    known: dict[Hashable, ParsedSignature] = {}

    def from_fn(_: Any, fn: Any, signature_namespace: dict[str, Any]) -> ParsedSignature:
        if not hasattr(fn, "__code__"):
            return read(fn, signature_namespace)
        key = (
            fn.__code__,
            fn.__defaults__,
            tuple((fn.__kwdefaults__ or {}).items()),
            tuple(fn.__annotations__.items()),
            frozenset(signature_namespace),
        )
        if key not in known:
            known[key] = read(fn, signature_namespace)
        return known[key]

    return from_fn


def _modelled(
    make: Callable[..., type[SignatureModel]],
) -> Callable[..., type[SignatureModel]]:
    # The signature is kept beside its model, so that no other can come to have its id.
    known: dict[Hashable, tuple[ParsedSignature, type[SignatureModel]]] = {}

    def create(_: Any, **told: Any) -> type[SignatureModel]:
        if told.get("data_dto"):
            return make(**told)
        parsed = told["parsed_signature"]
        key = (id(parsed), told["fn"].__code__, frozenset(told["dependency_name_set"]))
        if key not in known:
            known[key] = parsed, make(**told)
        return known[key][1]

    return create
