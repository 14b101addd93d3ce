"""How often what happened to accounts, for the metrics of one process."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum


class AccountEvent(StrEnum):
    """What is counted; none of it tells who it was."""

    SIGNED_IN = "signed_in"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - the name of an event
    TOO_MANY_TRIES = "too_many_tries"
    REFRESHED = "refreshed"
    WRONG_REFRESH = "wrong_refresh"
    REUSED_REFRESH = "reused_refresh"
    SIGNED_UP = "signed_up"
    WRONG_KEY = "wrong_key"


class AccountEvents:
    """Counts since the process started; each event is there from the beginning, with 0."""

    def __init__(self) -> None:
        self.counts: Counter[AccountEvent] = Counter(dict.fromkeys(AccountEvent, 0))

    def add(self, event: AccountEvent) -> None:
        """Count one."""
        self.counts[event] += 1
