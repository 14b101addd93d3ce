"""Orders of one customer of the sandbox exchange: balances, matching, executions. Pure values and sums.

A marketable order takes the book at once: a level a tick apart for each `ask_size` (`bid_size`), the
same size on each. What rests is filled by later trades of the made-up tape at the order's own price,
when they are at that price or through it, and by no more than each trade's size for all of the
customer's orders together. The tape itself does not notice: nobody moves the made-up market.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_DOWN, Context, Decimal, localcontext
from typing import Final, Literal

from msgspec import Struct

from openoutcry.venues.binance_server_data import Book, Listing, Print

FEE: Final = Decimal("0.001")
"""Commission of every execution, in what the customer receives, as at Binance without BNB."""

LEVELS: Final = 200
"""How deep the book is: the most levels that an order can take at once."""

Side = Literal["BUY", "SELL"]
Kind = Literal["LIMIT", "LIMIT_MAKER", "MARKET"]

_ZERO: Final = Decimal(0)
_EIGHT: Final = Decimal(1).scaleb(-8)
_EXACT: Final = Context(prec=60)


class Refused(Exception):  # noqa: N818 - a value on its way to the client, not a failure of ours
    """Why an order is not taken; Binance's code and text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Execution(Struct, frozen=True):
    """A part of an order that was traded. `fee` is in `fee_asset`; time in µs."""

    id: int
    order_id: int
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    time: int
    maker: bool


class VenueOrder(Struct):
    """An order as the exchange has it. Times in µs; `price` is 0 for MARKET."""

    id: int
    client_id: str
    symbol: str
    side: Side
    kind: Kind
    price: Decimal
    quantity: Decimal
    time: int
    updated: int
    status: str = "NEW"
    filled: Decimal = _ZERO
    quote: Decimal = _ZERO

    @property
    def remaining(self) -> Decimal:
        """What has not been traded."""
        return self.quantity - self.filled

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.status in {"NEW", "PARTIALLY_FILLED"}


class Purse(Struct):
    """What a customer has of an asset; `locked` is held back by open orders."""

    free: Decimal = _ZERO
    locked: Decimal = _ZERO


class Customer:
    """One customer's balances, orders and executions."""

    def __init__(self, balances: Mapping[str, Decimal]) -> None:
        self.purses = {asset: Purse(amount) for asset, amount in balances.items()}
        self.orders: dict[int, VenueOrder] = {}
        self.executions: list[Execution] = []
        self.open: dict[int, VenueOrder] = {}

    # --- orders -----------------------------------------------------------------------------------

    def place(self, order: VenueOrder, listing: Listing, book: Book) -> list[Execution]:
        """Take an order in; return what it has traded at once. Raises Refused, and changes nothing."""
        if any(one.client_id == order.client_id for one in self.open.values()):
            raise Refused(-2010, "Duplicate order sent.")
        with localcontext(_EXACT):
            takes = list(_takes(order, listing, book))
            if order.kind == "LIMIT_MAKER" and takes:
                raise Refused(-2010, "Order would immediately match and take.")
            self._check_funds(order, listing, takes)
            self.orders[order.id] = self.open[order.id] = order
            if order.kind != "MARKET":
                self._lock(order, listing, order.quantity)
            before = len(self.executions)
            for price, quantity in takes:
                self._execute(order, listing, price, quantity, order.time, maker=False)
            if order.kind == "MARKET" and order.is_open:  # the book was not deep enough
                self._end(order, "EXPIRED", order.time)
            return self.executions[before:]

    def trade(self, listing: Listing, trade: Print) -> None:
        """Let a trade of the tape fill what rests: by price, then by age."""
        with localcontext(_EXACT):
            left = trade.size
            for order in self._resting(listing.symbol, trade.price):
                if left <= 0:
                    return
                quantity = min(left, order.remaining)
                left -= quantity
                self._execute(order, listing, order.price, quantity, trade.time, maker=True)

    def cancel(self, order: VenueOrder, listing: Listing, now: int) -> None:
        """Take an open order out."""
        with localcontext(_EXACT):
            self._lock(order, listing, -order.remaining)
            self._end(order, "CANCELED", now)

    def find(
        self, symbol: str, order_id: int | None = None, client_id: str | None = None
    ) -> VenueOrder | None:
        """Return an order by its id, or the newest of a client id; open ones come first."""
        if order_id is not None:
            order = self.orders.get(order_id)
            return order if order is not None and order.symbol == symbol else None
        for orders in (self.open, self.orders):
            for order in reversed(orders.values()):
                if order.client_id == client_id and order.symbol == symbol:
                    return order
        return None

    # --- inside -----------------------------------------------------------------------------------

    def _resting(self, symbol: str, price: Decimal) -> list[VenueOrder]:
        met = [
            order
            for order in self.open.values()
            if order.symbol == symbol
            and (price <= order.price if order.side == "BUY" else price >= order.price)
        ]
        return sorted(met, key=lambda o: (-o.price if o.side == "BUY" else o.price, o.id))

    def _purse(self, asset: str) -> Purse:
        return self.purses.setdefault(asset, Purse())

    def _check_funds(
        self, order: VenueOrder, listing: Listing, takes: Iterable[tuple[Decimal, Decimal]]
    ) -> None:
        if order.side == "SELL":
            needed, asset = order.quantity, listing.base
        elif order.kind == "MARKET":
            needed, asset = sum((p * q for p, q in takes), _ZERO), listing.quote
        else:
            needed, asset = order.price * order.quantity, listing.quote
        if needed > self._purse(asset).free:
            raise Refused(-2010, "Account has insufficient balance for requested action.")

    def _lock(self, order: VenueOrder, listing: Listing, quantity: Decimal) -> None:
        buys = order.side == "BUY"
        purse = self._purse(listing.quote if buys else listing.base)
        amount = order.price * quantity if buys else quantity
        purse.free -= amount
        purse.locked += amount

    def _execute(
        self,
        order: VenueOrder,
        listing: Listing,
        price: Decimal,
        quantity: Decimal,
        time: int,
        *,
        maker: bool,
    ) -> None:
        base, quote = self._purse(listing.base), self._purse(listing.quote)
        if order.kind != "MARKET":
            self._lock(order, listing, -quantity)
        worth = price * quantity
        got, received, asset = (
            (base, quantity, listing.base) if order.side == "BUY" else (quote, worth, listing.quote)
        )
        fee = (received * FEE).quantize(_EIGHT, ROUND_DOWN)
        if order.side == "BUY":
            quote.free -= worth
        else:
            base.free -= quantity
        got.free += received - fee
        order.filled += quantity
        order.quote += worth
        order.updated = time
        self.executions.append(
            Execution(
                id=len(self.executions) + 1,
                order_id=order.id,
                symbol=order.symbol,
                side=order.side,
                price=price,
                quantity=quantity,
                fee=fee,
                fee_asset=asset,
                time=time,
                maker=maker,
            )
        )
        if order.remaining:
            order.status = "PARTIALLY_FILLED"
        else:
            self._end(order, "FILLED", time)

    def _end(self, order: VenueOrder, status: str, now: int) -> None:
        order.status, order.updated = status, now
        self.open.pop(order.id, None)


def _takes(order: VenueOrder, listing: Listing, book: Book) -> Iterator[tuple[Decimal, Decimal]]:
    """Yield price and quantity of each level that an order takes when it arrives."""
    buys = order.side == "BUY"
    price, size = (book.ask, book.ask_size) if buys else (book.bid, book.bid_size)
    step = listing.tick if buys else -listing.tick
    left = order.quantity
    for _ in range(LEVELS):
        beyond = order.kind != "MARKET" and (price > order.price if buys else price < order.price)
        if left <= 0 or beyond or price <= 0:
            return
        yield price, min(left, size)
        left -= min(left, size)
        price += step
