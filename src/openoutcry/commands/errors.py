"""How errors are told on the command line: one clear line, and an exit code with a meaning."""

from __future__ import annotations

import sys
from collections.abc import Callable

from openoutcry.errors import ConfigError, OutcryError

FAILED = 1
USAGE = 2
INTERRUPTED = 130


def exit_on_error(work: Callable[[], None], *, debug: bool) -> None:
    """Do the work; exit with 2 for what was asked wrongly, with 1 for what failed.

    An error that is none of ours is a bug and keeps its traceback; with `debug` so do ours.
    """
    try:
        work()
    except OutcryError as error:
        if debug:
            raise
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201 - this is the command line
        sys.exit(USAGE if isinstance(error, ConfigError) else FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
