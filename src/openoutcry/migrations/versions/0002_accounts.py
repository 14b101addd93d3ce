"""Accounts: users, their sessions and API keys, and the secret that signs access tokens."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Names are ASCII, so that lower case means the same everywhere; without COLLATE "C" a Turkish
# database would take INFO and info for two.
USERS = """
CREATE TABLE users (
    id                  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name                text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$'),
    role                text NOT NULL CHECK (role IN ('user', 'admin')),
    password_hash       text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    disabled            boolean NOT NULL DEFAULT false,
    created_at          timestamptz NOT NULL DEFAULT now(),
    password_changed_at timestamptz NOT NULL DEFAULT now()
)
"""

USERS_NAME = """CREATE UNIQUE INDEX users_name ON users (lower(name COLLATE "C"))"""

# A session that has ended has no row. family_hash: sha-256 of the part of the refresh token that stays
# the same; refresh_hash: of the whole newest token. A token of the family that is not the newest one
# has been used before.
SESSIONS = """
CREATE TABLE sessions (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id      int NOT NULL REFERENCES users ON DELETE CASCADE,
    family_hash  bytea NOT NULL UNIQUE CHECK (octet_length(family_hash) = 32),
    refresh_hash bytea NOT NULL CHECK (octet_length(refresh_hash) = 32),
    user_agent   text NOT NULL DEFAULT '',
    address      text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
)
"""

SESSIONS_USER = "CREATE INDEX sessions_user ON sessions (user_id, last_used_at)"

# The secret part has 256 bits of chance: nobody guesses it, so one round of sha-256 will do.
API_KEYS = """
CREATE TABLE api_keys (
    id           int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      int NOT NULL REFERENCES users ON DELETE CASCADE,
    prefix       text NOT NULL UNIQUE,
    secret_hash  bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    name         text NOT NULL,
    scopes       text[] NOT NULL CHECK (scopes <@ ARRAY['read', 'trade', 'admin']),
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    expires_at   timestamptz,
    revoked_at   timestamptz
)
"""

API_KEYS_USER = "CREATE INDEX api_keys_user ON api_keys (user_id, created_at)"

# At most one row. Only for installations that do not set OUTCRY_SECRET_KEY.
INSTALLATION = """
CREATE TABLE installation (
    id             boolean PRIMARY KEY DEFAULT true CHECK (id),
    signing_secret bytea NOT NULL CHECK (octet_length(signing_secret) >= 32),
    created_at     timestamptz NOT NULL DEFAULT now()
)
"""


def upgrade() -> None:
    for statement in (
        *(USERS, USERS_NAME, SESSIONS, SESSIONS_USER),
        *(API_KEYS, API_KEYS_USER, INSTALLATION),
    ):
        op.execute(statement)


def downgrade() -> None:
    for table in ("installation", "api_keys", "sessions", "users"):
        op.execute(f"DROP TABLE {table}")
