"""The sandbox exchange, which needs no engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from openoutcry.config import Settings
from openoutcry.sandbox.server import SandboxOptions, serve


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Run the sandbox exchange, which needs no engine."""
    options = SandboxOptions(
        host=settings.sandbox_host,
        port=settings.sandbox_port,
        ws_port=settings.sandbox_ws_port,
        symbols=settings.symbols,
        seed=settings.sandbox_seed,
        rate=settings.sandbox_rate,
        speed=settings.sandbox_speed,
        replay=_path(settings.sandbox_replay),
        state_file=_path(settings.sandbox_state),
        faults_file=_path(settings.sandbox_faults),
        keys=settings.sandbox_keys,
        balances=settings.sandbox_balance,
    )
    await serve(options, stop)


def _path(text: str) -> Path | None:
    return Path(text) if text else None
