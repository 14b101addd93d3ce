"""What tests do to a chain's node: the line to it is cut and comes back."""

from __future__ import annotations

import asyncio
from contextlib import suppress

_CHUNK = 1 << 16


class Gate:
    """A TCP line to a port of localhost that can be cut; the node behind it goes on undisturbed.

    A node that is really stopped comes back with its state, but cannot reorganise blocks that it
    mined before: that is what this is for.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where the node is reached over HTTP through here."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where the node is reached over WebSocket through here."""
        return f"ws://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Take connections, at the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End all connections at once and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for line in self._lines:
            line.transport.abort()
        self._lines.clear()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ours = {writer, back}
        self._lines |= ours
        await asyncio.gather(_pump(reader, back), _pump(there, writer))
        self._lines -= ours


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    if reader.exception() is None:
        writer.close()
    else:
        writer.transport.abort()
