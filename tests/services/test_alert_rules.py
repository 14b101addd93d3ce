"""Which picture of the system breaks which rule, and what cannot be told while an engine is out."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from openoutcry.adapters.postgres.replica import ReplicaStatus
from openoutcry.config import Settings
from openoutcry.core.alerts import Condition, Severity
from openoutcry.services import alert_rules
from openoutcry.services.alert_rules import Limits, Picture, SlowQuery, look
from openoutcry.services.status import (
    EngineStatus,
    RoleReport,
    StreamStatus,
    SymbolStatus,
    SystemStatus,
)

NOW = 1_780_000_000_000_000
SECOND = 1_000_000
URL = ["http://node"]
LIMITS = Limits.of(Settings(chain_rpc_urls=URL, launchpads=["outcry@0x" + "1" * 40]))


def role(name: str, **gauges: float) -> RoleReport:
    """Return a process that reports."""
    return RoleReport(name, f"host-{name}", 1, "host", NOW, NOW, "running", {}, gauges, {})


def system(**other: Any) -> SystemStatus:
    """Return a system in which all is well."""
    well = SystemStatus(
        time=NOW,
        engines=[EngineStatus("postgres", True, 1.0), EngineStatus("valkey", True, 1.0)],
        roles=[role(name) for name in ("feed", "recorder", "hub", "api", "trader", "indexer")],
        streams=[StreamStatus("trades_stream:{0}", 1, "5-0", "5-0", 10, 0.1)],
        symbols=[SymbolStatus("BTCUSDT", 7, NOW - SECOND, NOW)],
        gaps_open=0,
        trades_missing=0,
        trades_per_second=1.0,
        replica=ReplicaStatus(True, "", 0.1, 0),
    )
    return structs.replace(well, **other)


def wrong(status: SystemStatus, limits: Limits = LIMITS, **other: Any) -> list[Condition]:
    """Return what is wrong with a picture, the rest of which is well."""
    picture = Picture(status, **{"disk_free": 50.0, "slow": [], **other})
    return look(picture, limits)[0]


def test_all_is_well() -> None:
    """Nothing is wrong, and every rule can see."""
    assert look(Picture(system(), 50.0, []), LIMITS) == ([], set())


@pytest.mark.parametrize(
    ("rule", "subject", "status"),
    [
        (
            alert_rules.RECORDER,
            "trades_stream:{0}",
            {"streams": [StreamStatus("trades_stream:{0}", 1, "9-0", "5-0", 10, 10.5)]},
        ),
        (alert_rules.ROLE, "hub", {"roles": [r for r in system().roles if r.role != "hub"]}),
        (
            alert_rules.ROLE,
            "indexer",
            {"roles": [r for r in system().roles if r.role != "indexer"]},
        ),
        (alert_rules.GAPS, "", {"gaps_open": 2, "trades_missing": 9}),
        (
            alert_rules.SILENT,
            "BTCUSDT",
            {"symbols": [SymbolStatus("BTCUSDT", 7, NOW - 301 * SECOND, NOW)]},
        ),
        (alert_rules.REPLICA, "", {"replica": ReplicaStatus(False, "cannot be reached")}),
        (
            alert_rules.INDEXER,
            "",
            {"roles": [*system().roles[:-1], role("indexer", owned=1, lag_seconds=61)]},
        ),
        (
            alert_rules.NODE,
            "",
            {"roles": [*system().roles[:-1], role("indexer", owned=1, node_silent_seconds=61)]},
        ),
    ],
)
def test_each_rule_has_its_case(rule: str, subject: str, status: dict[str, Any]) -> None:
    """One thing is wrong: its rule says so and no other does."""
    (found,) = wrong(system(**status))
    assert (found.rule, found.subject) == (rule, subject)
    assert found.summary


def test_a_standby_of_the_indexer_is_not_behind() -> None:
    """The process at work counts, not the one that waits for its lock."""
    roles = [
        *system().roles[:-1],
        role("indexer", owned=1, lag_seconds=0),
        role("indexer", owned=0, lag_seconds=900, node_silent_seconds=900),
    ]
    assert wrong(system(roles=roles)) == []


def test_gaps_need_their_time() -> None:
    """A gap is being filled for minutes before it is an alert; an engine needs seconds."""
    (gaps,) = wrong(system(gaps_open=1))
    assert gaps.after == 600
    engines = [EngineStatus("postgres", True, 1.0), EngineStatus("valkey", False, 0.0, "no answer")]
    (engine,) = wrong(system(engines=engines))
    assert (engine.after, engine.severity, engine.subject) == (10, Severity.CRITICAL, "valkey")


def test_the_disk() -> None:
    """Under a tenth it is a warning, under half of that critical; elsewhere nobody knows."""
    assert [each.severity for each in wrong(system(), disk_free=9.9)] == [Severity.WARNING]
    assert [each.severity for each in wrong(system(), disk_free=4.9)] == [Severity.CRITICAL]
    assert look(Picture(system(), None, []), LIMITS) == ([], {alert_rules.DISK})


def test_slow_statements() -> None:
    """Those above the threshold, each an alert of its own that shows its text."""
    slow = [SlowQuery("1", "SELECT $1", 9, 1000.1), SlowQuery("2", "SELECT 2", 9, 999.0)]
    (found,) = wrong(system(), slow=slow)
    assert (found.subject, found.threshold) == ("1", 1000)
    assert "SELECT $1" in found.summary
    assert look(Picture(system(), 50.0, None), LIMITS) == ([], {alert_rules.QUERY})


def test_what_an_engine_hides() -> None:
    """While Valkey is out no role is missing, while PostgreSQL is out nobody knows of gaps."""
    engines = [EngineStatus("postgres", True, 1.0), EngineStatus("valkey", False, 0.0, "out")]
    found, blind = look(Picture(system(engines=engines, roles=[], streams=[]), 50, []), LIMITS)
    assert [each.rule for each in found] == [alert_rules.ENGINE]
    assert {alert_rules.ROLE, alert_rules.RECORDER} <= blind
    engines = [EngineStatus("postgres", False, 0.0, "out"), EngineStatus("valkey", True, 1.0)]
    found, blind = look(Picture(system(engines=engines, symbols=[]), 50, None), LIMITS)
    assert [each.rule for each in found] == [alert_rules.ENGINE]
    assert {alert_rules.GAPS, alert_rules.SILENT} <= blind


def test_each_rule_can_be_switched_off() -> None:
    """A threshold of 0 says never; roles that are not listed may be away; replays are silent."""
    off = Limits.of(
        Settings(
            alert_roles=["api"],
            alert_recorder_seconds=0,
            alert_gap_minutes=0,
            alert_silence_seconds=0,
            alert_indexer_seconds=0,
            alert_disk_percent=0,
            alert_query_ms=0,
        )
    )
    status = system(
        roles=[role("api"), role("indexer", lag_seconds=99, node_silent_seconds=99)],
        streams=[StreamStatus("trades_stream:{0}", 1, "9-0", "5-0", 10, 99.0)],
        symbols=[SymbolStatus("BTCUSDT", 7, 0, 0)],
        gaps_open=3,
    )
    assert wrong(status, off, disk_free=0.1, slow=[SlowQuery("1", "", 9, 1e6)]) == []
    assert Limits.of(Settings(sandbox_replay="file")).silence_seconds == 0


def test_symbols_that_nobody_follows_any_more() -> None:
    """Only configured symbols are expected to trade."""
    symbols = [SymbolStatus("OLDUSDT", 7, 0, 0)]
    assert wrong(system(symbols=symbols)) == []
