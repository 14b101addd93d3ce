"""The composition root: for each role, the objects it is made of, built and run.

Nothing heavier than the settings is imported before a role is known, so that a feed does not carry
a web server.
"""

from __future__ import annotations

import asyncio
import os
import socket
from asyncio import TaskGroup
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from openoutcry.config import Settings
from openoutcry.errors import ConfigError

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from openoutcry.adapters.postgres.pool import Pool
    from openoutcry.adapters.valkey.weight import SteadyBudget
    from openoutcry.adapters.venue_rest import VenueRest
    from openoutcry.services.importer import Progress
    from openoutcry.services.live_orders import Exchange, LiveOrders
    from openoutcry.services.prices import Prices

_LIKELY_NEW_SECONDS = 0.5

Figures = tuple[dict[str, float], dict[str, float], dict[str, int]]
Builder = Callable[[Settings, asyncio.Event], Awaitable[None]]


async def run_role(role: str, settings: Settings, stop: asyncio.Event) -> None:
    """Run one role until `stop` is set or it fails. Raises ConfigError for a role unknown here.

    The role starts when the engines answer and the schema is there: who starts first matters not.
    """
    builder = ROLES.get(role)
    if builder is None:
        raise ConfigError(f"There is no role {role!r}. The roles are: {', '.join(ROLES)}.")
    await builder(settings, stop)


async def _feed(settings: Settings, stop: asyncio.Event) -> None:
    from openoutcry.services.discovery import discover
    from openoutcry.services.feed import Feed, FeedOptions
    from openoutcry.services.outlet import Outlet
    from openoutcry.services.side_streams import SideStreams, every_book, every_ticker
    from openoutcry.services.status import report
    from openoutcry.venues.binance import BinanceProtocol
    from openoutcry.venues.binance_side import side_streams

    if not await _engines_answer(settings, stop):
        return
    async with AsyncExitStack() as stack:
        valkey = await _valkey(stack, settings)
        rest = await _rest(stack, settings, valkey)
        instruments = await discover(
            rest, partial(_connect, settings, "feed"), settings.venue, settings.symbols, stop
        )
        if stop.is_set():
            return
        outlet = Outlet(valkey, settings.stream_shards, settings.stream_max_mb << 20)
        feed = Feed(
            instruments,
            BinanceProtocol,
            outlet,
            FeedOptions(
                url=settings.binance_ws_url,
                spread=settings.spread,
                frame_seconds=settings.frame_ms / 1000,
                shards=settings.stream_shards,
                silence_seconds=settings.silence_seconds,
            ),
        )
        books = partial(every_book, rest, list(settings.symbols))
        side = SideStreams(
            side_streams(
                settings.symbols, tickers=settings.feed_tickers, books=settings.feed_books
            ),
            valkey,
            url=settings.binance_ws_url,
            gate=feed.gate,
            silence_seconds=settings.silence_seconds,
            seed=partial(every_ticker, rest),
            # In a replay REST tells of another moment than the streams will begin with.
            book_seed=None if settings.sandbox_replay else books,
        )

        def figures() -> Figures:
            counters, gauges, symbols = feed.figures()
            more_counters, more_gauges = side.figures()
            return counters | more_counters, gauges | more_gauges, symbols

        async with TaskGroup() as tasks:
            tasks.create_task(report("feed", figures, valkey, stop))
            if side.lines:
                tasks.create_task(side.run(stop, feed.subscribed))
            await feed.run(stop)


async def _recorder(settings: Settings, stop: asyncio.Event) -> None:
    from openoutcry.adapters.valkey.trade_stream import TradeStream
    from openoutcry.services.announcer import Announcer
    from openoutcry.services.backfill import Backfill
    from openoutcry.services.maintenance import maintain
    from openoutcry.services.recorder import Recorder, figures
    from openoutcry.services.repair import Repair
    from openoutcry.services.status import report

    if not await _engines_answer(settings, stop):
        return
    connect = partial(_connect, settings, "recorder")
    shards = settings.stream_shards
    async with AsyncExitStack() as stack:
        valkey = await _valkey(stack, settings)
        rest = await _rest(stack, settings, valkey)
        announcer = Announcer(connect, valkey)
        consumer = f"{socket.gethostname()}-{os.getpid()}"
        recorders = [
            Recorder(
                shard,
                connect,
                TradeStream(await _valkey(stack, settings, retries=0), shard, consumer),
                announcer,
                settings.recorder_batch,
            )
            for shard in range(shards)
        ]

        def active() -> bool:
            return any(recorder.stats.owned for recorder in recorders)

        keep = {"trades": settings.retention_trades_days, "candles_1s": settings.retention_1s_days}
        async with TaskGroup() as tasks:
            tasks.create_task(
                report("recorder", partial(figures, recorders, announcer), valkey, stop)
            )
            tasks.create_task(announcer.run(stop))
            tasks.create_task(maintain(connect, keep, stop))
            tasks.create_task(Repair(connect, valkey, rest, shards).run(stop, active))
            if settings.backfill:
                tasks.create_task(Backfill(connect, valkey, rest, shards).run(stop, active))
            for recorder in recorders:
                tasks.create_task(recorder.run(stop))


async def _api(settings: Settings, stop: asyncio.Event) -> None:
    from openoutcry import __version__
    from openoutcry.adapters.postgres.pool import open_pool
    from openoutcry.web.api.role import serve

    url = _engine_url(settings, "database_url")
    async with AsyncExitStack() as stack:
        valkey = await _valkey(stack, settings)
        pool = await open_pool(url, application_name="outcry api", stateless=True)
        stack.push_async_callback(pool.close)
        async with TaskGroup() as tasks:
            # The page is there at once; what needs the engines answers 503 until they do.
            tasks.create_task(_engines_answer(settings, stop))
            prices, budget = await _prices(stack, settings)
            await serve(
                pool,
                valkey,
                settings,
                stop,
                version=__version__,
                prices=prices,
                budget=budget,
            )


async def _hub(settings: Settings, stop: asyncio.Event) -> None:
    from openoutcry.adapters.postgres.pool import open_pool
    from openoutcry.adapters.postgres.private_reader import PrivateReader
    from openoutcry.adapters.postgres.recent import RecentReader
    from openoutcry.adapters.valkey.user_history import UserHistory
    from openoutcry.services.accounts import secret_of
    from openoutcry.services.identity import Identities
    from openoutcry.services.status import report
    from openoutcry.services.tokens import AccessTokens
    from openoutcry.web.hub.meter import Meter
    from openoutcry.web.hub.server import Accounts, HubOptions, serve
    from openoutcry.web.hub.sources import ValkeyBus

    if not await _engines_answer(settings, stop):
        return
    async with AsyncExitStack() as stack:
        valkey = await _valkey(stack, settings)
        pool = await stack.enter_async_context(
            await open_pool(settings.database_url, application_name="outcry hub", max_size=8)
        )
        tokens = AccessTokens(partial(secret_of, pool, settings.secret_key))
        accounts = Accounts(Identities(pool, tokens), UserHistory(valkey), PrivateReader(pool))
        meter = Meter()
        options = HubOptions(
            symbols=tuple(settings.symbols),
            host=settings.host,
            port=settings.ws_port,
            allowed_origins=tuple(settings.allowed_origins),
            public_origins=tuple(settings.public_origins),
            binance_messages=settings.binance_ws_messages,
            replay=bool(settings.sandbox_replay),
            public_market_data=settings.public_market_data,
        )
        async with TaskGroup() as tasks:
            tasks.create_task(report("hub", meter.status, valkey, stop))
            bus = ValkeyBus(settings.valkey_url)
            store = RecentReader(pool, settings.venue)
            await serve(options, bus, store, meter, stop, accounts=accounts)


async def _trader(settings: Settings, stop: asyncio.Event) -> None:
    from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
    from openoutcry.adapters.postgres.pool import dial, open_pool
    from openoutcry.adapters.postgres.trade_reader import TradeReader
    from openoutcry.adapters.tasks import end
    from openoutcry.adapters.valkey.pubsub import listen
    from openoutcry.adapters.valkey.recounts import Recounts
    from openoutcry.adapters.valkey.trade_counts import TradeCounts
    from openoutcry.adapters.valkey.user_history import UserHistory
    from openoutcry.core.keys import OUTBOX_WAKE, TRADER_WAKE, trades_channel
    from openoutcry.services.publisher import Publisher
    from openoutcry.services.status import report
    from openoutcry.services.trade_counter import TradeCounter
    from openoutcry.services.trader import Trader, TraderRules, figures

    if not await _engines_answer(settings, stop):
        return
    url, bus = settings.database_url, settings.valkey_url
    async with AsyncExitStack() as stack:
        valkey = await _valkey(stack, settings)
        pool = await stack.enter_async_context(
            await open_pool(url, application_name="outcry trader", max_size=2)
        )
        trader = Trader(
            partial(dial, url, application_name="outcry trader"),
            TradeReader(pool),
            InstrumentReader(pool),
            valkey,
            TraderRules(settings.spread, settings.paper_fee),
            live=await _live_orders(settings, pool),
        )
        connect = partial(_connect, settings, "publisher")
        counter = TradeCounter(TradeCounts(valkey), Recounts(valkey), connect)
        publisher = Publisher(connect, UserHistory(valkey), counter)
        channels = (TRADER_WAKE, *map(trades_channel, settings.symbols))

        def all_figures() -> Figures:
            counters, gauges, symbols = figures(trader)
            more_counters, more_gauges = publisher.stats.figures()
            return counters | more_counters, gauges | more_gauges, symbols

        async with TaskGroup() as tasks:
            tasks.create_task(report("trader", all_figures, valkey, stop))
            tasks.create_task(publisher.run(stop, partial(listen, bus, (OUTBOX_WAKE,))))
            listening = tasks.create_task(
                listen(bus, channels, trader.on_message, trader.on_connected)
            )
            await trader.run(stop)
            await end(listening)


async def _live_orders(
    settings: Settings, pool: Pool
) -> Callable[[Callable[[], None]], LiveOrders] | None:
    """Return what makes the executor of live orders, None where live trading is off."""
    if not settings.live_trading:
        return None
    from openoutcry.adapters.ccxt_exchange import CcxtExchange, has_ccxt
    from openoutcry.adapters.postgres.trading_accounts import trading_epoch
    from openoutcry.config import live_address
    from openoutcry.services.accounts import secret_of
    from openoutcry.services.exchange_keys import ExchangeKeys
    from openoutcry.services.live_orders import LiveOrders, LiveRules

    if not has_ccxt():
        raise ConfigError("Live trading needs ccxt: pip install 'openoutcry[live]'.")
    keys = ExchangeKeys(pool, partial(secret_of, pool, settings.secret_key))
    url = live_address(settings)

    async def opener(user_id: int, exchange: str) -> Exchange | None:
        opened = await keys.open(user_id, exchange)
        if opened is None:
            return None
        return await CcxtExchange.open(exchange, opened.key, opened.secret, url)

    rules = LiveRules(
        epoch=await trading_epoch(pool),
        stale=settings.live_stale_seconds,
        send=settings.live_send_seconds,
    )
    return partial(LiveOrders, opener, keys.mark, rules)


async def _sandbox(settings: Settings, stop: asyncio.Event) -> None:
    """Run the sandbox exchange, which needs no engine."""
    from openoutcry.sandbox.server import SandboxOptions, serve

    options = SandboxOptions(
        host=settings.sandbox_host,
        port=settings.sandbox_port,
        ws_port=settings.sandbox_ws_port,
        symbols=settings.symbols,
        seed=settings.sandbox_seed,
        rate=settings.sandbox_rate,
        speed=settings.sandbox_speed,
        replay=_path(settings.sandbox_replay),
        state_file=_path(settings.sandbox_state),
        faults_file=_path(settings.sandbox_faults),
        keys=settings.sandbox_keys,
        balances=settings.sandbox_balance,
    )
    await serve(options, stop)


async def _migrate(settings: Settings, stop: asyncio.Event) -> None:
    """Bring the schema up to date once PostgreSQL answers, and return."""
    from openoutcry.adapters.postgres import readiness

    url = _engine_url(settings, "database_url")
    up = asyncio.create_task(readiness.wait_until_up(url, stop))
    # Alembic is a second of imports, which most starts can do without. A database that lets us wait
    # is probably being made, and will need it: then it is imported meanwhile.
    if not (await asyncio.wait({up}, timeout=_LIKELY_NEW_SECONDS))[0]:
        await asyncio.to_thread(import_module, "openoutcry.adapters.postgres.migrate")
    if not await up:
        return
    if await readiness.revision(url) != readiness.newest_revision():
        from openoutcry.adapters.postgres import migrate

        await migrate.upgrade(url)


ROLES: dict[str, Builder] = {
    "migrate": _migrate,
    "feed": _feed,
    "recorder": _recorder,
    "api": _api,
    "hub": _hub,
    "trader": _trader,
    "sandbox": _sandbox,
}


async def import_files(
    settings: Settings, files: list[Path], symbol: str, tell: Callable[[Progress], None]
) -> int:
    """Put bulk files of `symbol` into the store; return their rows. Raises BadRequestError.

    A recorder of our own takes part: alone it does the work, beside a running one it stands by.
    """
    from openoutcry.adapters.postgres import readiness
    from openoutcry.adapters.valkey.trade_stream import TradeStream
    from openoutcry.services.discovery import instrument_for_import
    from openoutcry.services.importer import Importer
    from openoutcry.services.recorder import Recorder

    if await readiness.revision(settings.database_url) != readiness.newest_revision():
        from openoutcry.adapters.postgres import migrate

        await migrate.upgrade(settings.database_url)
    connect = partial(_connect, settings, "import")
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        valkey = await _valkey(stack, settings)
        rest = await _rest(stack, settings, valkey)
        instrument = await instrument_for_import(rest, connect, settings.venue, symbol)
        shard = instrument.id % settings.stream_shards
        stream = TradeStream(
            await _valkey(stack, settings, retries=0), shard, f"import-{os.getpid()}"
        )
        recorder = Recorder(
            shard, connect, stream, lambda _recorded, _known: None, settings.recorder_batch
        )
        recording = asyncio.create_task(recorder.run(stop))
        importer = Importer(valkey, settings.stream_shards, instrument, tell)
        importing = asyncio.create_task(importer.run(files))
        try:
            await asyncio.wait((recording, importing), return_when=asyncio.FIRST_COMPLETED)
            if recording.done():
                recording.result()
            return await importing
        finally:
            while not importing.done():
                importing.cancel()  # again: a driver that is just connecting may swallow it
                await asyncio.wait((importing,), timeout=0.2)
            stop.set()
            await asyncio.wait((recording,))


async def fill_gaps(settings: Settings, symbol: str | None, tell: Callable[[int], None]) -> None:
    """Fetch what the gap ledger says is missing until nothing more can be had.

    `tell` is called with the number of trades fetched so far. Raises VenueUnavailableError.
    """
    from openoutcry.adapters.postgres.open_gaps import open_gaps
    from openoutcry.adapters.valkey.trade_stream import TradeStream, backlog
    from openoutcry.services.recorder import Recorder
    from openoutcry.services.repair import Repair

    connect = partial(_connect, settings, "repair")
    stop = asyncio.Event()
    shards = range(settings.stream_shards)
    async with AsyncExitStack() as stack:
        valkey = await _valkey(stack, settings)
        rest = await _rest(stack, settings, valkey)
        repair = Repair(connect, valkey, rest, settings.stream_shards)
        connection = await connect()
        stack.push_async_callback(connection.close)
        recorders = [
            Recorder(
                shard,
                connect,
                TradeStream(
                    await _valkey(stack, settings, retries=0), shard, f"repair-{os.getpid()}"
                ),
                lambda _recorded, _known: None,
                settings.recorder_batch,
            )
            for shard in shards
        ]
        async with TaskGroup() as tasks:
            for recorder in recorders:
                tasks.create_task(recorder.run(stop))
            try:
                while await repair.once(connection, symbol):
                    tell(repair.stats.fetched)
                    while any([await backlog(valkey, shard) for shard in shards]):
                        await asyncio.sleep(0.05)
                    if not await open_gaps(connection, 0, symbol):
                        break
            finally:
                stop.set()


def _path(text: str) -> Path | None:
    return Path(text) if text else None


async def _connect(settings: Settings, name: str) -> asyncpg.Connection[Any]:
    """Open a database connection of a role's own."""
    return await asyncpg.connect(
        settings.database_url,
        timeout=10,
        command_timeout=60,
        server_settings={"application_name": f"outcry {name}", "jit": "off"},
    )


async def _valkey(stack: AsyncExitStack, settings: Settings, *, retries: int = 4) -> Redis:
    from openoutcry.adapters.valkey.client import connect

    client = connect(settings.valkey_url, retries=retries)
    stack.push_async_callback(client.aclose)
    return client


async def _rest(stack: AsyncExitStack, settings: Settings, valkey: Redis) -> VenueRest:
    import aiohttp

    from openoutcry.adapters.valkey.weight import WeightBudget
    from openoutcry.adapters.venue_rest import VenueRest
    from openoutcry.venues.binance_rest import WEIGHT_PER_MINUTE

    session = await stack.enter_async_context(aiohttp.ClientSession())
    budget = WeightBudget(valkey, settings.venue, WEIGHT_PER_MINUTE, settings.weight_share)
    return VenueRest(session, settings.binance_rest_url, budget)


async def _prices(stack: AsyncExitStack, settings: Settings) -> tuple[Prices, SteadyBudget]:
    """Return the aggregator of prices, and the weight that it asks the venue within."""
    import aiohttp

    from openoutcry.adapters.valkey.price_board import PriceBoard
    from openoutcry.adapters.valkey.weight import SteadyBudget, WeightBudget
    from openoutcry.adapters.venue_rest import VenueRest
    from openoutcry.core.breaker import BreakerRules
    from openoutcry.core.prices import parse_coins
    from openoutcry.services.price_asker import PriceRules, RestUpstream
    from openoutcry.services.prices import Prices
    from openoutcry.venues.binance_rest import WEIGHT_PER_MINUTE

    rules = PriceRules(
        fresh=settings.price_fresh_seconds,
        grace=settings.price_grace_seconds,
        timeout=settings.price_timeout_seconds,
        retries=settings.price_retries,
        backoff=settings.price_backoff_seconds,
        stream=settings.price_stream_seconds,
        breaker=BreakerRules(settings.price_breaker_failures, settings.price_breaker_seconds),
    )
    # A client of its own: a reader of prices must not wait while others dial Valkey again and again.
    valkey = await _valkey(stack, settings, retries=0)
    session = await stack.enter_async_context(aiohttp.ClientSession())
    shared = WeightBudget(valkey, settings.venue, WEIGHT_PER_MINUTE, settings.weight_share)
    budget = SteadyBudget(shared)
    rest = VenueRest(session, settings.binance_rest_url, budget, rules.timeout)
    wanted = [coin.symbol for coin in parse_coins(settings.price_symbols)]
    return Prices(RestUpstream(rest), PriceBoard(valkey), rules, wanted), budget


async def _engines_answer(settings: Settings, stop: asyncio.Event) -> bool:
    """Wait for both engines; False if `stop` comes first."""
    from openoutcry.adapters.postgres.readiness import wait_until_migrated
    from openoutcry.adapters.valkey.readiness import wait_until_up

    valkey_url = _engine_url(settings, "valkey_url")
    database_url = _engine_url(settings, "database_url")
    return await wait_until_up(valkey_url, stop) and await wait_until_migrated(database_url, stop)


def _engine_url(settings: Settings, name: str) -> str:
    url: str = getattr(settings, name)
    if not url:
        raise ConfigError(
            f"{name} is not set. A role on its own needs running engines: set "
            f"OUTCRY_{name.upper()}, or let `outcry up` start everything."
        )
    return url
