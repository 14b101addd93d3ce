"""Use Binance's own connector, unchanged, against OpenOutcry: REST and streams.

pip install binance-sdk-spot
python examples/binance_connector.py BTCUSDT
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_sdk_spot.rest_api.models import KlinesIntervalEnum
from binance_sdk_spot.spot import Spot


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbol", nargs="?", default="BTCUSDT")
    parser.add_argument("--api", default="http://127.0.0.1:8000")
    parser.add_argument("--hub", default="ws://127.0.0.1:8001")
    parser.add_argument("--count", type=int, default=10, help="stop after so many trades")
    options = parser.parse_args()
    symbol = options.symbol
    client: Any = Spot(
        config_rest_api=ConfigurationRestAPI(base_path=options.api),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=f"{options.hub}/stream"),
    )

    minute = KlinesIntervalEnum["INTERVAL_1m"]
    for row in client.rest_api.klines(symbol, minute, limit=5).data():
        print(f"candle {row[0]}  O {row[1]} H {row[2]} L {row[3]} C {row[4]}  volume {row[5]}")
    best = client.rest_api.ticker_book_ticker(symbol).data().actual_instance
    print(f"best: bid {best.bid_price}  ask {best.ask_price}")

    connection = await client.websocket_streams.create_connection()
    trades: asyncio.Queue[Any] = asyncio.Queue()
    try:
        stream = await connection.trade(symbol=symbol.lower())
        stream.on("message", trades.put_nowait)
        for _ in range(options.count):
            trade = await trades.get()
            print(f"trade {trade.t}  {trade.q} at {trade.p}")
        await stream.unsubscribe()
    finally:
        await connection.close_connection(close_session=True)


if __name__ == "__main__":
    asyncio.run(main())
