"""The strategies there are, and how their parameters are read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from openoutcry.core.trading.strategies.base import Strategy
from openoutcry.core.trading.strategies.dca import Dca
from openoutcry.core.trading.strategies.dip import Dip
from openoutcry.core.trading.strategies.grid import Grid
from openoutcry.core.trading.strategies.momentum import Momentum
from openoutcry.core.trading.strategies.reading import ParameterError, read
from openoutcry.core.trading.strategies.scalper import Scalper

STRATEGIES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {strategy.name: strategy for strategy in (Scalper(), Grid(), Dca(), Dip(), Momentum())}
)

__all__ = ["STRATEGIES", "ParameterError", "Strategy", "read"]
