"""Bytecode for processes that tests start, on machines that keep none beside their sources.

With PYTHONDONTWRITEBYTECODE each of hundreds of processes compiles every module that it imports:
a role spends twice the processor time until it is there. This keeps the bytecode in pytest's cache.
"""

from __future__ import annotations

import os
import sys

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Let this process, the workers of xdist and whatever tests start share one cache."""
    if not sys.dont_write_bytecode or sys.pycache_prefix or config.cache is None:
        return
    kept = str(config.cache.mkdir("bytecode"))
    sys.dont_write_bytecode, sys.pycache_prefix = False, kept
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = kept
