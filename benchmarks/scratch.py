"""Engines for a benchmark: as in production, every commit on the disk, in a folder that goes away."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from openoutcry import engines
from openoutcry.engines import Engines


@asynccontextmanager
async def scratch_engines(*, fsync: bool = True) -> AsyncIterator[Engines]:
    """Yield running engines; `fsync=False` leaves the disk out of the figures."""
    with tempfile.TemporaryDirectory(prefix="outcry-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # for root: PostgreSQL's account passes through
        async with await engines.start(folder / "data", temporary=not fsync) as running:
            yield running
