"""The API as one ASGI application: collaborators in, application out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Message, Scope
from redis.asyncio import Redis

from openoutcry.adapters.ccxt_exchange import has_ccxt
from openoutcry.adapters.postgres.candle_reader import CandleReader
from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.pool import Pool, Source
from openoutcry.adapters.postgres.reads import RoutedReads
from openoutcry.adapters.postgres.sparklines import Sparklines
from openoutcry.adapters.valkey.alert_board import AlertBoard
from openoutcry.adapters.valkey.price_board import PriceBoard
from openoutcry.adapters.valkey.trade_counts import TradeCounts
from openoutcry.adapters.valkey.tries import SharedTries
from openoutcry.adapters.valkey.weight import SteadyBudget
from openoutcry.config import Settings, paper_balances
from openoutcry.core.client_address import networks
from openoutcry.core.coins import parse_coins
from openoutcry.core.trading.events import LIVE_EXCHANGES
from openoutcry.services.account_events import AccountEvents
from openoutcry.services.accounts import Accounts, secret_of
from openoutcry.services.books import BookReader
from openoutcry.services.candle_pages import PageReader
from openoutcry.services.database_figures import FRESH, KnownFigures
from openoutcry.services.exchange_keys import ExchangeKeys
from openoutcry.services.identity import Identities
from openoutcry.services.passwords import Passwords
from openoutcry.services.price_asker import PriceRules
from openoutcry.services.prices import Prices, Silent
from openoutcry.services.ready_pages import ReadyPages
from openoutcry.services.sign_in_limits import SignInLimits, SignInOptions
from openoutcry.services.status import collect
from openoutcry.services.store_market import StoreMarket
from openoutcry.services.token_desk import TokenDesk
from openoutcry.services.tokens import AccessTokens
from openoutcry.services.trade_stats import KnownStats
from openoutcry.services.trading_desk import DeskRules, TradingDesk
from openoutcry.services.wrong_keys import WrongKeys
from openoutcry.web.api.access import access_dependencies, identifier, say_who_may
from openoutcry.web.api.activity import log_routes
from openoutcry.web.api.alerts import alert_routes
from openoutcry.web.api.allow import tell_all_methods
from openoutcry.web.api.analytics import analytics_routes
from openoutcry.web.api.auth import auth_routes
from openoutcry.web.api.binance import binance_routes
from openoutcry.web.api.bots import bot_routes
from openoutcry.web.api.candles import candle_routes
from openoutcry.web.api.client import address_of
from openoutcry.web.api.cors import allow_origins
from openoutcry.web.api.database import database_routes
from openoutcry.web.api.errors import HANDLERS
from openoutcry.web.api.exchange_keys import exchange_key_routes
from openoutcry.web.api.health import health_routes
from openoutcry.web.api.hot import serve_hot
from openoutcry.web.api.limit import limit_requests
from openoutcry.web.api.live import Live
from openoutcry.web.api.market_lock import lock_market_data, open_what_asks
from openoutcry.web.api.markets import MarketsBody, market_routes
from openoutcry.web.api.metrics import RequestMetrics, instrument, metrics_routes
from openoutcry.web.api.openapi import openapi_config
from openoutcry.web.api.orders import order_routes
from openoutcry.web.api.portfolio import portfolio_routes
from openoutcry.web.api.prices import AGGREGATED, Aggregated, price_routes
from openoutcry.web.api.public import TRADES, PublicStats, public_routes
from openoutcry.web.api.site import STATIC, site_routes
from openoutcry.web.api.status_cache import StatusCache
from openoutcry.web.api.strategies import strategy_routes
from openoutcry.web.api.system import system_routes
from openoutcry.web.api.token_trades import CONFIRM, LIMITED, token_trade_routes
from openoutcry.web.api.tokens import token_routes
from openoutcry.web.api.udf import udf_routes
from openoutcry.web.api.users import user_routes
from openoutcry.web.api.widget import widget_routes

_MOST_BODY: Final = 1_000_000


def create_app(
    pool: Pool,
    valkey: Redis,
    settings: Settings,
    *,
    version: str,
    metrics: RequestMetrics | None = None,
    static: Path = STATIC,
    ttl: float = 1.0,
    live: Live | None = None,
    prices: Prices | None = None,
    budget: SteadyBudget | None = None,
    tokens: TokenDesk | None = None,
    reads: RoutedReads | None = None,
) -> ASGIApp:
    """Return the application; nothing is asked of `pool` or `valkey` before the first request.

    What is cheap to keep (coverage, instruments, status) is kept for `ttl` seconds. `live` is what
    runs beside the application; without it nothing else is kept. `prices` and the weight `budget` that
    they are asked for within run beside it as well; without them there are only those in Valkey.
    `tokens` too; without, no chain is followed.
    What is not of this moment is read by way of `reads`, from a replica if there is one.
    """
    metrics = metrics or RequestMetrics()
    reads = reads or RoutedReads(pool)
    live = live or Live.idle(pool, valkey, settings, ttl=ttl, reads=reads)
    prices = prices or Prices(Silent(), PriceBoard(valkey), PriceRules())
    aggregated = Aggregated(prices, parse_coins(settings.price_symbols))
    instruments = InstrumentReader(pool, ttl)
    pages = PageReader(live.blocks, ReadyPages(settings.candle_cache_mb << 18))
    market = StoreMarket(pool, instruments, pages, BookReader(valkey), live.time, history=reads)
    stats = PublicStats(KnownStats(TradeCounts(valkey)))
    cache = StatusCache(lambda: collect(pool, valkey, settings, reads.status()), ttl)
    figures = KnownFigures(pool, FRESH * min(ttl, 1.0))
    trusted = networks(settings.trusted_proxies)
    events, passwords = AccountEvents(), Passwords()
    limits = _limits(valkey, settings)
    accounts, identities = _accounts(pool, settings, passwords, limits, events)
    identify = identifier(identities, WrongKeys(limits, events), trusted)
    public = settings.public_market_data
    app = Litestar(
        route_handlers=[
            *candle_routes(CandleReader(pool, ttl), pages, instruments),
            *system_routes(
                reads,
                instruments,
                cache,
                ws_url=settings.public_ws_url,
                ws_port=settings.ws_port,
                version=version,
                public_market_data=public,
                live_exchanges=LIVE_EXCHANGES if _is_live(settings) else (),
                sign_up=settings.sign_up == "open",
                tokens=tokens is not None,
            ),
            *binance_routes(market, live.weights, partial(address_of, trusted=trusted)),
            *udf_routes(instruments, pages, live.time, settings.venue),
            *price_routes(prices, aggregated, budget, settings.price_symbol_fresh_seconds),
            *market_routes(MarketsBody(prices, instruments, Sparklines(pool, 60 * ttl), ttl)),
            *public_routes(stats),
            *token_routes(tokens),
            *token_trade_routes(
                tokens, settings.token_cache_mb << 20, settings.token_cache_seconds
            ),
            *health_routes(
                cache, settings.required_roles, ["indexer"] if settings.chain_rpc_urls else []
            ),
            *metrics_routes(cache, metrics, events, figures),
            *database_routes(figures, reads, tokens=bool(settings.chain_rpc_urls)),
            *alert_routes(AlertBoard(valkey, "")),
            *auth_routes(accounts, trusted),
            *user_routes(pool, passwords, identities),
            *trading_routes(
                pool, TradingDesk(pool, valkey, instruments, _desk_rules(settings)), reads
            ),
            *exchange_key_routes(ExchangeKeys(pool, partial(secret_of, pool, settings.secret_key))),
            *widget_routes(settings.public_ws_url, settings.ws_port),
            *site_routes(static),
        ],
        dependencies=access_dependencies(identify),
        middleware=[] if public else [lock_market_data(identify)],
        on_app_init=[say_who_may] if public else [say_who_may, open_what_asks],
        exception_handlers=HANDLERS,
        openapi_config=openapi_config(version),
        request_max_body_size=_MOST_BODY,
        before_send=[_no_sniffing, tell_all_methods],
        debug=False,
    )
    # What has to ask who comes cannot be ready in front of that.
    hot = {AGGREGATED: aggregated.hot, TRADES: stats.hot} if public else {TRADES: stats.hot}
    limited = limit_requests(serve_hot(app, hot), live.limits, trusted)
    if tokens is not None:
        limited = limit_requests(limited, live.token_limits, trusted, LIMITED)
        limited = limit_requests(limited, live.confirm_limits, trusted, (CONFIRM,))
    open_to = allow_origins(
        limited, settings.allowed_origins, settings.public_origins, credentials=not public
    )
    return instrument(open_to, metrics)


def trading_routes(pool: Pool, desk: TradingDesk, reads: Source) -> list[HTTPRouteHandler]:
    """Return the routes of trading."""
    return [
        *bot_routes(pool, desk),
        *order_routes(pool, desk),
        *log_routes(pool, desk),
        *analytics_routes(pool, desk, reads),
        *portfolio_routes(desk),
        *strategy_routes(),
    ]


def _desk_rules(settings: Settings) -> DeskRules:
    balances = paper_balances(settings.paper_balance)
    return DeskRules(
        paper_balances=balances,
        currency=next(iter(balances)),
        fee_rate=settings.paper_fee,
        spread=settings.spread,
        live=_is_live(settings),
    )


def _is_live(settings: Settings) -> bool:
    return settings.live_trading and has_ccxt()


def _limits(valkey: Redis, settings: Settings) -> SignInLimits:
    options = SignInOptions(
        by_name=settings.sign_in_tries,
        by_address=settings.sign_in_tries_address,
        seconds=settings.sign_in_minutes * 60,
        keys_by_address=settings.wrong_key_tries,
    )
    return SignInLimits(SharedTries(valkey), options)


def _accounts(
    pool: Pool,
    settings: Settings,
    passwords: Passwords,
    limits: SignInLimits,
    events: AccountEvents,
) -> tuple[Accounts, Identities]:
    tokens = AccessTokens(partial(secret_of, pool, settings.secret_key))
    identities = Identities(pool, tokens)
    accounts = Accounts(
        pool,
        tokens,
        identities,
        passwords=passwords,
        limits=limits,
        session_days=settings.session_days,
        sign_up=settings.sign_up == "open",
        events=events,
    )
    return accounts, identities


async def _no_sniffing(message: Message, _: Scope) -> None:
    """Tell browsers to believe our content types."""
    if message["type"] == "http.response.start":
        headers = list(message["headers"])
        if not any(name == b"x-content-type-options" for name, _ in headers):
            message["headers"] = [*headers, (b"x-content-type-options", b"nosniff")]
