"""Watch one market's candles change, over the hub's WebSocket protocol (docs/websocket.md).

    python examples/watch_candles.py BTCUSDT 1m

Each message is the whole candle as it is stored: the last one wins, nothing has to be added up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp


def show(candle: dict[str, Any]) -> None:
    """Print one candle. `closed`: its time is over. `complete`: and no trade of it is missing."""
    start = datetime.fromtimestamp(candle["time"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    prices = " ".join(
        f"{name[0].upper()} {candle[name]}" for name in ("open", "high", "low", "close")
    )
    state = "complete" if candle["complete"] else "closed" if candle["closed"] else "forming"
    print(
        f"{start}  {prices}  volume {candle['volume']}  {candle['trades']} trades  {state}",
        flush=True,
    )


async def watch(hub: str, channel: str, count: int) -> None:
    """Print `count` candle messages (0: for ever)."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{hub}/api/v1/ws/app", autoping=True) as socket,
    ):
        await socket.send_json({"type": "subscribe", "channel": channel})
        shown = 0
        async for message in socket:
            answer = json.loads(message.data)
            if answer["type"] == "error":
                raise SystemExit(answer["message"])
            if (
                answer["type"] == "subscribed"
            ):  # the snapshot: the candle before, and the present one
                for candle in answer["data"]["candles"]:
                    show(candle)
            if answer["type"] == "candle_update":
                show(answer["data"])
                shown += 1
                if shown == count:
                    return
        raise SystemExit(f"The hub closed the connection with code {socket.close_code}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbol", nargs="?", default="BTCUSDT")
    parser.add_argument("interval", nargs="?", default="1m")
    parser.add_argument("--hub", default="ws://127.0.0.1:8001")
    parser.add_argument("--count", type=int, default=0, help="stop after so many changes")
    options = parser.parse_args()
    channel = f"candle:{options.symbol}:{options.interval}"
    asyncio.run(watch(options.hub, channel, options.count))


if __name__ == "__main__":
    main()
