"""An exchange that sends as fast as it is read: pre-made Binance trade messages, one frame each."""

from __future__ import annotations

import argparse
import asyncio
import random
import time

import picows
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest

CHUNK = 256 * 1024


def make_frames(count: int, symbols: list[str], per_second: int) -> list[bytes]:
    """Return the messages as WebSocket frames, joined into chunks of about 256 KiB."""
    draw = random.Random(7)
    now = time.time_ns() // 1_000_000
    ids = dict.fromkeys(symbols, 1_000_000)
    prices = {symbol: draw.randint(100_000, 6_000_000) for symbol in symbols}
    chunks, chunk = [], bytearray()
    for at in range(count):
        symbol = symbols[at % len(symbols)] if draw.random() < 0.5 else draw.choice(symbols)
        ids[symbol] += 1
        prices[symbol] = max(100, prices[symbol] + draw.randint(-3, 3))
        told = now + at * 1000 // per_second
        price, size = prices[symbol], draw.randint(1, 2_000_000)
        message = (
            f'{{"e":"trade","E":{told + 1},"s":"{symbol}","t":{ids[symbol]},'
            f'"p":"{price // 100}.{price % 100:02}000000",'
            f'"q":"{size // 100_000}.{size % 100_000:05}000","T":{told},'
            f'"m":{"true" if draw.random() < 0.5 else "false"},"M":true}}'
        ).encode()
        if len(message) < 126:
            chunk += bytes((0x81, len(message)))
        else:
            chunk += bytes((0x81, 126, len(message) >> 8, len(message) & 255))
        chunk += message
        if len(chunk) >= CHUNK:
            chunks.append(bytes(chunk))
            chunk.clear()
    chunks.append(bytes(chunk))
    return chunks


class _Session(WSListener):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks
        self._room = asyncio.Event()
        self._room.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            transport.send(WSMsgType.TEXT, b'{"result":null,"id":1}')
            self._task = asyncio.get_running_loop().create_task(self._blast(transport))

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    async def _blast(self, transport: WSTransport) -> None:
        await asyncio.sleep(1)
        print(f"begin {time.time()}", flush=True)
        for chunk in self._chunks:
            await self._room.wait()
            transport.underlying_transport.write(chunk)
        print(f"end {time.time()}", flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--symbols", required=True)
    parser.add_argument("--per-second", type=int, default=100_000, help="in the venue's time")
    options = parser.parse_args()
    chunks = make_frames(options.count, options.symbols.split(","), options.per_second)

    def accept(_request: WSUpgradeRequest) -> WSListener:
        return _Session(chunks)

    server = await picows.ws_create_server(accept, "127.0.0.1", options.port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
