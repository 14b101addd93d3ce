"""Which statements have become slow: the difference between two looks at what PostgreSQL counts."""

from __future__ import annotations

from typing import Final

from openoutcry.adapters.postgres.pool import Pool
from openoutcry.adapters.postgres.statements import Statement, read_statements
from openoutcry.services.alert_rules import SlowQuery

LOOKED_AT: Final = 200
"""Statements that took most time altogether: a slow one is soon among them."""

_LETTERS: Final = 120


class SlowQueries:
    """Compares each look with the one before. `least` calls in between make an average."""

    def __init__(self, pool: Pool, least: int = 3) -> None:
        self._pool = pool
        self._least = least
        self._before: dict[str, Statement] | None = None

    async def read(self) -> list[SlowQuery] | None:
        """Return what was called since the last look, slowest first; None where nothing is counted.

        Raises StoreUnavailableError.
        """
        found = await read_statements(self._pool, LOOKED_AT, letters=_LETTERS)
        if found is None:
            return None
        before, self._before = self._before, {each.query_id: each for each in found}
        if before is None:
            return []
        since = [_since(before.get(each.query_id), each) for each in found]
        made = [each for each in since if each.calls >= self._least]
        return sorted(made, key=lambda each: -each.mean_ms)


def _since(before: Statement | None, now: Statement) -> SlowQuery:
    calls, total = now.calls, now.total_ms
    # Less than before: the figures were reset in between, and begin anew.
    if before is not None and before.calls <= calls and before.total_ms <= total:
        calls, total = calls - before.calls, total - before.total_ms
    return SlowQuery(now.query_id, now.query, calls, total / calls if calls else 0.0)
