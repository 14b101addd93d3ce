"""`/api/v1/exchange-keys`: keys of live exchanges; they go in, and never come out again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Meta, Struct

from openoutcry.adapters.postgres.exchange_keys import ExchangeKey
from openoutcry.core.account_rules import LABEL_PATTERN, LONGEST_LABEL
from openoutcry.errors import BadRequestError, NotFoundError
from openoutcry.services.exchange_keys import ExchangeKeys
from openoutcry.web.api.access import SignedIn
from openoutcry.web.api.bodies import body_of, takes
from openoutcry.web.api.candles import iso
from openoutcry.web.api.described import NO_STORE, answers
from openoutcry.web.api.pages import number_of
from openoutcry.web.api.trading import CLASH, NONE, Asked

_TAGS: Final = ["accounts"]
_NO_SUCH: Final = "There is no such key; GET /api/v1/exchange-keys lists yours."


class NewExchangeKeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A key of an exchange, and what to call it."""

    exchange: Annotated[str, Meta(max_length=40, description="Such as `binance`.")]
    name: Annotated[str, Meta(max_length=LONGEST_LABEL, pattern=LABEL_PATTERN)]
    api_key: Annotated[str, Meta(max_length=512)]
    secret: Annotated[str, Meta(max_length=4096)]

    def __repr__(self) -> str:
        """Tell no secret: tracebacks and logs print values."""
        return "NewExchangeKeyBody(***)"


class ExchangeKeyItem(Struct, frozen=True):
    """What may be told of a key; `hint` is its end, empty for short ones. Time in ISO 8601."""

    id: int
    exchange: str
    name: str
    hint: str
    created_at: str


class ExchangeKeysBody(Struct, frozen=True):
    """A user's keys."""

    keys: list[ExchangeKeyItem]


class RemovedKeyBody(Struct, frozen=True):
    """The id of the key that is gone."""

    removed: int


def exchange_key_routes(keys: ExchangeKeys) -> Sequence[HTTPRouteHandler]:
    """Return the routes of keys of exchanges; for who has signed in, not for API keys."""

    @get(
        "/api/v1/exchange-keys",
        summary="One's keys of exchanges",
        description="Without the keys: only their ends, to tell them apart.",
        tags=_TAGS,
        response_headers=NO_STORE,
        responses=answers(ExchangeKeysBody),
    )
    async def shown(signed_in: SignedIn) -> ExchangeKeysBody:
        return ExchangeKeysBody([_item(each) for each in await keys.list(signed_in.user)])

    @post(
        "/api/v1/exchange-keys",
        summary="Store a key of an exchange",
        description=(
            "It is encrypted, and never shown again. Make it at the exchange for this alone: allowed to"
            " trade, not to withdraw, and only from this machine's address. One for each exchange."
        ),
        tags=_TAGS,
        response_headers=NO_STORE,
        responses={409: CLASH},
        operation_class=takes(NewExchangeKeyBody),
    )
    async def add(request: Asked, signed_in: SignedIn) -> ExchangeKeyItem:
        body = await body_of(request, NewExchangeKeyBody)
        return _item(
            await keys.add(signed_in.user, body.exchange, body.name, body.api_key, body.secret)
        )

    @delete(
        "/api/v1/exchange-keys/{key_id:str}",
        summary="Remove a key of an exchange",
        description="Not while bots are at work at that exchange, or have orders there.",
        tags=_TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses=answers(RemovedKeyBody) | {404: NONE, 409: CLASH},
    )
    async def remove(signed_in: SignedIn, key_id: FromPath[str]) -> RemovedKeyBody:
        try:
            number = number_of("key", key_id)
        except BadRequestError:
            raise NotFoundError(_NO_SUCH) from None
        await keys.remove(signed_in.user, number)
        return RemovedKeyBody(number)

    return [shown, add, remove]


def _item(key: ExchangeKey) -> ExchangeKeyItem:
    return ExchangeKeyItem(key.id, key.exchange, key.name, key.hint, iso(key.created_time))
