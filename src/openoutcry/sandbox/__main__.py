"""Run the sandbox exchange by itself: `python -m openoutcry.sandbox --rate 20`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import Any

import msgspec
import uvloop

from openoutcry.errors import OutcryError
from openoutcry.sandbox.server import Addresses, SandboxOptions, serve


def main() -> None:
    """Read the command line and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m openoutcry.sandbox", description=__doc__)
    for name, wanted in SandboxOptions.__annotations__.items():
        text = f"default: {getattr(SandboxOptions(), name)}" if wanted else ""
        parser.add_argument(f"--{name.replace('_', '-')}", help=text)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    for name in {"symbols", "keys", "balances"} & given.keys():
        given[name] = given[name].split(",")
    try:
        options = msgspec.convert(given, SandboxOptions, strict=False, dec_hook=_path)
        uvloop.run(_serve(options))
    except (OutcryError, msgspec.ValidationError, OSError) as error:
        sys.exit(f"{parser.prog}: {error}")


def _path(kind: type, value: Any) -> Any:
    return kind(value)


async def _serve(options: SandboxOptions) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(options, stop, _ready)


def _ready(addresses: Addresses) -> None:
    sys.stdout.write(f"Sandbox exchange: {addresses.rest_url}/api/v3, {addresses.ws_url}/ws\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
