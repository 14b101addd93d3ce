"""The answers about tokens: `{"success":true,"data":…}`, described for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from openoutcry.core.tokens.shapes import (
    CandleRow,
    HolderItem,
    HourItem,
    SizeItem,
    TokenItem,
    TradeItem,
)

Source = Literal["chain", "store"]


class TokenList(Struct, frozen=True, rename="camel"):
    """Tokens in an order, exact at `asOf` (ms); `block` is the newest that has been read."""

    window: str
    block: int | None
    as_of: int
    tokens: list[TokenItem]


class TokensFound(Struct, frozen=True, rename="camel"):
    """Tokens that were searched for, exact at `asOf` (ms); `block` is the newest that has been read."""

    query: str
    block: int | None
    as_of: int
    tokens: list[TokenItem]


class TokenDetail(TokenItem, frozen=True, rename="camel"):
    """A token, with where the supply of its market cap was told, and of which block."""

    market_cap_source: Source
    block: int | None


class Candles(Struct, frozen=True):
    """Candles, oldest first, each `[openTime, open, high, low, close, volume, quoteVolume, …]`."""

    interval: str
    candles: list[CandleRow]


class VolumeDistribution(Struct, frozen=True):
    """When a token was traded, by hour, and in which sizes; hours without trades are left out."""

    window: str
    hours: list[HourItem]
    sizes: list[SizeItem]


class Shares(Struct, frozen=True):
    """What the largest holders have of the supply together, in percent; null while there is none."""

    top10_percent: float | None = msgspec.field(name="top10Percent")
    top50_percent: float | None = msgspec.field(name="top50Percent")
    top100_percent: float | None = msgspec.field(name="top100Percent")


class Holders(Struct, frozen=True, rename="camel"):
    """Who holds a token, the largest first; `next` is the `cursor` of the next page."""

    holder_count: int
    supply: str
    holders: list[HolderItem]
    distribution: Shares
    next: str | None


class Trades(Struct, frozen=True):
    """A token's trades, newest first; `next` is the `cursor` of the next page."""

    trades: list[TradeItem]
    next: str | None


class PlatformVolume(Struct, frozen=True, rename="camel"):
    """What all tokens together were traded for, in ETH, and the last 7 days by hour."""

    volume24h: str
    volume7d: str
    volume_total: str
    token_count: int
    trade_count: int
    block: int | None
    as_of: int
    hours: list[HourItem]


class Price(Struct, frozen=True, rename="camel"):
    """A token's price and what follows from it, in ETH."""

    current_price: str | None
    market_cap: str | None
    volume24h: str
    volume7d: str
    volume_total: str
    holder_count: int
    progress_percent: float | None
    market_cap_source: Source
    block: int | None


class Confirm(Struct, frozen=True, rename="camel"):
    """The body of a confirmation."""

    tx_hash: str
    token_address: str
    trade_type: Annotated[str, Meta(description="What the transaction did: buy or sell.")]


class VolumeMetrics(Struct, frozen=True, rename="camel"):
    """Volumes in wei."""

    volume24h: str
    volume7d: str
    volume_total: str


class Confirmed(Struct, frozen=True, rename="camel"):
    """A token after a trade that counts; amounts in wei."""

    volume_metrics: VolumeMetrics
    market_cap: str | None
    holder_count: int
    message: str


class TokenCacheStats(Struct, frozen=True, rename="camel"):
    """What this process has kept and found since it began; `sharedHits` came from Valkey."""

    entries: int
    bytes: int
    max_bytes: int
    ttl_seconds: int
    local_hits: int
    shared_hits: int
    misses: int
    joined: int
    hit_rate: float | None
    expired: int
    evicted: int
    failures: int
    round_trips: int
    list_hits: int
    list_misses: int
    cleared: int | None = None


class TokenListBody(Struct, frozen=True):
    """`GET /api/tokens/top`."""

    success: bool
    data: TokenList


class TokensFoundBody(Struct, frozen=True):
    """`GET /api/tokens/search`."""

    success: bool
    data: TokensFound


class TokenBody(Struct, frozen=True):
    """`GET /api/tokens/{address}`."""

    success: bool
    data: TokenDetail


class CandlesOfTokenBody(Struct, frozen=True):
    """`GET /api/tokens/{address}/candles`."""

    success: bool
    data: Candles


class DistributionBody(Struct, frozen=True):
    """`GET /api/tokens/{address}/volume/distribution`."""

    success: bool
    data: VolumeDistribution


class HoldersBody(Struct, frozen=True):
    """`GET /api/tokens/{address}/holders`."""

    success: bool
    data: Holders


class TradesOfTokenBody(Struct, frozen=True):
    """`GET /api/tokens/{address}/trades`."""

    success: bool
    data: Trades


class PlatformBody(Struct, frozen=True):
    """`GET /api/stats/volume`."""

    success: bool
    data: PlatformVolume


class PriceBody(Struct, frozen=True):
    """`GET /api/trades/price/{address}`."""

    success: bool
    data: Price


class ConfirmedBody(Struct, frozen=True):
    """`POST /api/trades/confirm`."""

    success: bool
    data: Confirmed


class TokenCacheBody(Struct, frozen=True):
    """`/api/admin/token-cache-stats`."""

    success: bool
    data: TokenCacheStats


def encoded(data: Any) -> bytes:
    """Return the body of an answer."""
    return b'{"success":true,"data":' + msgspec.json.encode(data) + b"}"
