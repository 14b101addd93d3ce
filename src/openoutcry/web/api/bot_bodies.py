"""How somebody describes a bot in a request, for the document; and an edit over what there is."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct, structs

from openoutcry.core.prices import plain_text
from openoutcry.core.trading.drafts import Draft, read_draft
from openoutcry.core.trading.strategies import STRATEGIES
from openoutcry.errors import BadRequestError
from openoutcry.trading import Bot, Limits, OrderSide

Amount = Annotated[
    str | float,
    Meta(description="An exact decimal: a text, or a number that is taken as it is written."),
]
Name = Annotated[str, Meta(min_length=1, max_length=64)]

_FIXED: Final = {"strategy": "strategy", "exchange": "exchange", "ticker": "symbol"}


class LimitsDraft(Struct, frozen=True, forbid_unknown_fields=True):
    """Risk limits; null for none. `price_band` in percent from the last trade."""

    max_order: Amount | None = None
    max_position: Amount | None = None
    price_band: Amount | None = None


class NewBotBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bot to be made. A scalper's parameters may stand here instead of in `parameters`."""

    ticker: str
    name: Name | None = None
    strategy: str = "scalper"
    exchange: str = "paper"
    status: Annotated[str, Meta(description="ACTIVE or STOPPED.")] = "STOPPED"
    parameters: dict[str, Any] = {}
    limits: LimitsDraft | None = None
    leverage: Amount | None = None
    first_order: OrderSide | None = None
    quantity: Amount | None = None
    buy_price: Amount | None = None
    sell_price: Amount | None = None
    trailing_percent: Amount | None = None
    infinite_loop: bool | None = None


class EditBotBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be different."""

    name: Name | None = None
    status: Annotated[str | None, Meta(description="ACTIVE or STOPPED.")] = None
    parameters: dict[str, Any] | None = None
    limits: LimitsDraft | None = None
    leverage: Amount | None = None
    first_order: OrderSide | None = None
    quantity: Amount | None = None
    buy_price: Amount | None = None
    sell_price: Amount | None = None
    trailing_percent: Amount | None = None
    infinite_loop: bool | None = None


def edited(bot: Bot, body: dict[str, Any], *, whole: bool) -> Draft:
    """Return what a body says over a bot as it is. Raises BadRequestError.

    Of parameters and limits that which is not named stays, unless they are said `whole`.
    """
    said = dict(body)
    if not whole and isinstance(said.get("limits"), dict):
        said["limits"] = _limits(bot.limits) | said["limits"]
    draft = read_draft(said, bot.strategy)
    for name, field in _FIXED.items():
        wanted, has = getattr(draft, name), getattr(bot, field)
        if wanted is not None and wanted != has:
            raise BadRequestError(
                f"{name} is {has} and stays so; clone the bot, or make another one."
            )
    if not whole:
        return draft
    if draft.parameters is None:
        raise BadRequestError("parameters are missing; PATCH changes only what it names.")
    # An edit keeps what it does not name; named with nothing they are what they are by default.
    every = [field.name for field in structs.fields(STRATEGIES[bot.strategy].parameters)]
    parameters = dict.fromkeys(every) | draft.parameters
    return structs.replace(draft, parameters=parameters, limits=draft.limits or Limits())


def _limits(limits: Limits) -> dict[str, str | None]:
    return {
        name: None if value is None else plain_text(value)
        for name, value in structs.asdict(limits).items()
    }
