"""Use ccxt, unchanged, against OpenOutcry: only the URL of Binance differs (docs/clients.md).

    pip install ccxt
    python examples/ccxt_rest.py

The sandbox exchange answers the same calls: `--api http://127.0.0.1:8010`.
"""

from __future__ import annotations

import argparse
from typing import Any

import ccxt


def exchange_at(api: str) -> Any:
    """Return ccxt's Binance, asking `api` instead."""
    return ccxt.binance(
        {
            "urls": {
                "api": {
                    "public": f"{api}/api/v3",
                    # load_markets asks the futures hosts too: here they list nothing.
                    "fapiPublic": f"{api}/fapi/v1",
                    "dapiPublic": f"{api}/dapi/v1",
                }
            }
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbol", nargs="?", default="BTC/USDT")
    parser.add_argument("--api", default="http://127.0.0.1:8000")
    options = parser.parse_args()
    exchange, symbol = exchange_at(options.api), options.symbol

    print("markets:", ", ".join(sorted(exchange.load_markets())))
    for time, open_, high, low, close, volume in exchange.fetch_ohlcv(symbol, "1m", limit=5):
        start = exchange.iso8601(time)
        print(f"candle {start}  O {open_} H {high} L {low} C {close}  volume {volume}")
    for trade in exchange.fetch_trades(symbol, limit=5):
        print(
            f"trade {trade['datetime']}  {trade['side']:<4} {trade['amount']} at {trade['price']}"
        )
    ticker = exchange.fetch_ticker(symbol)
    print(f"24 h: last {ticker['last']}, change {ticker['percentage']} %")
    for name, best in exchange.fetch_bids_asks().items():
        print(f"best: {name}  bid {best['bid']}  ask {best['ask']}")


if __name__ == "__main__":
    main()
