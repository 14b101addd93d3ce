"""Use ccxt, unchanged, against the sandbox exchange: only its addresses differ (docs/sandbox.md).

pip install ccxt
outcry run sandbox &
python examples/ccxt_sandbox.py
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

import ccxt


def sandbox_exchange(url: str) -> Any:
    """Return ccxt's Binance, speaking to the sandbox at `url`."""
    exchange = ccxt.binance()
    addresses = exchange.urls["api"]
    addresses["public"] = f"{url}/api/v3"
    # load_markets also asks the futures hosts; the sandbox answers that it lists none.
    addresses["fapiPublic"] = f"{url}/fapi/v1"
    addresses["dapiPublic"] = f"{url}/dapi/v1"
    return exchange


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8010")
    options = parser.parse_args()
    exchange = sandbox_exchange(options.url)

    print("markets:", ", ".join(sorted(exchange.load_markets())))
    for time, open_, high, low, close, volume in exchange.fetch_ohlcv("BTC/USDT", "1m", limit=5):
        start = datetime.fromtimestamp(time / 1000, UTC).strftime("%H:%M")
        print(f"{start}  O {open_} H {high} L {low} C {close}  volume {volume}")
    for trade in exchange.fetch_trades("BTC/USDT", limit=5):
        print(f"{trade['datetime']}  {trade['side']:<4} {trade['amount']} at {trade['price']}")


if __name__ == "__main__":
    main()
