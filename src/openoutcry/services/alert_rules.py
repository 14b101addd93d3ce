"""The rules: what in a picture of the system is wrong, by which thresholds. A function of values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from openoutcry.config import Settings
from openoutcry.core.alerts import Condition, Severity
from openoutcry.services.status import RoleReport, SystemStatus

ENGINE, ROLE, RECORDER, GAPS, SILENT, INDEXER, NODE, REPLICA, DISK, QUERY = RULES = (
    "engine_down",
    "role_missing",
    "recorder_behind",
    "gaps_open",
    "symbol_silent",
    "indexer_behind",
    "node_silent",
    "replica_lost",
    "disk_low",
    "query_slow",
)

_NEEDS_POSTGRES: Final = frozenset({GAPS, SILENT, RECORDER, QUERY})
_NEEDS_VALKEY: Final = frozenset({ROLE, RECORDER, INDEXER, NODE})


class SlowQuery(Struct, frozen=True):
    """A statement that took `mean_ms` on average since the last look; its text has no values."""

    query_id: str
    text: str
    calls: int
    mean_ms: float


class Picture(Struct, frozen=True):
    """What the rules look at. `disk_free` in percent; None: not known, as `slow` may be."""

    status: SystemStatus
    disk_free: float | None = None
    slow: Sequence[SlowQuery] | None = None


class Limits(Struct, frozen=True):
    """The thresholds; 0 switches a rule off. `roles` are those that have to be there."""

    roles: tuple[str, ...]
    symbols: frozenset[str]
    after: float
    recorder_seconds: float
    gap_minutes: float
    silence_seconds: float
    indexer_seconds: float
    disk_percent: float
    query_ms: float

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Return what is configured."""
        indexer = ("indexer",) if settings.chain_rpc_urls else ()
        # What is played from a recording was traded long ago.
        silence = 0.0 if settings.sandbox_replay else settings.alert_silence_seconds
        return cls(
            roles=tuple(dict.fromkeys((*settings.alert_roles, *indexer))),
            symbols=frozenset(settings.symbols),
            after=settings.alert_after_seconds,
            recorder_seconds=settings.alert_recorder_seconds,
            gap_minutes=settings.alert_gap_minutes,
            silence_seconds=silence,
            indexer_seconds=settings.alert_indexer_seconds,
            disk_percent=settings.alert_disk_percent,
            query_ms=settings.alert_query_ms,
        )


def look(picture: Picture, limits: Limits) -> tuple[list[Condition], set[str]]:
    """Return what is wrong, and the rules that cannot tell because what they need is out."""
    blind: set[str] = set()
    if not picture.status.engine("postgres").ok:
        blind |= _NEEDS_POSTGRES
    if not picture.status.engine("valkey").ok:
        blind |= _NEEDS_VALKEY
    if picture.disk_free is None:
        blind.add(DISK)
    if picture.slow is None:
        blind.add(QUERY)
    found = [
        *_engines(picture.status, limits),
        *_roles(picture.status, limits),
        *_recorder(picture.status, limits),
        *_gaps(picture.status, limits),
        *_silent(picture.status, limits),
        *_indexer(picture.status, limits),
        *_replica(picture.status, limits),
        *_disk(picture, limits),
        *_queries(picture, limits),
    ]
    return [each for each in found if each.rule not in blind], blind


def _engines(status: SystemStatus, limits: Limits) -> Iterator[Condition]:
    for engine in status.engines:
        if not engine.ok:
            said = f"{engine.name} is out: {engine.reason}"
            yield Condition(ENGINE, engine.name, Severity.CRITICAL, said, 0, 1, limits.after)


def _roles(status: SystemStatus, limits: Limits) -> Iterator[Condition]:
    seen = {each.role for each in status.roles}
    for role in limits.roles:
        if role not in seen:
            said = f"no process reports as {role}"
            yield Condition(ROLE, role, Severity.CRITICAL, said, 0, 1, limits.after)


def _recorder(status: SystemStatus, limits: Limits) -> Iterator[Condition]:
    most = limits.recorder_seconds
    for stream in status.streams:
        behind = stream.seconds_behind or 0.0
        if most and behind > most:
            said = f"the store is {behind:.0f} s behind the stream {stream.stream}"
            yield Condition(
                *(RECORDER, stream.stream, Severity.CRITICAL, said, behind, most), limits.after
            )


def _gaps(status: SystemStatus, limits: Limits) -> Iterator[Condition]:
    if limits.gap_minutes and status.gaps_open:
        said = (
            f"{status.gaps_open} gaps are open for {limits.gap_minutes:g} minutes:"
            f" {status.trades_missing} trades are missing"
        )
        after = 60 * limits.gap_minutes
        yield Condition(GAPS, "", Severity.WARNING, said, status.gaps_open, 0, after)


def _silent(status: SystemStatus, limits: Limits) -> Iterator[Condition]:
    most = limits.silence_seconds
    for symbol in status.symbols:
        age = (status.time - symbol.last_trade_time) / 1e6
        if most and age > most and symbol.symbol in limits.symbols:
            said = f"{symbol.symbol} has not traded for {age:.0f} s"
            yield Condition(
                *(SILENT, symbol.symbol, Severity.WARNING, said, age, most), limits.after
            )


def _indexer(status: SystemStatus, limits: Limits) -> Iterator[Condition]:
    most = limits.indexer_seconds
    at_work = [each for each in status.roles if each.role == "indexer" and _owns(each)]
    if not most or not at_work:
        return
    behind = min(each.gauges.get("lag_seconds", 0.0) for each in at_work)
    if behind > most:
        blocks = min(each.gauges.get("lag_blocks", 0.0) for each in at_work)
        said = f"the indexer is {behind:.0f} s and {blocks:.0f} blocks behind the chain"
        yield Condition(INDEXER, "", Severity.WARNING, said, behind, most, limits.after)
    silent = min(each.gauges.get("node_silent_seconds", 0.0) for each in at_work)
    if silent > most:
        said = f"no node of the chain has answered for {silent:.0f} s"
        yield Condition(NODE, "", Severity.CRITICAL, said, silent, most, limits.after)


def _owns(report: RoleReport) -> bool:
    return bool(report.gauges.get("owned", 1.0))


def _replica(status: SystemStatus, limits: Limits) -> Iterator[Condition]:
    replica = status.replica
    if replica is not None and not replica.ok:
        said = f"the read replica {replica.reason}; the primary answers for it"
        lag = replica.lag_seconds or 0.0
        yield Condition(REPLICA, "", Severity.WARNING, said, lag, 0, limits.after)


def _disk(picture: Picture, limits: Limits) -> Iterator[Condition]:
    free, least = picture.disk_free, limits.disk_percent
    if free is not None and free < least:
        severity = Severity.CRITICAL if free < least / 2 else Severity.WARNING
        said = f"{free:.1f} % of the disk with the data directory are free"
        yield Condition(DISK, "", severity, said, free, least, limits.after)


def _queries(picture: Picture, limits: Limits) -> Iterator[Condition]:
    most = limits.query_ms
    for slow in picture.slow or ():
        if most and slow.mean_ms > most:
            said = (
                f"a statement takes {slow.mean_ms:.0f} ms ({slow.calls} calls since the last look):"
                f" {slow.text}"
            )
            yield Condition(
                *(QUERY, slow.query_id, Severity.WARNING, said, slow.mean_ms, most), limits.after
            )
