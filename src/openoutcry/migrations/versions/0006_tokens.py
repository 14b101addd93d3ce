"""Tokens of a chain: blocks, the log of what happened in them, and what it adds up to.

The log is `token_trades`, `token_transfers`, `token_creations`, `token_graduations`: rows are added and
never changed or removed. Whether a row counts is said by its block alone (`chain_blocks.applied`),
so a reorganisation of any size marks a few rows, and a block that comes back marks them again.
Everything else is derived and can be made anew from the log (`adapters.postgres.token_rebuild`).

Choices that are not obvious:

- `position` is block number * 2**20 + log index: the order of the chain in one column, which opens and
  closes candles and turns pages. Block times may repeat, and ids of blocks follow arrival.
- What moves with each trade is one narrow row in `token_figures` (price, supply, holders, volumes),
  apart from `tokens`, which hardly ever changes. Its volumes are indexed for the lists of the largest:
  without, sorting ten thousand of them took 3 ms of each answer's 5, and more the more tokens there are.
  (0007 indexes their magnitudes instead.)
- There is no table of orphans beside `applied`: the index `chain_blocks_orphans` is that table.
- Balances may be below zero where the log does not begin with the token (a pool's token, or a part of
  a block that came before the block before it): such rows are kept, or sums would go wrong, and are
  nobody's holding. `balance > 0` is what counts.
- Both big tables are hypertables where TimescaleDB is present, as the tape's are; not compressed,
  because a row that is repeated has to be found by its key.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# whole: the indexer has brought all of it, not only a confirmation the part about one transaction.
# filled: it has rows in the log. Blocks without are kept while they are young, to follow the chain.
CHAIN_BLOCKS = """
CREATE TABLE chain_blocks (
    id      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number  bigint NOT NULL CHECK (number >= 0),
    hash    bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    parent  bytea NOT NULL CHECK (octet_length(parent) = 32),
    time    timestamptz NOT NULL,
    applied boolean NOT NULL,
    whole   boolean NOT NULL,
    filled  boolean NOT NULL
) WITH (fillfactor = 90)
"""

CHAIN_BLOCKS_NUMBER = "CREATE INDEX chain_blocks_number ON chain_blocks (number)"

# By time first: who asks for a stretch of the log compares it with the orphans of that stretch, none or
# a few. With those of all time, two thousand rows took 2 ms longer.
CHAIN_BLOCKS_ORPHANS = (
    "CREATE INDEX chain_blocks_orphans ON chain_blocks (time, id) WHERE NOT applied"
)

# One row: a store follows one chain. The genesis hash is kept because test chains share their ids.
CHAIN_HEAD = """
CREATE TABLE chain_head (
    id       boolean PRIMARY KEY DEFAULT true CHECK (id),
    chain_id bigint,
    genesis  bytea,
    number   bigint,
    hash     bytea
)
"""

CHAIN_HEAD_ROW = "INSERT INTO chain_head DEFAULT VALUES"

# created_number and created_at are null for a token that is known by its trades only.
TOKENS = """
CREATE TABLE tokens (
    id             int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address        bytea NOT NULL UNIQUE CHECK (octet_length(address) = 20),
    launchpad      text NOT NULL DEFAULT '',
    creator        bytea NOT NULL DEFAULT '\\x0000000000000000000000000000000000000000',
    name           text NOT NULL DEFAULT '',
    symbol         text NOT NULL DEFAULT '',
    decimals       smallint NOT NULL DEFAULT 18,
    target         numeric(78,0) NOT NULL DEFAULT 0,
    created_number bigint,
    created_at     timestamptz,
    graduated_at   timestamptz
)
"""

TOKENS_CREATED = "CREATE INDEX tokens_created ON tokens (created_at DESC, id DESC)"

# last_position, price (scaled by 10**36), supply and reserve: the last trade's; supply and reserve are
# null where it does not tell them, and then what was minted, and what was paid in, less what went out,
# stands for them. Volumes of a window are those of trades after token_windows.through.
TOKEN_FIGURES = """
CREATE TABLE token_figures (
    token_id      int PRIMARY KEY,
    last_position bigint,
    price         numeric(78,0),
    supply        numeric(78,0),
    reserve       numeric(78,0),
    minted        numeric NOT NULL DEFAULT 0,
    paid_in       numeric NOT NULL DEFAULT 0,
    holders       bigint NOT NULL DEFAULT 0,
    trades        bigint NOT NULL DEFAULT 0,
    volume_24h    numeric NOT NULL DEFAULT 0,
    volume_7d     numeric NOT NULL DEFAULT 0,
    volume_total  numeric NOT NULL DEFAULT 0
) WITH (fillfactor = 50)
"""

# Updates come thousands a second to few rows: what they leave behind must not wait for the default share
# of the table.
TOKEN_FIGURES_VACUUM = """
ALTER TABLE token_figures SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)
"""

TOKEN_FIGURES_VOLUMES = tuple(
    f"CREATE INDEX token_figures_{name} ON token_figures ({name} DESC, token_id)"
    for name in ("volume_24h", "volume_7d", "volume_total")
)

TOKEN_WINDOWS = """
CREATE TABLE token_windows (
    name    text PRIMARY KEY,
    length  interval NOT NULL,
    through timestamptz NOT NULL
) WITH (fillfactor = 20)
"""

TOKEN_WINDOWS_ROWS = """
INSERT INTO token_windows VALUES ('24h', '24 hours', 'epoch'), ('7d', '168 hours', 'epoch')
"""

TOKEN_TRADES = """
CREATE TABLE token_trades (
    block_time timestamptz NOT NULL,
    position   bigint NOT NULL,
    block_id   int NOT NULL,
    token_id   int NOT NULL,
    side       smallint NOT NULL CHECK (side IN (1, -1)),
    trader     bytea NOT NULL,
    eth        numeric(78,0) NOT NULL,
    tokens     numeric(78,0) NOT NULL,
    price      numeric(78,0) NOT NULL,
    supply     numeric(78,0),
    reserve    numeric(78,0),
    tx_hash    bytea NOT NULL,
    PRIMARY KEY (block_time, block_id, position)
){partitioned}
"""

TOKEN_TRANSFERS = """
CREATE TABLE token_transfers (
    block_time timestamptz NOT NULL,
    position   bigint NOT NULL,
    block_id   int NOT NULL,
    token_id   int NOT NULL,
    sender     bytea NOT NULL,
    receiver   bytea NOT NULL,
    amount     numeric(78,0) NOT NULL,
    tx_hash    bytea NOT NULL,
    PRIMARY KEY (block_time, block_id, position)
){partitioned}
"""

LOG_INDEXES = (
    "CREATE INDEX token_trades_token ON token_trades (token_id, block_time, position)",
    "CREATE INDEX token_transfers_token ON token_transfers (token_id, block_time)",
)

# Few enough not to be partitioned.
TOKEN_CREATIONS = """
CREATE TABLE token_creations (
    token_id   int NOT NULL,
    position   bigint NOT NULL,
    block_id   int NOT NULL,
    block_time timestamptz NOT NULL,
    launchpad  text NOT NULL,
    creator    bytea NOT NULL,
    name       text NOT NULL,
    symbol     text NOT NULL,
    decimals   smallint NOT NULL,
    target     numeric(78,0) NOT NULL,
    tx_hash    bytea NOT NULL,
    PRIMARY KEY (token_id, position, block_id)
)
"""

TOKEN_GRADUATIONS = """
CREATE TABLE token_graduations (
    token_id   int NOT NULL,
    position   bigint NOT NULL,
    block_id   int NOT NULL,
    block_time timestamptz NOT NULL,
    tx_hash    bytea NOT NULL,
    PRIMARY KEY (token_id, position, block_id)
)
"""

BY_BLOCK = (
    "CREATE INDEX token_creations_block ON token_creations (block_id)",
    "CREATE INDEX token_graduations_block ON token_graduations (block_id)",
)

# held_since: the number of the block in which the balance last rose above zero, counted at the ends of
# blocks. first_bought_at: the first purchase from that block on. Both null where balance < 0.
TOKEN_HOLDERS = """
CREATE TABLE token_holders (
    token_id        int NOT NULL,
    address         bytea NOT NULL,
    balance         numeric NOT NULL CHECK (balance <> 0),
    held_since      bigint,
    first_bought_at timestamptz,
    last_active_at  timestamptz NOT NULL,
    PRIMARY KEY (token_id, address)
) WITH (fillfactor = 80)
"""

TOKEN_HOLDERS_BALANCE = """
CREATE INDEX token_holders_balance ON token_holders (token_id, balance DESC, address) WHERE balance > 0
"""

CANDLES = """
CREATE TABLE token_candles_{base} (
    token_id         int NOT NULL,
    bucket           timestamptz NOT NULL,
    open             numeric(78,0) NOT NULL,
    high             numeric(78,0) NOT NULL,
    low              numeric(78,0) NOT NULL,
    close            numeric(78,0) NOT NULL,
    volume           numeric NOT NULL,
    quote_volume     numeric NOT NULL,
    trades           bigint NOT NULL,
    buys             bigint NOT NULL,
    buy_quote_volume numeric NOT NULL,
    first_position   bigint NOT NULL,
    last_position    bigint NOT NULL,
    PRIMARY KEY (token_id, bucket)
) WITH (fillfactor = 90)
"""

# All tokens together, by hour: candles lie by token, and summing ten thousand of them takes a while.
TOKEN_HOURS = """
CREATE TABLE token_hours (
    bucket           timestamptz PRIMARY KEY,
    quote_volume     numeric NOT NULL,
    trades           bigint NOT NULL CHECK (trades > 0),
    buys             bigint NOT NULL,
    buy_quote_volume numeric NOT NULL
) WITH (fillfactor = 50)
"""

BASES = ("1m", "1h", "1d")
TIMESCALE = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"


def upgrade() -> None:
    timescale = bool(op.get_bind().execute(text(TIMESCALE)).scalar())
    native = "" if timescale else " PARTITION BY RANGE (block_time)"
    for statement in (
        *(CHAIN_BLOCKS, CHAIN_BLOCKS_NUMBER, CHAIN_BLOCKS_ORPHANS, CHAIN_HEAD, CHAIN_HEAD_ROW),
        *(TOKENS, TOKENS_CREATED, TOKEN_FIGURES, TOKEN_FIGURES_VACUUM, *TOKEN_FIGURES_VOLUMES),
        *(TOKEN_WINDOWS, TOKEN_WINDOWS_ROWS),
        *(TOKEN_TRADES.format(partitioned=native), TOKEN_TRANSFERS.format(partitioned=native)),
        *(TOKEN_CREATIONS, TOKEN_GRADUATIONS, *BY_BLOCK),
        *(TOKEN_HOLDERS, TOKEN_HOLDERS_BALANCE),
        *(CANDLES.format(base=base) for base in BASES),
        TOKEN_HOURS,
    ):
        op.execute(statement)
    if timescale:
        for table in ("token_trades", "token_transfers"):
            op.execute(
                f"SELECT create_hypertable('{table}', 'block_time', create_default_indexes => false,"
                " chunk_time_interval => interval '1 day')"
            )
    for statement in LOG_INDEXES:
        op.execute(statement)


def downgrade() -> None:
    for table in (
        *("token_hours", *(f"token_candles_{base}" for base in BASES), "token_holders"),
        *("token_graduations", "token_creations", "token_transfers", "token_trades"),
        *("token_windows", "token_figures", "tokens", "chain_head", "chain_blocks"),
    ):
        op.execute(f"DROP TABLE {table}")
