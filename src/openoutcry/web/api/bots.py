"""`/api/v1/bots`: make bots, list, read, edit and delete them; start and stop them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

from litestar import delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import FromPath, QueryParameter
from msgspec import Struct, structs

from openoutcry.adapters.postgres import trading_reader
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.core.trading.drafts import Draft, check_live, new_bot, read_draft
from openoutcry.core.trading.events import BotAction, BotCommand, Event
from openoutcry.core.trading.wire import BotBody, GoneBody, bot_body
from openoutcry.errors import BadRequestError
from openoutcry.model import User
from openoutcry.services.trading_desk import TradingDesk, no_such_bot, now_us
from openoutcry.trading import Account, Bot, BotStatus, Position
from openoutcry.web.api.access import AsUser
from openoutcry.web.api.bodies import takes
from openoutcry.web.api.bot_bodies import EditBotBody, NewBotBody, edited
from openoutcry.web.api.described import NO_STORE, answers
from openoutcry.web.api.pages import BEFORE, LIMIT, choice_of, limit_of, number_of, text_of
from openoutcry.web.api.trading import CLASH, NONE, TAGS, Asked, bot_number, object_of

_LONGEST_NAME: Final = 64


class BotsBody(Struct, frozen=True):
    """Bots, newest first; `next` is the `before` of the following page, null on the last."""

    bots: list[BotBody]
    next: str | None


def bot_routes(pool: Pool, desk: TradingDesk) -> list[HTTPRouteHandler]:
    """Return the routes of bots."""
    return [*_reading(pool), *_describing(desk), *_telling(desk)]


def _reading(pool: Pool) -> list[HTTPRouteHandler]:
    @get(
        "/api/v1/bots",
        summary="One's bots",
        description="Newest first, page by page.",
        tags=TAGS,
        response_headers=NO_STORE,
        responses=answers(BotsBody),
    )
    async def bots(
        user: AsUser,
        *,
        status: Annotated[
            str | None,
            QueryParameter(name="status", examples=[Example("ACTIVE", value="ACTIVE")]),
        ] = None,
        exchange: Annotated[str | None, QueryParameter(name="exchange")] = None,
        ticker: Annotated[
            str | None,
            QueryParameter(name="ticker", examples=[Example("BTCUSDT", value="BTCUSDT")]),
        ] = None,
        before: Annotated[str | None, BEFORE] = None,
        limit: Annotated[str, LIMIT] = "100",
    ) -> BotsBody:
        most = limit_of(limit)
        symbol = text_of("ticker", ticker)
        query = trading_reader.bots_query(
            user.id,
            most + 1,
            status=choice_of("status", status, BotStatus),
            exchange=text_of("exchange", exchange),
            symbol=None if symbol is None else symbol.upper(),
            before=_place(before),
        )
        found = await trading_reader.read_bots(pool, query)
        page = found[:most]
        following = f"{page[-1].created_at}-{page[-1].id}" if len(found) > most else None
        return BotsBody([bot_body(bot) for bot in page], following)

    @get(
        "/api/v1/bots/{bot_id:str}",
        summary="A bot",
        description="With its parameters, its position and what it has earned.",
        tags=TAGS,
        response_headers=NO_STORE,
        responses=answers(BotBody) | {404: NONE},
    )
    async def bot(user: AsUser, bot_id: FromPath[str]) -> BotBody:
        found = await trading_reader.find_bot(pool, user.id, bot_number(bot_id))
        if found is None:
            raise no_such_bot()
        return bot_body(found)

    return [bots, bot]


def _describing(desk: TradingDesk) -> list[HTTPRouteHandler]:
    @post(
        "/api/v1/bots",
        summary="Make a bot",
        description=(
            "Parameters stand in `parameters`; a scalper's may stand on the top level as well. With"
            " `status` ACTIVE it starts at once. `GET /api/v1/strategies` describes parameters."
        ),
        tags=TAGS,
        response_headers=NO_STORE,
        responses={409: CLASH},
        operation_class=takes(NewBotBody),
    )
    async def make(request: Asked, user: AsUser) -> BotBody:
        draft = read_draft(await object_of(request))
        bot = new_bot(draft, 0, now_us())
        return await _create(desk, user, lambda _: bot, bot.symbol)

    @patch(
        "/api/v1/bots/{bot_id:str}",
        summary="Edit a bot",
        description=(
            "What is not named stays; of `parameters` and `limits` too. New parameters or limits"
            " cancel its open orders; it goes on with new ones. Strategy, exchange and ticker stay."
        ),
        tags=TAGS,
        response_headers=NO_STORE,
        responses={404: NONE, 409: CLASH},
        operation_class=takes(EditBotBody),
    )
    async def edit(request: Asked, user: AsUser, bot_id: FromPath[str]) -> BotBody:
        return await _edit(desk, user, bot_number(bot_id), await object_of(request), whole=False)

    @put(
        "/api/v1/bots/{bot_id:str}",
        summary="Describe a bot anew",
        description="As PATCH, but `parameters` and `limits` are replaced whole.",
        tags=TAGS,
        response_headers=NO_STORE,
        responses={404: NONE, 409: CLASH},
        operation_class=takes(EditBotBody),
    )
    async def replace(request: Asked, user: AsUser, bot_id: FromPath[str]) -> BotBody:
        return await _edit(desk, user, bot_number(bot_id), await object_of(request), whole=True)

    @post(
        "/api/v1/bots/{bot_id:str}/clone",
        summary="Make another bot like this one",
        description=(
            "STOPPED, without its position and its results. The body may name what is to be"
            " different, as for PATCH; the ticker too."
        ),
        tags=TAGS,
        response_headers=NO_STORE,
        responses={404: NONE, 409: CLASH},
        operation_class=takes(EditBotBody),
    )
    async def clone(request: Asked, user: AsUser, bot_id: FromPath[str]) -> BotBody:
        number = bot_number(bot_id)
        body = await object_of(request)
        symbol = await desk.symbol_of(user.id, number)

        def bot_of(account: Account) -> Bot:
            return _cloned(_own(account, number), body)

        ticker = body.get("ticker")
        return await _create(
            desk, user, bot_of, symbol, *([ticker.upper()] if isinstance(ticker, str) else [])
        )

    @delete(
        "/api/v1/bots/{bot_id:str}",
        summary="Delete a bot",
        description=(
            "Its open orders are cancelled. What it holds stays in the account; a bot that owes"
            " (leverage) has to close its position first. Orders, fills and log stay readable."
        ),
        tags=TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses=answers(GoneBody) | {404: NONE, 409: CLASH},
    )
    async def remove(user: AsUser, bot_id: FromPath[str]) -> GoneBody:
        number = bot_number(bot_id)
        context = await desk.context(await desk.symbol_of(user.id, number))

        def events(account: Account) -> list[Event]:
            return [BotCommand(BotAction.DELETE, _own(account, number).id, now_us())]

        await desk.tell(user.id, events, context)
        return GoneBody(number)

    return [make, edit, replace, clone, remove]


_DOES: Final[Mapping[str, tuple[str, str, Callable[[Bot], BotAction]]]] = {
    "start": (
        "Start a bot",
        "It takes the tape from now on. A bot that is at work stays so.",
        lambda _: BotAction.START,
    ),
    "stop": (
        "Stop a bot",
        "Its open orders are cancelled; it keeps what it holds.",
        lambda _: BotAction.STOP,
    ),
    "toggle": (
        "Start a bot that is stopped, stop one that is at work",
        "Two at once end where they began: each sees what the other has done.",
        lambda bot: BotAction.STOP if bot.status is BotStatus.ACTIVE else BotAction.START,
    ),
    "close": (
        "Close a bot's position at the market",
        "The bot is stopped, and sells what it holds; the next trades fill that order.",
        lambda _: BotAction.CLOSE,
    ),
}


def _telling(desk: TradingDesk) -> list[HTTPRouteHandler]:
    def route(name: str) -> HTTPRouteHandler:
        summary, description, action_of = _DOES[name]

        @post(
            f"/api/v1/bots/{{bot_id:str}}/{name}",
            name=f"{name}_bot",
            summary=summary,
            description=description,
            tags=TAGS,
            status_code=200,
            response_headers=NO_STORE,
            responses=answers(BotBody) | {404: NONE, 409: CLASH},
            operation_id=f"{name}Bot",
        )
        async def tell(user: AsUser, bot_id: FromPath[str]) -> BotBody:
            number = bot_number(bot_id)
            context = await desk.context(await desk.symbol_of(user.id, number))

            def events(account: Account) -> list[Event]:
                return [BotCommand(action_of(_own(account, number)), number, now_us())]

            changes = await desk.tell(user.id, events, context)
            return bot_body(changes.account.bots[number])

        return tell

    return [route(name) for name in _DOES]


async def _create(
    desk: TradingDesk, user: User, bot_of: Callable[[Account], Bot], *symbols: str
) -> BotBody:
    """Make a bot; one that is to be at work is made first and started then."""
    number = await desk.new_id()
    context = await desk.context(*symbols)

    def events(account: Account) -> Sequence[Event]:
        described = bot_of(account)
        bot = structs.replace(described, id=number, status=BotStatus.STOPPED)
        made: Event = BotCommand(BotAction.CREATE, number, bot.created_at, bot)
        if described.status is BotStatus.STOPPED:
            return [made]
        return [made, BotCommand(BotAction.START, number, bot.created_at)]

    changes = await desk.tell(user.id, events, context)
    return bot_body(changes.account.bots[number])


async def _edit(
    desk: TradingDesk, user: User, number: int, body: dict[str, Any], *, whole: bool
) -> BotBody:
    context = await desk.context(await desk.symbol_of(user.id, number))

    def events(account: Account) -> list[Event]:
        bot = _own(account, number)
        draft = edited(bot, body, whole=whole)
        now = now_us()
        told: list[Event] = [
            BotCommand(
                BotAction.EDIT,
                number,
                now,
                name=draft.name,
                parameters=draft.parameters,
                limits=draft.limits,
                leverage=draft.leverage,
            )
        ]
        if draft.status is not None and draft.status is not bot.status:
            start = draft.status is BotStatus.ACTIVE
            told.append(BotCommand(BotAction.START if start else BotAction.STOP, number, now))
        return told

    changes = await desk.tell(user.id, events, context)
    return bot_body(changes.account.bots[number])


def _cloned(bot: Bot, body: dict[str, Any]) -> Bot:
    ticker = body.get("ticker", bot.symbol)
    draft: Draft = edited(structs.replace(bot, symbol=str(ticker).upper()), body, whole=False)
    check_live(bot.exchange, live=draft.live)
    now = now_us()
    return Bot(
        id=0,
        name=draft.name or f"{bot.name[: _LONGEST_NAME - 5]} copy",
        strategy=bot.strategy,
        exchange=bot.exchange,
        symbol=draft.ticker or bot.symbol,
        status=draft.status or BotStatus.STOPPED,
        parameters=bot.parameters | (draft.parameters or {}),
        limits=bot.limits if draft.limits is None else draft.limits,
        leverage=bot.leverage if draft.leverage is None else draft.leverage,
        position=Position(),
        created_at=now,
        updated_at=now,
    )


def _own(account: Account, number: int) -> Bot:
    bot = account.bots.get(number)
    if bot is None:
        raise no_such_bot()
    return bot


def _place(text: str | None) -> tuple[int, int] | None:
    """Return the creation time and id that a page ends with. Raises BadRequestError."""
    if text is None:
        return None
    created, _, number = text.partition("-")
    try:
        return number_of("before", created, 2**53), number_of("before", number)
    except BadRequestError:
        raise BadRequestError(
            f"before is {text[:40]!r}; it is `next` of the page before."
        ) from None
