"""The largest tokens are found by the magnitude of their volumes, which hardly ever changes.

Every trade changes three volumes. Indexes of the volumes themselves took three new entries for it, and
left as many behind for readers to step over. A magnitude, digits and first digit, changes with one
trade in a hundred; while it stays, PostgreSQL writes the row beside the old one and touches no index. A
larger volume never has a smaller magnitude: who reads all down to one magnitude has all the largest,
and sorts a few more than it asked for.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NAMES = ("24h", "7d", "total")

# 0 is 10, 1 is 11, 9 is 19, 10 to 19 is 21, 20 to 29 is 22. By text: exact, however large they are.
MAGNITUDE = """
CREATE FUNCTION outcry_magnitude(amount numeric) RETURNS int
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN 10 * length(amount::text) + left(amount::text, 1)::int
"""

COLUMNS = "ALTER TABLE token_figures " + ", ".join(
    f"ADD COLUMN magnitude_{name} int NOT NULL"
    f" GENERATED ALWAYS AS (outcry_magnitude(volume_{name})) STORED"
    for name in NAMES
)

INDEXES = tuple(
    f"CREATE INDEX token_figures_magnitude_{name} ON token_figures (magnitude_{name})"
    for name in NAMES
)

BEFORE = tuple(
    f"CREATE INDEX token_figures_volume_{name} ON token_figures (volume_{name} DESC, token_id)"
    for name in NAMES
)


def upgrade() -> None:
    for name in NAMES:
        op.execute(f"DROP INDEX token_figures_volume_{name}")
    for statement in (MAGNITUDE, COLUMNS, *INDEXES):
        op.execute(statement)


def downgrade() -> None:
    for name in NAMES:
        op.execute(f"ALTER TABLE token_figures DROP COLUMN magnitude_{name}")
    op.execute("DROP FUNCTION outcry_magnitude")
    for statement in BEFORE:
        op.execute(statement)
