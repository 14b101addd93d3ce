"""The channel `stats:trades`: the public trade counter, as the publisher tells it."""

from __future__ import annotations

import msgspec

from openoutcry.web.hub import wire
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.outbox import LatestTopic


class StatsFeed:
    """The counter's figures: the last ones are all there is to know."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.topic = LatestTopic()
        self.loaded = False
        self.heard = 0
        self._last: bytes | None = None

    def load(self, kept: bytes | None, heard: int, timestamp: str) -> bytes | None:
        """Take in what is kept, read when `heard` messages had been heard; newer ones win.

        Returns the frame that tells it, if clients have something else. Raises msgspec.DecodeError.
        """
        first, self.loaded = not self.loaded, True
        if kept is None or kept == self._last or self.heard != heard:
            return None
        frame = self.apply(kept, timestamp)
        return None if first else frame

    def apply(self, data: bytes, timestamp: str) -> bytes:
        """Take in new figures and return the frame that tells them. Raises msgspec.DecodeError."""
        self._last = _object(data)
        self.heard += 1
        return wire.text_frame(wire.update("stats", self.channel.name, self._last, timestamp))

    def snapshot(self, now: int) -> bytes:  # noqa: ARG002  (the same for every feed)
        """Return the last figures, or null."""
        return self._last or b"null"


def _object(data: bytes) -> bytes:
    if not isinstance(msgspec.json.decode(data), dict):
        raise msgspec.DecodeError("figures are a JSON object")
    return data
