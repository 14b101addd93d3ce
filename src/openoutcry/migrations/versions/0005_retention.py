"""Retention: samples of equity are found by their age."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The unique index begins with the user, and would have to be asked for each of them. Samples come in the
# order of time, at its end. The activity log needs none: its ids are in that order.
EQUITY_POINTS_TIME = "CREATE INDEX equity_points_time ON equity_points (time)"


def upgrade() -> None:
    op.execute(EQUITY_POINTS_TIME)


def downgrade() -> None:
    op.execute("DROP INDEX equity_points_time")
