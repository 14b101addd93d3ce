"""Listens to a few channels that are known from the start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from openoutcry.adapters.valkey.subscriptions import Subscriptions


async def listen(
    url: str,
    channels: tuple[str, ...],
    on_message: Callable[[str, bytes], None],
    on_connected: Callable[[], Awaitable[None]],
) -> None:
    """Call `on_message` with what the channels say, until cancelled.

    `on_connected` is called after each connect, when everything said from then on is heard: messages
    may have been missed.
    """
    subscriptions = Subscriptions(url)
    for channel in channels:
        subscriptions.want(channel)
    await subscriptions.run(on_message, on_connected)
