"""Tokens as JSON has them: addresses `0x…`, exact decimals of whole units as text, times in ms."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from openoutcry.core.chain import hexes
from openoutcry.core.tokens import amounts, order
from openoutcry.tokens import CountedTrade, Holder, Ranked, SizeClass, TokenCandle, VolumeBucket

CandleRow = tuple[int, str, str, str, str, str, str, int, int, str]
"""Start (ms), open, high, low, close, volume (tokens), volume (ETH), trades, buys, bought for (ETH)."""


class TokenItem(Struct, frozen=True, rename="camel"):
    """A token, exact at the time of the answer. Amounts are in ETH, `supply` in whole tokens."""

    address: str
    name: str
    symbol: str
    decimals: int
    launchpad: str
    creator: str
    created_at: int | None
    graduated_at: int | None
    current_price: str | None
    market_cap: str | None
    supply: str
    reserve: str
    target: str | None
    progress_percent: float | None
    holder_count: int
    trade_count: int
    volume24h: str
    volume7d: str
    volume_total: str


class TradeItem(Struct, frozen=True, rename="camel"):
    """A purchase or sale, newest first in lists; `price` is that of a whole token afterwards."""

    tx_hash: str
    block_number: int
    block_hash: str
    log_index: int
    time: int
    side: Literal["buy", "sell"]
    trader: str
    eth: str
    tokens: str
    price: str


class HourItem(Struct, frozen=True, rename="camel"):
    """What was traded in the hour that starts at `time`, in ETH; `buys` and `buyVolume` are of it."""

    time: int
    volume: str
    trades: int
    buys: int
    buy_volume: str


class SizeItem(Struct, frozen=True, rename="camel"):
    """Trades of at least `from` ETH and less than `to`, which is ten times that."""

    least: str = field(name="from")
    to: str
    volume: str
    trades: int
    buys: int
    buy_volume: str


class HolderItem(Struct, frozen=True, rename="camel"):
    """Who holds how much; `percent` is the share of the supply, 0 while there is none."""

    address: str
    balance: str
    percent: float
    first_bought_at: int | None
    last_active_at: int


def token_item(ranked: Ranked, *, supply: int | None = None) -> TokenItem:
    """Return a token's JSON; its market cap is that of `supply`, if the chain has told one."""
    token, volumes = ranked.token, ranked.volumes
    graduated = token.graduated_at is not None
    return TokenItem(
        address=hexes.show(token.address),
        name=token.name,
        symbol=token.symbol,
        decimals=token.decimals,
        launchpad=token.launchpad,
        creator=hexes.show(token.creator),
        created_at=_ms(token.created_at),
        graduated_at=_ms(token.graduated_at),
        current_price=None if token.price is None else amounts.price(token.price),
        market_cap=_ether(market_cap(ranked, supply)),
        supply=amounts.text(token.supply, token.decimals),
        reserve=amounts.ether(token.reserve),
        target=amounts.ether(token.target) if token.target else None,
        progress_percent=_progress(token.reserve, token.target, graduated=graduated),
        holder_count=token.holders,
        trade_count=token.trades,
        volume24h=amounts.ether(volumes.day),
        volume7d=amounts.ether(volumes.week),
        volume_total=amounts.ether(volumes.total),
    )


def market_cap(ranked: Ranked, supply: int | None = None) -> int | None:
    """Return price times `supply` (None: the stored one) in wei; None before the first trade."""
    token = ranked.token
    if token.price is None:
        return None
    return order.market_cap(token.price, token.supply if supply is None else supply, token.decimals)


def trade_item(counted: CountedTrade, decimals: int) -> TradeItem:
    """Return a trade's JSON; `decimals` are its token's."""
    trade = counted.trade
    return TradeItem(
        tx_hash=hexes.show(trade.tx_hash),
        block_number=counted.block_number,
        block_hash=hexes.show(counted.block_hash),
        log_index=trade.index,
        time=counted.time // 1000,
        side="buy" if trade.side > 0 else "sell",
        trader=hexes.show(trade.trader),
        eth=amounts.ether(trade.eth),
        tokens=amounts.text(trade.tokens, decimals),
        price=amounts.price(trade.price),
    )


def holder_item(holder: Holder, supply: int, decimals: int) -> HolderItem:
    """Return a holder's JSON."""
    return HolderItem(
        address=hexes.show(holder.address),
        balance=amounts.text(holder.balance, decimals),
        percent=amounts.percent(holder.balance, supply, 4) or 0.0,
        first_bought_at=_ms(holder.first_bought_at),
        last_active_at=holder.last_active_at // 1000,
    )


def hour_item(hour: VolumeBucket) -> HourItem:
    """Return an hour's JSON."""
    return HourItem(
        time=hour.bucket // 1000,
        volume=amounts.ether(hour.volume),
        trades=hour.trades,
        buys=hour.buys,
        buy_volume=amounts.ether(hour.buy_volume),
    )


def size_item(size: SizeClass) -> SizeItem:
    """Return the JSON of a class of sizes; trades of nothing are from 0 to 1 wei."""
    return SizeItem(
        least=amounts.ether(10**size.exponent if size.exponent >= 0 else 0),
        to=amounts.ether(10 ** (size.exponent + 1)),
        volume=amounts.ether(size.volume),
        trades=size.trades,
        buys=size.buys,
        buy_volume=amounts.ether(size.buy_volume),
    )


def candle_row(candle: TokenCandle, decimals: int) -> CandleRow:
    """Return a candle's JSON: a row, as there are many of them."""
    prices = map(amounts.price, (candle.open, candle.high, candle.low, candle.close))
    return (
        candle.bucket // 1000,
        *prices,
        amounts.text(candle.volume, decimals),
        amounts.ether(candle.quote_volume),
        candle.trades,
        candle.buys,
        amounts.ether(candle.buy_quote_volume),
    )  # type: ignore[return-value]


def _progress(reserve: int, target: int, *, graduated: bool) -> float | None:
    if graduated:
        return 100.0
    return order.progress(reserve, target) / 100 if target else None


def _ether(wei: int | None) -> str | None:
    return None if wei is None else amounts.ether(wei)


def _ms(time: int | None) -> int | None:
    return None if time is None else time // 1000
