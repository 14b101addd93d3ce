"""PostgreSQL's figures as Prometheus metrics: names of tables and indexes, never a statement's text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from openoutcry.adapters.postgres.database_reader import DatabaseFigures

STATEMENTS: Final = 20
"""Statements with a series of their own: those that took most time altogether."""

_TABLE_GAUGES: Final = (
    ("size_bytes", "bytes", "A table with its indexes and all its partitions."),
    ("index_bytes", "index_bytes", "The indexes of a table."),
    ("rows", "rows", "Rows, as counted at the last analysis."),
    ("dead_rows", "dead_rows", "Rows that wait for a vacuum."),
    ("partitions", "partitions", "Partitions."),
)
_TABLE_COUNTERS: Final = (
    ("seq_scans", "seq_scans", "Times that a table was read from end to end."),
    ("index_scans", "index_scans", "Times that a table was read by an index."),
    ("blocks_hit", "blocks_hit", "Blocks of a table and its indexes found in memory."),
    ("blocks_read", "blocks_read", "Blocks of a table and its indexes asked of the system."),
    ("rows_inserted", "inserted", "Rows inserted."),
    ("rows_updated", "updated", "Rows updated."),
    ("rows_deleted", "deleted", "Rows deleted."),
)
_SERVER_GAUGES: Final = (
    ("size_bytes", "bytes", "The database on disk."),
    ("connections", "connections", "Connections to the database."),
    ("connections_most", "connections_most", "Connections that the server allows."),
)
_SERVER_COUNTERS: Final = (
    ("commits", "commits", "Transactions committed."),
    ("rollbacks", "rollbacks", "Transactions rolled back."),
    ("blocks_hit", "blocks_hit", "Blocks found in memory."),
    ("blocks_read", "blocks_read", "Blocks asked of the system."),
    ("temp_bytes", "temp_bytes", "Written to temporary files."),
    ("deadlocks", "deadlocks", "Deadlocks."),
)


class DatabaseCollector(Collector):
    """The figures of one reading."""

    def __init__(self, figures: DatabaseFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Yield every metric family."""
        server = self._figures.server
        for name, field, said in _SERVER_GAUGES:
            yield GaugeMetricFamily(f"outcry_database_{name}", said, getattr(server, field))
        for name, field, said in _SERVER_COUNTERS:
            yield CounterMetricFamily(f"outcry_database_{name}", said, getattr(server, field))
        yield from self._tables()
        yield from self._indexes()
        yield from self._statements()

    def _tables(self) -> Iterator[Metric]:
        for name, field, said in _TABLE_GAUGES:
            gauge = GaugeMetricFamily(f"outcry_table_{name}", said, labels=["table"])
            for table in self._figures.tables:
                gauge.add_metric([table.name], getattr(table, field))
            yield gauge
        for name, field, said in _TABLE_COUNTERS:
            counter = CounterMetricFamily(f"outcry_table_{name}", said, labels=["table"])
            for table in self._figures.tables:
                counter.add_metric([table.name], getattr(table, field))
            yield counter

    def _indexes(self) -> Iterator[Metric]:
        labels = ["table", "index"]
        size = GaugeMetricFamily("outcry_index_size_bytes", "An index.", labels=labels)
        scans = CounterMetricFamily("outcry_index_scans", "Times an index was used.", labels=labels)
        for index in self._figures.indexes:
            size.add_metric([index.table, index.name], index.bytes)
            scans.add_metric([index.table, index.name], index.scans)
        yield from (size, scans)

    def _statements(self) -> Iterator[Metric]:
        # Where nothing is counted nothing is said.
        counted = self._figures.statements
        if counted is None:
            return
        calls = CounterMetricFamily("outcry_statement_calls", "Calls.", labels=["query"])
        seconds = CounterMetricFamily(
            "outcry_statement_seconds",
            "Time of a statement; /api/admin/database has its text.",
            labels=["query"],
        )
        for each in counted[:STATEMENTS]:
            calls.add_metric([each.query_id], each.calls)
            seconds.add_metric([each.query_id], each.total_ms / 1000)
        yield from (calls, seconds)
