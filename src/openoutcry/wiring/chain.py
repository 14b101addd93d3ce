"""The chain on localhost, with the sample launchpad and its market; needs no engine."""

from __future__ import annotations

import asyncio

import structlog

from openoutcry.config import Settings
from openoutcry.sandbox.node import show
from openoutcry.sandbox.token_demo import Demo, DemoOptions, serve

log = structlog.get_logger(__name__)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Run the chain until `stop`; it begins anew each time. Raises EngineError: no anvil, no vyper."""

    def ready(demo: Demo) -> None:
        log.info("the market of tokens is open", url=demo.url, launchpad=show(demo.launchpad))

    options = DemoOptions(
        anvil=settings.sandbox_anvil or DemoOptions().anvil,
        port=settings.sandbox_chain_port,
        seed=settings.sandbox_seed,
    )
    await serve(options, stop, ready)
