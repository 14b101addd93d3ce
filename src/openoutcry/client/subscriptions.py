"""What a client listens to and how far it is: messages in; which to pass on, and what to send. Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from openoutcry.client.messages import Message

Request = dict[str, Any]
"""A message to the hub."""


class _State(Struct):
    """One channel: where we are in it, and whether an answer of the hub is due."""

    offset: int | None = None
    epoch: str = ""
    asked: bool = False


class Subscriptions:
    """The channels that are wanted, across connections.

    Guarantee: of a channel with offsets everything is passed on once and in order; after a hole that
    cannot be filled comes a snapshot (`Message.is_snapshot`).
    """

    def __init__(self) -> None:
        self._wanted: dict[str, _State] = {}

    def add(self, channel: str) -> Request:
        """Want a channel; return what to send if there is a connection."""
        self._wanted.setdefault(channel, _State())
        return self.ask(channel)

    def remove(self, channel: str) -> Request:
        """Want a channel no more; return what to send if there is a connection."""
        self._wanted.pop(channel, None)
        return {"type": "unsubscribe", "channel": channel}

    def ask(self, channel: str) -> Request:
        """Return the request for a channel, from where we are in it."""
        state = self._wanted[channel]
        state.asked = True
        request: Request = {"type": "subscribe", "channel": channel}
        if state.offset is not None:
            request |= {"offset": state.offset, "epoch": state.epoch}
        return request

    def connected(self) -> list[Request]:
        """Return what to send on a new connection."""
        return [self.ask(channel) for channel in self._wanted]

    def is_wanted(self, channel: str) -> bool:
        """Return whether a channel is wanted."""
        return channel in self._wanted

    def take(self, message: Message) -> tuple[bool, Request | None]:
        """Return whether to pass a message on, and what to send because of it."""
        if not message.channel or message.type in ("error", "unsubscribed"):
            return True, None
        state = self._wanted.get(message.channel)
        if state is None:
            return False, None  # of a channel that was left a moment ago
        if message.type == "subscribed":
            state.asked = False
            state.offset, state.epoch = message.offset, message.epoch or ""
            return True, None
        if message.offset is None:
            return True, None
        return self._in_order(state, message)

    def _in_order(self, state: _State, message: Message) -> tuple[bool, Request | None]:
        if state.asked or state.offset is None:
            return False, None  # the answer has it, or what it brings comes after it
        if message.epoch == state.epoch and message.offset is not None:
            if message.offset <= state.offset:
                return False, None
            if message.offset == state.offset + 1:
                state.offset = message.offset
                return True, None
        return False, self.ask(message.channel)
