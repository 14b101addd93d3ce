"""A bot as somebody describes it: the body of a request, or a file; flat or nested."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, structs

from openoutcry.core.trading.strategies import STRATEGIES
from openoutcry.core.trading.strategies.reading import ParameterError, read
from openoutcry.errors import BadRequestError
from openoutcry.trading import Bot, BotStatus, Limits

FLAT: Final = (
    "first_order",
    "quantity",
    "buy_price",
    "sell_price",
    "trailing_percent",
    "infinite_loop",
)
"""A scalper's parameters, which may also stand on the top level."""

_FIELDS: Final = (
    "name",
    "strategy",
    "exchange",
    "ticker",
    "status",
    "parameters",
    "limits",
    "leverage",
)


class _LimitsDraft(Struct, frozen=True):
    max_order: Annotated[Decimal | None, Meta(description="The most one order may be worth.")] = (
        None
    )
    max_position: Annotated[Decimal | None, Meta(description="The most held, at cost.")] = None
    price_band: Annotated[Decimal | None, Meta(description="Percent from the last trade.")] = None


class _LeverageDraft(Struct, frozen=True):
    leverage: Annotated[Decimal, Meta(description="From 1 to 10.")] = Decimal(1)


class Draft(Struct, frozen=True):
    """What was said; None where nothing was."""

    name: str | None = None
    strategy: str | None = None
    exchange: str | None = None
    ticker: str | None = None
    status: BotStatus | None = None
    parameters: dict[str, Any] | None = None
    limits: Limits | None = None
    leverage: Decimal | None = None


def read_draft(body: Mapping[str, Any], strategy: str | None = None) -> Draft:
    """Return what a body says. Raises BadRequestError with every problem of its form at once.

    `strategy` is that of the bot which is edited. Decode JSON with `float_hook=Decimal` and TOML
    with `parse_float=Decimal`, so that numbers are exact.
    """
    if problems := _form_problems(body):
        raise BadRequestError(" ".join(problems))
    try:
        limits = _limits(body.get("limits"))
        leverage = _leverage(body.get("leverage"))
    except ParameterError as error:
        raise BadRequestError(str(error)) from None
    status, ticker = body.get("status"), body.get("ticker")
    return Draft(
        name=body.get("name"),
        strategy=body.get("strategy"),
        exchange=body.get("exchange"),
        ticker=None if ticker is None else ticker.upper(),
        status=None if status is None else BotStatus(status),
        parameters=_parameters(body, body.get("strategy") or strategy or "scalper"),
        limits=limits,
        leverage=leverage,
    )


def _form_problems(body: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []
    unknown = [name for name in body if name not in (*_FIELDS, *FLAT)]
    if unknown:
        problems.append(
            f"{', '.join(unknown)}: there is no such field; there are {', '.join(_FIELDS)}."
        )
    texts = ("name", "strategy", "exchange", "ticker", "status")
    objects = ("parameters", "limits")
    problems += [f"{name} must be a text." for name in texts if not _is(body.get(name), str)]
    problems += [
        f"{name} must be an object." for name in objects if not _is(body.get(name), Mapping)
    ]
    status = body.get("status")
    if isinstance(status, str) and status not in (BotStatus.ACTIVE, BotStatus.STOPPED):
        problems.append(f"status must be ACTIVE or STOPPED, not {status}.")
    return problems


def _is(value: Any, kind: type) -> bool:
    return value is None or isinstance(value, kind)


def _limits(value: Mapping[str, Any] | None) -> Limits | None:
    return None if value is None else Limits(**structs.asdict(read(_LimitsDraft, value)))


def _leverage(value: Any) -> Decimal | None:
    if value is None:
        return None
    leverage: Decimal = read(_LeverageDraft, {"leverage": value}).leverage
    return leverage


def _parameters(body: Mapping[str, Any], strategy: str) -> dict[str, Any] | None:
    flat = {name: body[name] for name in FLAT if name in body}
    nested = body.get("parameters")
    if flat and strategy != "scalper":
        names = ", ".join(flat)
        raise BadRequestError(f"{names}: a {strategy} bot's parameters stand in `parameters`.")
    if not flat:
        return None if nested is None else dict(nested)
    return dict(nested or {}) | flat


def new_bot(draft: Draft, bot_id: int, time: int) -> Bot:
    """Return the bot that a draft describes, for a CREATE. Raises BadRequestError.

    Whether its values make sense is for the fold to say. Without `status` it is STOPPED.
    """
    strategy = draft.strategy or "scalper"
    if draft.ticker is None:
        raise BadRequestError("ticker is missing, such as BTCUSDT.")
    if strategy not in STRATEGIES:
        raise BadRequestError(f"strategy must be one of {', '.join(STRATEGIES)}, not {strategy}.")
    return Bot(
        id=bot_id,
        name=draft.name or f"{strategy} {draft.ticker}",
        strategy=strategy,
        exchange=draft.exchange or "paper",
        symbol=draft.ticker,
        status=draft.status or BotStatus.STOPPED,
        parameters=draft.parameters or {},
        limits=draft.limits or Limits(),
        leverage=draft.leverage or Decimal(1),
        created_at=time,
        updated_at=time,
    )
