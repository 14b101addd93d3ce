"""JSON bodies of requests: decoded strictly into a struct, and described in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from litestar import Request
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody
from msgspec import Struct

from openoutcry.errors import BadRequestError

T = TypeVar("T", bound=Struct)

_REF: Final = "#/components/schemas/"


async def body_of(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """Return the body as a `kind`. Raises BadRequestError that says what is wrong and what is right.

    Called by a handler, after its dependencies: who is not signed in gets a 401, whatever they sent.
    """
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        wrong = str(error) if isinstance(error, msgspec.DecodeError) else "it is no valid text"
        fields = ", ".join(
            field.encode_name if field.required else f"{field.encode_name} (optional)"
            for field in msgspec.structs.fields(kind)
        )
        raise BadRequestError(f"body: {wrong}; it is a JSON object of {fields}.") from None


def takes(kind: type[Struct]) -> type[Operation]:
    """Return the `operation_class` of a handler that calls `body_of(request, kind)`."""

    class WithBody(Operation):
        """An operation with a body of a known shape, worked out when the document is asked for."""

        def __init__(self, **told: Any) -> None:
            super().__init__(**told)
            self.request_body = RequestBody(
                content={"application/json": OpenAPIMediaType(schema=_schema(kind))}, required=True
            )

    return WithBody


def _schema(kind: type[Struct]) -> Any:
    found, components = msgspec.json.schema_components([kind], ref_template=_REF + "{name}")
    return _inlined(found[0], components)


def _inlined(schema: Any, components: dict[str, Any]) -> Any:
    """Return the schema with what it refers to put into its place."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(components[schema["$ref"].removeprefix(_REF)], components)
        return {name: _inlined(value, components) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_inlined(each, components) for each in schema]
    return schema
