"""The settings of a whole system on ports of its own, whose exchange is the sandbox."""

from __future__ import annotations

from pathlib import Path

from openoutcry.config import Settings, load
from ports import free_ports


def sandboxed(*symbols: str, **more: object) -> Settings:
    """Return the settings of a system that records `symbols`; `more` is whatever else differs."""
    api, hub, rest, ws = free_ports(4)
    return load(
        environ={},
        overrides={
            "symbols": list(symbols),
            "port": api,
            "ws_port": hub,
            "sandbox_port": rest,
            "sandbox_ws_port": ws,
            "binance_rest_url": f"http://127.0.0.1:{rest}",
            "binance_ws_url": f"ws://127.0.0.1:{ws}",
            **more,
        },
    )


def remembering(folder: Path, *symbols: str, **more: object) -> Settings:
    """Return the same where the sandbox keeps its state in `folder`: it can be asked what was true.

    History from before the start is left alone unless `backfill` is set.
    """
    state = str(folder / "market.json")
    return sandboxed(*symbols, **{"sandbox_state": state, "backfill": False, **more})


def replaying(recording: Path, *symbols: str, **more: object) -> Settings:
    """Return the same where the sandbox plays a recording, as fast as it goes unless told otherwise."""
    replay = {"sandbox_replay": str(recording), "sandbox_speed": "max", "backfill": False}
    return sandboxed(*symbols, **{**replay, **more})
