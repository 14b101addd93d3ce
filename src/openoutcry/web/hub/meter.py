"""What the hub counts, for the role's status report."""

from __future__ import annotations

from collections import Counter

from openoutcry.web.hub.fanout import Fanout
from openoutcry.web.hub.guard import Guard
from openoutcry.web.hub.market import Market
from openoutcry.web.hub.private import Private
from openoutcry.web.hub.protocol import CloseCode
from openoutcry.web.hub.sources import Bus


class Meter:
    """Filled in by the server while it runs; `status` may be asked at any time."""

    def __init__(self) -> None:
        self.opened = 0
        self.refused = 0
        self.commands = 0
        self.clients = 0
        self.lag = 0.0
        """The worst lateness of the event loop's timers of late, in seconds."""
        self.closed: Counter[int] = Counter()
        self._fanout: Fanout | None = None
        self._market: Market | None = None
        self._bus: Bus | None = None
        self._private: Private | None = None
        self._guard: Guard | None = None

    def watch(
        self, fanout: Fanout, market: Market, bus: Bus, private: Private, guard: Guard
    ) -> None:
        """Report these from now on."""
        self._fanout, self._market, self._bus = fanout, market, bus
        self._private, self._guard = private, guard

    def status(self) -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
        """Return counters, gauges, and the venue time (µs) of each symbol's last quote."""
        fanout, market = self._fanout, self._market
        counters: dict[str, float] = {
            "connections": self.opened,
            "connections_refused": self.refused,
            "commands": self.commands,
            "messages_out": fanout.messages if fanout else 0,
            "bytes_out": fanout.bytes if fanout else 0,
            "conflated": fanout.conflated if fanout else 0,
            "bad_messages": market.bad_messages if market else 0,
        }
        if self._private is not None:
            counters["resumed"] = self._private.resumed
            counters["snapshots"] = self._private.snapshots
            counters["holes"] = self._private.holes
        for code in CloseCode:
            counters[f"closed_{code.value}"] = self.closed[code]
        counters["closed_by_client"] = self.closed[0]
        gauges: dict[str, float] = {
            "clients": self.clients,
            "clients_signed_in": len(self._guard) if self._guard else 0,
            "clients_slow": fanout.paused if fanout else 0,
            "loop_lag_seconds": self.lag,
            "bus_connected": float(self._bus.connected) if self._bus else 0.0,
        }
        return counters, gauges, dict(market.quotes.times) if market else {}
