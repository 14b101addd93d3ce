"""One user's account at a live exchange, through ccxt. Numbers are exact: ccxt is told to keep texts.

ccxt is the optional extra `live`; importing it takes seconds, so it is imported when it is needed, in a
thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from openoutcry.core.trading.events import ReportStatus
from openoutcry.core.trading.live import Execution, Standing
from openoutcry.errors import RateLimitedError, VenueError, VenueUnavailableError
from openoutcry.trading import Market, Order, OrderSide

WINDOW_MS: Final = 5000
"""How late (`recvWindow`) a request may reach the exchange; it does nothing after that."""

_TIMEOUT_MS: Final = 6000
_WAIT: Final = 10.0
_MOST_EXECUTIONS: Final = 1000
_STATUS: Final = {
    "open": ReportStatus.OPEN,
    "closed": ReportStatus.CLOSED,
    "canceled": ReportStatus.CANCELLED,
    "expired": ReportStatus.CANCELLED,
    "rejected": ReportStatus.REJECTED,
}


class UnknownOrderError(VenueError):
    """The exchange has no such order, or none that is open."""


class KeyRefusedError(VenueError):
    """The exchange does not accept the key, or not for this."""


class ClockError(VenueUnavailableError):
    """The exchange says that our clock is not its own: open it again, which compares them anew."""


def has_ccxt() -> bool:
    """Return whether ccxt is installed."""
    return find_spec("ccxt") is not None


class CcxtExchange:
    """Speaks to one exchange with one key.

    Every method may raise VenueUnavailableError (RateLimitedError): nobody knows whether the exchange
    has done it; KeyRefusedError; VenueError: the exchange has refused, for a reason that is its text.
    """

    def __init__(self, exchange: Any, errors: Any) -> None:
        self._exchange = exchange
        self._errors = errors

    @classmethod
    async def open(cls, name: str, key: str, secret: str, url: str = "") -> CcxtExchange:
        """Return an exchange by ccxt's name; `url` is another REST address, such as the sandbox's.

        Reads its markets and its clock.
        """
        ccxt = await asyncio.to_thread(import_module, "ccxt.async_support")
        exchange = getattr(ccxt, name)(
            {
                "apiKey": key,
                "secret": secret,
                "number": str,
                "enableRateLimit": True,
                "timeout": _TIMEOUT_MS,
                "options": {
                    "recvWindow": WINDOW_MS,
                    "defaultType": "spot",
                    "fetchMarkets": {"types": ["spot"]},
                    "fetchCurrencies": False,
                    "fetchMargins": False,
                },
            }
        )
        if url:
            exchange.urls["api"] = dict.fromkeys(exchange.urls["api"], f"{url.rstrip('/')}/api/v3")
        self = cls(exchange, ccxt)
        try:
            with self._told():
                await exchange.load_markets()
                await exchange.load_time_difference()
        except BaseException:
            await exchange.close()
            raise
        return self

    async def close(self) -> None:
        """Close its connections."""
        await self._exchange.close()

    async def place(self, order: Order, market: Market, name: str, stamp: int) -> Standing:
        """Send an order under the client id `name`; return how it stands then.

        `stamp` (ms, our clock) is when it is said to be sent: the exchange does not take it if it comes
        more than WINDOW_MS later.
        """
        exchange = self._exchange
        params = {
            "clientOrderId": name,
            "timestamp": stamp - int(exchange.options.get("timeDifference") or 0),
        }
        price = None if order.price is None else f"{order.price:f}"
        with self._told():
            told = await exchange.create_order(
                _symbol(market),
                order.kind.value.lower(),
                order.side.value.lower(),
                f"{order.quantity:f}",
                price,
                params,
            )
            return _standing(told)

    async def find(self, name: str, market: Market) -> Standing | None:
        """Return the order of a client id, None if the exchange has none."""
        try:
            with self._told():
                told = await self._exchange.fetch_order(
                    None, _symbol(market), {"clientOrderId": name}
                )
                return _standing(told)
        except UnknownOrderError:
            return None

    async def open_orders(self, market: Market) -> dict[str, Standing]:
        """Return the open orders of a market by client id, ours and others."""
        with self._told():
            told = await self._exchange.fetch_open_orders(_symbol(market))
            return {each["clientOrderId"]: _standing(each) for each in told}

    async def executions(self, exchange_order_id: str, market: Market) -> list[Execution]:
        """Return what was traded of an order."""
        with self._told():
            told = await self._exchange.fetch_order_trades(
                exchange_order_id, _symbol(market), None, _MOST_EXECUTIONS
            )
            return [await self._execution(each, market) for each in told]

    async def cancel(self, name: str, market: Market) -> None:
        """Cancel an order by its client id. Raises UnknownOrderError if it is not open (any more)."""
        with self._told():
            await self._exchange.cancel_order(None, _symbol(market), {"clientOrderId": name})

    async def _execution(self, told: Any, market: Market) -> Execution:
        price = Decimal(told["price"])
        fee = told.get("fee") or {}
        cost, currency = Decimal(fee.get("cost") or 0), fee.get("currency")
        if currency == market.base:
            cost *= price
        elif cost and currency and currency != market.quote:
            ticker = await self._exchange.fetch_ticker(f"{currency}/{market.quote}")
            cost *= Decimal(ticker["last"])
        return Execution(
            id=str(told["id"]),
            price=price,
            quantity=Decimal(told["amount"]),
            fee=cost,
            time=int(told["timestamp"]) * 1000,
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn ccxt's errors into ours, by their types alone."""
        errors = self._errors
        try:
            yield
        except errors.OrderNotFound as error:
            raise UnknownOrderError(reason(error, self._exchange.id)) from None
        except errors.AuthenticationError as error:
            raise KeyRefusedError(reason(error, self._exchange.id)) from None
        except errors.InvalidNonce as error:
            raise ClockError(reason(error, self._exchange.id)) from None
        except (errors.RateLimitExceeded, errors.DDoSProtection):
            text = f"{self._exchange.id} says that we ask too often."
            raise RateLimitedError(text, self._retry_after()) from None
        except errors.ExchangeError as error:
            # The mere base class is what ccxt makes of codes that it does not know: so do not we.
            if type(error) is errors.ExchangeError:
                raise self._away(error) from None
            raise VenueError(reason(error, self._exchange.id)) from None
        except (errors.BaseError, OSError, TimeoutError) as error:
            raise self._away(error) from None
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise self._away(error) from None  # an answer that makes no sense

    def _away(self, error: BaseException) -> VenueUnavailableError:
        # Not its text: it holds the address of the request, with the signature in it.
        return VenueUnavailableError(f"{self._exchange.id}: {type(error).__name__}")

    def _retry_after(self) -> float:
        headers = self._exchange.last_response_headers or {}
        told = {str(name).lower(): value for name, value in headers.items()}.get("retry-after")
        return float(told) if told and str(told).isdecimal() else _WAIT


def reason(error: BaseException, exchange: str) -> str:
    """Return what an exchange has said, without the wrapping: one line for a trader."""
    text = str(error).removeprefix(f"{exchange} ")
    start = text.find("{")
    if start >= 0:
        try:
            told = json.loads(text[start:])
        except ValueError:
            told = {}
        text = str(told.get("msg") or text) if isinstance(told, dict) else text
    return " ".join(text.split())[:300]


def _symbol(market: Market) -> str:
    return f"{market.base}/{market.quote}"


def _standing(told: Any) -> Standing:
    try:
        return Standing(
            exchange_order_id=str(told["id"]),
            status=_STATUS[told["status"]],
            side=OrderSide(told["side"].upper()),
            quantity=Decimal(told["amount"]),
            filled=Decimal(told["filled"]),
            time=int(told["timestamp"] or told["lastUpdateTimestamp"]) * 1000,
        )
    except InvalidOperation:
        raise ValueError("an amount is no number") from None
