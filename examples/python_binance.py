"""Use python-binance, unchanged, against OpenOutcry: its REST client and its sockets.

pip install python-binance
python examples/python_binance.py BTCUSDT
"""

from __future__ import annotations

import argparse
import asyncio

from binance import AsyncClient, BinanceSocketManager


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbol", nargs="?", default="BTCUSDT")
    parser.add_argument("--api", default="http://127.0.0.1:8000")
    parser.add_argument("--hub", default="ws://127.0.0.1:8001")
    parser.add_argument("--count", type=int, default=10, help="stop after so many trades")
    options = parser.parse_args()
    symbol = options.symbol

    client = AsyncClient()
    client.API_URL = f"{options.api}/api"
    sockets = BinanceSocketManager(client)
    sockets.STREAM_URL = f"{options.hub}/"
    try:
        await client.ping()
        print("time", (await client.get_server_time())["serverTime"])
        rows = await client.get_historical_klines(symbol, "1m", "10 minutes ago UTC")
        for start, open_, high, low, close, volume, *_ in rows:
            print(f"candle {start}  O {open_} H {high} L {low} C {close}  volume {volume}")
        ticker = await client.get_ticker(symbol=symbol)
        print(f"24 h: last {ticker['lastPrice']}, {ticker['count']} trades")
        names = [f"{symbol.lower()}@trade", f"{symbol.lower()}@bookTicker"]
        async with sockets.multiplex_socket(names) as socket:
            seen = 0
            while seen < options.count:
                message = await socket.recv()
                data = message["data"]
                if message["stream"] == names[0]:
                    print(f"trade {data['t']}  {data['q']} at {data['p']}")
                    seen += 1
                else:
                    print(f"best: bid {data['b']}  ask {data['a']}")
    finally:
        await client.close_connection()


if __name__ == "__main__":
    asyncio.run(main())
