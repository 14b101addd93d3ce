"""An exchange whose prices and sizes are the clock: a trade tells when it was sent, in µs."""

from __future__ import annotations

import argparse
import asyncio
import time

import picows
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

TICK = 0.001


def message(symbol: str, trade_id: int) -> bytes:
    """Return a trade whose price is the time of sending: its last ten digits of µs, in hundredths."""
    now = time.time_ns() // 1000
    stamp = now % 10**10
    return (
        f'{{"e":"trade","E":{now // 1000},"s":"{symbol}","t":{trade_id},'
        f'"p":"{stamp // 100}.{stamp % 100:02}000000","q":"0.00100000","T":{now // 1000},'
        '"m":true,"M":true}'
    ).encode()


class _Session(WSListener):
    def __init__(self, rate: int, symbols: list[str]) -> None:
        self._rate = rate
        self._symbols = symbols

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            transport.send(WSMsgType.TEXT, b'{"result":null,"id":1}')
            self._task = asyncio.get_running_loop().create_task(self._tick(transport))

    async def _tick(self, transport: WSTransport) -> None:
        began, sent = time.perf_counter(), 0
        first = time.time_ns() // 1000
        while not transport.is_disconnected:
            due = int((time.perf_counter() - began) * self._rate)
            while sent < due:
                symbol = self._symbols[sent % len(self._symbols)]
                transport.send(WSMsgType.TEXT, message(symbol, first + sent // len(self._symbols)))
                sent += 1
            await asyncio.sleep(TICK)


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--symbols", required=True)
    options = parser.parse_args()

    def accept(_request: WSUpgradeRequest) -> WSListener:
        return _Session(options.rate, options.symbols.split(","))

    server = await picows.ws_create_server(accept, "127.0.0.1", options.port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
