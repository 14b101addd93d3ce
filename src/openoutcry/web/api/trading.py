"""What the routes of trading share: bodies, headers, refusals, and who asks for which bot."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec
from litestar import Request

from openoutcry.errors import BadRequestError, NotFoundError
from openoutcry.services.trading_desk import no_such_bot
from openoutcry.web.api.described import refusal
from openoutcry.web.api.pages import number_of

TAGS: Final = ["trading"]
NONE: Final = refusal("You have no such")
CLASH: Final = refusal("Not as things are now; the message says why")

Asked = Request[Any, Any, Any]

# Numbers stay as they were written: they are money.
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


async def object_of(request: Asked) -> dict[str, Any]:
    """Return a body that is an object, {} for an empty one. Raises BadRequestError."""
    content = await request.body()
    if not content.strip():
        return {}
    try:
        body = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        wrong = str(error) if isinstance(error, msgspec.DecodeError) else "it is no valid text"
        raise BadRequestError(f"body: {wrong}; it is a JSON object.") from None
    if not isinstance(body, dict):
        raise BadRequestError("body: it is a JSON object.")
    _check_texts(body)
    return body


def bot_number(text: str) -> int:
    """Return the bot id of a path. Raises NotFoundError: what is no number is no bot."""
    try:
        return number_of("bot", text)
    except BadRequestError:
        raise no_such_bot() from None


def bot_filter(text: str | None) -> int | None:
    """Return the bot id of a query, None without one. Raises BadRequestError."""
    return None if text is None else number_of("bot_id", text)


def no_such_order() -> NotFoundError:
    """Return the error for an order that is not there, or is another user's: the same words."""
    return NotFoundError("There is no such order; GET /api/v1/orders lists yours.")


def _check_texts(value: Any) -> None:
    """Refuse what no text may hold; the depth is bounded by the decoder."""
    if isinstance(value, str):
        if "\x00" in value:
            raise BadRequestError("body: a text must not hold the character U+0000.")
    elif isinstance(value, dict):
        for name, each in value.items():
            _check_texts(name)
            _check_texts(each)
    elif isinstance(value, list):
        for each in value:
            _check_texts(each)
