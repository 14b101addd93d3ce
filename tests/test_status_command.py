"""`outcry status`: what it shows, and when it says that something is down."""

from __future__ import annotations

import json

from msgspec import structs
from rich.console import Console

from openoutcry.adapters.postgres.replica import ReplicaStatus
from openoutcry.commands.status import age, down, encode, render
from openoutcry.commands.up import roles_of
from openoutcry.config import Settings
from openoutcry.services.status import (
    EngineStatus,
    RoleReport,
    StreamStatus,
    SymbolStatus,
    SystemStatus,
)

NOW = 1_700_000_000_000_000
SECOND = 1_000_000


def role(name: str, seconds_ago: float = 0.5) -> RoleReport:
    return RoleReport(
        role=name,
        instance=f"box-{name}",
        pid=77,
        host="box",
        started_time=NOW - 60 * SECOND,
        updated_time=NOW - int(seconds_ago * SECOND),
        state="running",
        counters={"requests": 1234},
        gauges={"lag_seconds": 0.00061, "loop_lag_seconds": 2.0},
        symbols={},
    )


WELL = SystemStatus(
    time=NOW,
    engines=[EngineStatus("postgres", True, 1.5), EngineStatus("valkey", True, 0.4)],
    roles=[role(name) for name in ("api", "feed", "hub", "recorder", "trader")],
    streams=[StreamStatus("trades_stream:{0}", 321, "2-0", "1-0", 98_765, 0.25)],
    symbols=[SymbolStatus("BTCUSDT", 4711, NOW - 3 * SECOND, NOW - SECOND)],
    gaps_open=0,
    trades_missing=0,
    trades_per_second=12.5,
)


def shown(status: SystemStatus) -> str:
    """Return the tables as text, wide enough for every line."""
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        console.print(render(status))
    return capture.get()


def test_everything_that_is_promised() -> None:
    """Engines, roles, lag in entries and seconds, trades/s, last trades and gaps are there."""
    text = shown(WELL)
    for word in ("postgres", "recorder", "lag seconds 0.001", "321", "0.25 s", "98,765"):
        assert word in text
    assert "BTCUSDT  3s ago      4711" in text
    assert "12.5 trades/s stored, 0 gaps open" in text
    assert down(WELL) == []


def test_what_is_down_is_named() -> None:
    """An engine without an answer and a role without a report are down, in the table and in JSON."""
    engines = [EngineStatus("postgres", False, 2000.0, "no answer within 2 s"), WELL.engines[1]]
    ill = structs.replace(WELL, engines=engines, roles=WELL.roles[:2], gaps_open=2)
    assert down(ill) == ["postgres", "recorder", "hub", "trader"]
    assert json.loads(encode(ill))["down"] == ["postgres", "recorder", "hub", "trader"]
    assert json.loads(encode(ill))["gapsOpen"] == 2
    text = shown(ill)
    assert "no answer within 2 s" in text
    assert text.count("not running") == 3


def test_an_indexer_says_where_it_stands() -> None:
    """Block, lag and what it says in words; where a chain is configured, a missing one is down."""
    indexer = structs.replace(
        role("indexer"),
        counters={"logs_refused": 2, "blocks_undone": 5},
        gauges={"block": 1234.0, "lag_blocks": 3.0, "lag_seconds": 36.0},
        notes={"node": "wss://node.example"},
    )
    with_chain = structs.replace(WELL, roles=[*WELL.roles, indexer])
    text = shown(with_chain)
    for words in ("block 1,234, lag blocks 3, lag seconds 36", "refused 2", "undone 5"):
        assert words in text
    assert "node wss://node.example" in text
    roles = roles_of(Settings(chain_rpc_urls=["wss://node.example/KEY"], launchpads=["x"]))
    assert down(with_chain, roles) == []
    assert down(WELL, roles) == ["indexer"]
    assert down(WELL, roles_of(Settings())) == []


def test_an_old_report_stands_out() -> None:
    """A process that has not reported for three seconds is shown as silent, whatever it said."""
    old = structs.replace(WELL, roles=[role("feed", 4.2), *WELL.roles[2:]])
    (line,) = [each for each in shown(old).splitlines() if " feed" in each]
    assert "silent" in line
    assert "4s ago" in line


def test_the_read_replica() -> None:
    """It has a line where there is one; lost it stands out, and is no reason to call the system down."""
    assert "replica" not in shown(WELL)
    well = structs.replace(WELL, replica=ReplicaStatus(True, "", 0.04, 1234))
    assert "0.0 s and 1,234 bytes behind" in shown(well)
    ill = structs.replace(WELL, replica=ReplicaStatus(False, "cannot be reached"))
    (line,) = [each for each in shown(ill).splitlines() if each.startswith(" replica")]
    assert "lost" in line
    assert "cannot be reached" in line
    assert down(ill) == []


def test_ages() -> None:
    """Ages are short, and never negative when clocks differ."""
    given = (-5, 950_000, 12 * SECOND, 200 * SECOND, 3 * 3600 * SECOND, 50 * 3600 * SECOND)
    assert [age(each) for each in given] == ["0ms", "950ms", "12s", "3m", "3h", "2d"]
