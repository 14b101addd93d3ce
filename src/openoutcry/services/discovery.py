"""Find out what the configured symbols are, and give each an id in the store."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import structlog

from openoutcry.adapters.postgres import instruments as instrument_rows
from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.tasks import sleep
from openoutcry.adapters.venue_rest import VenueRest
from openoutcry.core.backoff import Backoff
from openoutcry.core.symbols import split_symbol
from openoutcry.errors import ConfigError, ProtocolError, VenueError, VenueUnavailableError
from openoutcry.model import Instrument
from openoutcry.venues import binance_rest

log = structlog.get_logger(__name__)


async def discover(
    rest: VenueRest,
    connect: Callable[[], Awaitable[asyncpg.Connection[Any]]],
    venue: str,
    symbols: Sequence[str],
    stop: asyncio.Event,
) -> list[Instrument]:
    """Return the instruments of `symbols`, registered with the scales that the venue tells.

    While the venue cannot be reached, what the store knows from earlier serves. Raises ConfigError
    for a symbol that the venue does not list.
    """
    backoff = Backoff(first=0.2, most=15.0)
    while not stop.is_set():
        try:
            return await _discover_once(rest, connect, venue, symbols)
        except (VenueUnavailableError, *OUTAGES) as error:
            delay = backoff.next()
            log.warning(
                "instruments are not known yet", reason=str(error), again_in=round(delay, 1)
            )
            await sleep(delay, stop)
    return []


async def instrument_for_import(
    rest: VenueRest,
    connect: Callable[[], Awaitable[asyncpg.Connection[Any]]],
    venue: str,
    symbol: str,
) -> Instrument:
    """Return the instrument of `symbol`, registered if it is new.

    Where the venue cannot be asked, base and quote are read off the name, and the scales start at 0:
    they grow with the data. Raises ConfigError for a symbol that the venue does not list.
    """
    try:
        return (await _discover_once(rest, connect, venue, [symbol]))[0]
    except VenueError as error:
        log.warning("the venue cannot be asked, the symbol's name must do", reason=str(error))
    base, quote = split_symbol(symbol)
    connection = await connect()
    try:
        await instrument_rows.register(
            connection, [Instrument(0, venue, symbol, base, quote, 0, 0)]
        )
        return (await instrument_rows.read(connection, venue, [symbol]))[0]
    finally:
        await connection.close(timeout=2)


async def _discover_once(
    rest: VenueRest,
    connect: Callable[[], Awaitable[asyncpg.Connection[Any]]],
    venue: str,
    symbols: Sequence[str],
) -> list[Instrument]:
    connection = await connect()
    try:
        try:
            found = await _ask(rest, venue, symbols)
        except VenueUnavailableError:
            stored = await instrument_rows.read(connection, venue, symbols)
            if len(stored) < len(symbols):
                raise
            log.warning("the venue is unreachable, instruments are as stored")
            return stored
        await instrument_rows.register(connection, found)
        return await instrument_rows.read(connection, venue, symbols)
    finally:
        await connection.close(timeout=2)


async def _ask(rest: VenueRest, venue: str, symbols: Sequence[str]) -> list[Instrument]:
    try:
        body = await rest.get(binance_rest.exchange_info(list(symbols)))
    except VenueUnavailableError:
        raise
    except VenueError:
        # One unknown name makes the venue refuse them all: ask for everything and say which it is.
        body = await rest.get(binance_rest.every_symbol())
    try:
        listed = binance_rest.parse_exchange_info(body)
        limit = binance_rest.parse_weight_limit(body)
    except ProtocolError as error:
        raise VenueUnavailableError(str(error)) from None
    if limit is not None:
        await rest.allowed(limit)
    for symbol in symbols:
        if symbol not in listed:
            close = difflib.get_close_matches(symbol, listed, n=3)
            hint = f" Did you mean {', '.join(close)}?" if close else ""
            raise ConfigError(f"{venue} does not list {symbol}.{hint}")
    return [
        Instrument(0, venue, symbol, info.base, info.quote, info.price_scale, info.size_scale)
        for symbol in symbols
        for info in (listed[symbol],)
    ]
