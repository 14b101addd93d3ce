"""Tokens are found by what is typed: how a symbol, a name or a word of it begins, or an address.

`keys` holds a token's symbol, its name, and what is left of the name from each of its words on, in lower
case. A beginning of any of them is one range in one index; there is no pattern whose wildcards would
have to be quoted. Names are what somebody wrote into a contract: however long one is, what is kept of it
is short, and no name can keep a block from being stored.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEYS = """
CREATE FUNCTION outcry_token_keys(symbol text, name text) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT coalesce(array_to_tsvector(array_agg(DISTINCT left(key, 64))), '')
    FROM (
        SELECT lower(symbol) AS key
        UNION ALL
        SELECT array_to_string(words[at:], ' ')
        FROM (SELECT string_to_array(left(lower(name), 256), ' ') AS words) AS split,
            generate_series(1, cardinality(words)) AS at
    ) AS keys
    WHERE key <> ''
)
"""

COLUMN = """
ALTER TABLE tokens
    ADD COLUMN keys tsvector NOT NULL GENERATED ALWAYS AS (outcry_token_keys(symbol, name)) STORED
"""

# fastupdate would leave new tokens in a heap that each search reads as well.
INDEXES = (
    "CREATE INDEX tokens_keys ON tokens USING gin (keys) WITH (fastupdate = off)",
    "CREATE INDEX tokens_creator ON tokens (creator)",
)


def upgrade() -> None:
    for statement in (KEYS, COLUMN, *INDEXES):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX tokens_creator")
    op.execute("ALTER TABLE tokens DROP COLUMN keys")
    op.execute("DROP FUNCTION outcry_token_keys")
