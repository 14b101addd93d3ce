"""Listen with ccxt.pro, unchanged: trades, candles and tickers from OpenOutcry's hub.

    pip install ccxt
    python examples/ccxt_pro_watch.py BTC/USDT

Each `watch_…` returns as soon as there is something new; ccxt reconnects by itself.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import ccxt.pro


def exchange_at(api: str, hub: str) -> Any:
    """Return ccxt.pro's Binance, which asks `api` and listens to `hub`."""
    addresses = {
        "public": f"{api}/api/v3",
        "fapiPublic": f"{api}/fapi/v1",
        "dapiPublic": f"{api}/dapi/v1",
        "ws": {"spot": f"{hub}/ws"},
    }
    return ccxt.pro.binance({"urls": {"api": addresses}})


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbol", nargs="?", default="BTC/USDT")
    parser.add_argument("--api", default="http://127.0.0.1:8000")
    parser.add_argument("--hub", default="ws://127.0.0.1:8001")
    parser.add_argument("--count", type=int, default=10, help="stop after so many trades")
    options = parser.parse_args()
    symbol = options.symbol
    exchange = exchange_at(options.api, options.hub)
    try:
        ticker = await exchange.watch_ticker(symbol, {"name": "miniTicker"})
        print(f"ticker {symbol}  last {ticker['last']}  24 h volume {ticker['baseVolume']}")
        *_, (time, _, _, _, close, volume) = await exchange.watch_ohlcv(symbol, "1m")
        print(f"candle {exchange.iso8601(time)}  close {close}  volume {volume}")
        seen = 0
        while seen < options.count:
            for trade in await exchange.watch_trades(symbol):
                print(
                    f"trade {trade['id']}  {trade['side']:<4} {trade['amount']} at {trade['price']}"
                )
                seen += 1
        await exchange.un_watch_trades(symbol)
    finally:
        await exchange.close()


if __name__ == "__main__":
    asyncio.run(main())
