"""Live trading: keys of exchanges, sealed, and why an order is being withdrawn from one."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# sealed: key and secret, AES-256-GCM, bound to this row's user, exchange and name. hint: the end of the
# key (not of the secret), so that its owner knows which it is.
EXCHANGE_KEYS = """
CREATE TABLE exchange_keys (
    id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    int NOT NULL REFERENCES users ON DELETE CASCADE,
    exchange   text NOT NULL,
    name       text NOT NULL,
    hint       text NOT NULL,
    sealed     bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, exchange)
)
"""

# An order at a live exchange stays open until the exchange says otherwise. That it is to be cancelled,
# and why, must not be forgotten by a process that dies before it has asked.
WITHDRAWN = "ALTER TABLE orders ADD COLUMN withdrawn text"


def upgrade() -> None:
    op.execute(EXCHANGE_KEYS)
    op.execute(WITHDRAWN)


def downgrade() -> None:
    op.execute("ALTER TABLE orders DROP COLUMN withdrawn")
    op.execute("DROP TABLE exchange_keys")
