"""The symbols that the made-up exchange trades: the known ones, and any other on request."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec import Struct

from openoutcry.core.symbols import split_symbol
from openoutcry.errors import ConfigError
from openoutcry.sandbox.noise import make_key
from openoutcry.venues.binance_server_data import Listing

DEFAULT_SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


class MadeUpSymbol(Struct, frozen=True):
    """How a symbol trades: about `price`, with `share` parts of all trades."""

    listing: Listing
    price: Decimal
    share: float

    @property
    def price_scale(self) -> int:
        """Decimal places of a price."""
        return decimals(self.listing.tick)

    @property
    def size_scale(self) -> int:
        """Decimal places of a size."""
        return decimals(self.listing.step)


_KNOWN: Final = {
    "BTCUSDT": ("68000", "0.01", "0.00001", 10.0),
    "ETHUSDT": ("3500", "0.01", "0.0001", 7.0),
    "SOLUSDT": ("170", "0.01", "0.001", 4.0),
    "BNBUSDT": ("600", "0.01", "0.001", 2.0),
    "XRPUSDT": ("0.60", "0.0001", "0.1", 2.0),
    "ADAUSDT": ("0.45", "0.0001", "0.1", 1.0),
    "DOGEUSDT": ("0.12", "0.00001", "1", 2.0),
    "AVAXUSDT": ("28", "0.01", "0.01", 1.0),
    "PEPEUSDT": ("0.00001", "0.00000001", "1", 2.0),
}


def decimals(grid: Decimal) -> int:
    """Return the decimal places that numbers on a grid need."""
    exponent = grid.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def make_symbol(name: str, seed: int) -> MadeUpSymbol:
    """Return a symbol by its name in any case; unknown ones get a price drawn from the seed.

    Raises ConfigError for a name that cannot be a symbol.
    """
    symbol = name.upper()
    if not (symbol.isascii() and symbol.isalnum() and 5 <= len(symbol) <= 20):
        raise ConfigError(f"Sandbox symbol {name!r} is not 5 to 20 letters and digits.")
    base, quote = split_symbol(symbol)
    price, tick, step, share = _KNOWN.get(symbol) or _draw(symbol, seed)
    listing = Listing(symbol, base, quote, Decimal(tick), Decimal(step))
    return MadeUpSymbol(listing, Decimal(price), share)


def _draw(symbol: str, seed: int) -> tuple[str, str, str, float]:
    drawn = int(make_key(seed, symbol, "listing"))
    digits = 100 + drawn % 900
    magnitude = (drawn >> 16) % 6  # prices from 0.0100 to 9990
    price = Decimal(digits).scaleb(magnitude - 4)
    tick = Decimal(1).scaleb(magnitude - 6)
    step = Decimal(1).scaleb(-magnitude)
    return str(price), f"{tick:f}", f"{step:f}", 1.0


def make_symbols(names: Iterable[str], seed: int) -> list[MadeUpSymbol]:
    """Return the symbols by their names, each once."""
    unique = dict.fromkeys(name.upper() for name in names)
    return [make_symbol(name, seed) for name in unique]
