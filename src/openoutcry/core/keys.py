"""Every name that OpenOutcry uses in Valkey, in one place.

Braces are Valkey Cluster hash tags: what must live together carries the same tag. A name without
braces is its own tag: `{prices}:snapshot` lives where the channel `prices` does, so that who hears the
news finds what it is about.
"""

from __future__ import annotations

from datetime import date

DEAD_LETTERS = "trades_stream:dead"
"""Stream of frames that could not be decoded: fields `f`, `reason`, `stream`, `entry`."""

RECORDER_GROUP = "recorder"
"""The consumer group on every trade stream."""

FRAME_FIELD = b"f"
"""The one field of a trade-stream entry: a frame (see `core.frames`)."""

LAST_QUOTES = "quotes:last"
"""Hash symbol -> the last quote, as the JSON that went to `market:<SYMBOL>`."""

TICKERS = "tickers"
"""Pub/sub channel of 24 h tickers: a JSON array of `core.tickers.Ticker`, changed symbols only."""

TICKERS_SNAPSHOT = "{tickers}:snapshot"
"""The merged whole of `tickers`, a JSON array; how much of TICKERS_SECONDS it has left is its age."""

TICKERS_SECONDS = 3600
"""How long TICKERS_SNAPSHOT is kept after the last ticker."""

LAST_BOOKS = "books:last"
"""Hash symbol -> the last best bid and ask, as the JSON that went to `book:<SYMBOL>`."""

PRICES = "prices"
"""Pub/sub channel that says what happened to the shared snapshot of prices (see `price_board`)."""

PRICES_SNAPSHOT = "{prices}:snapshot"
"""The shared snapshot of all tickers that came over REST."""

PRICES_LOCK = "prices:lock"
"""Held, with a token and a lease, by the one process that asks the venue for prices."""

PRICES_BREAKER = "prices:breaker"
"""The circuit breaker of those questions, shared by all processes."""

PRICES_CALLS = "prices:calls"
"""Sorted set of the questions of the last minute, by the time (s) each was asked."""


def trades_stream(shard: int) -> str:
    """Return the stream that carries the frames of a shard."""
    return f"trades_stream:{{{shard}}}"


def market_channel(symbol: str) -> str:
    """Return the pub/sub channel of a symbol's quotes (JSON, one object a message)."""
    return f"market:{symbol}"


def book_channel(symbol: str) -> str:
    """Return the pub/sub channel of a symbol's best bid and ask (JSON, a `core.tickers.BookTop`)."""
    return f"book:{symbol}"


def candles_channel(symbol: str) -> str:
    """Return the pub/sub channel of a symbol's committed base candles (see `core.candle_messages`)."""
    return f"candles:{symbol}"


def trades_channel(symbol: str) -> str:
    """Return the pub/sub channel of a symbol's committed trades (one frame a message)."""
    return f"trades:{symbol}"


def status_key(role: str, instance: str) -> str:
    """Return the expiring key under which a process reports a `RoleStatus` as JSON."""
    return f"status:{role}:{instance}"


def weight_key(venue: str, minute: int) -> str:
    """Return the counter of request weight spent at a venue in one minute, by all processes."""
    return f"weight:{{{venue}}}:{minute}"


def weight_limit_key(venue: str) -> str:
    """Return the key that holds the request weight a venue said it allows in a minute."""
    return f"weight:{{{venue}}}:limit"


def weight_block_key(venue: str) -> str:
    """Return the expiring key that stands while a venue wants no requests from us."""
    return f"weight:{{{venue}}}:blocked"


def sign_in_address_key(address: str) -> str:
    """Return the bucket of sign-ins from an address, or from an IPv6 /56."""
    return f"sign_in:address:{address}"


def wrong_key_address_key(address: str) -> str:
    """Return the bucket of wrong API keys from an address, or from an IPv6 /56."""
    return f"wrong_key:address:{address}"


def sign_in_name_key(name: str) -> str:
    """Return the bucket of sign-ins by a name (its hash) that all unknown addresses share."""
    return f"sign_in:{{{name}}}:tries"


def sign_in_known_key(name: str, address: str) -> str:
    """Return the expiring mark of an address (its hash) from which a name has signed in."""
    return f"sign_in:{{{name}}}:known:{address}"


def sign_in_own_key(name: str, address: str) -> str:
    """Return the bucket that such an address has for itself."""
    return f"sign_in:{{{name}}}:tries:{address}"


ALERTS = "{alerts}:known"
"""What is known of each alert, as JSON: its key -> `core.alerts.Alert`."""

ALERTS_LEASE = "{alerts}:lease"
"""Held, with its name and a lease, by the one process that looks after the alerts."""


COMMITS = "commits"
"""Pub/sub channel: up to where commits are announced (see `core.candle_messages.Committed`)."""


TRADER_WAKE = "trader:wake"
"""Pub/sub channel that tells the traders whose account somebody else has changed: a user's id."""


def client_weight_key(client: str, minute: int) -> str:
    """Return the counter of request weight that a client has spent with us in one minute."""
    return f"client_weight:{{{client}}}:{minute}"


OUTBOX_WAKE = "outbox:wake"
"""Pub/sub channel that tells the publisher of new rows in the outbox; what it says is not read."""

STATS_TRADES = "stats:trades"
"""Pub/sub channel of the public trade counter: the JSON object of its figures."""

STATS_TRADES_LAST = "{stats:trades}:last"
"""The object that went to `stats:trades` last; the hub's snapshot."""


def user_history(user_id: int) -> str:
    """Return the stream of a user's last messages: entry id `<offset>-0`, fields `m` and `e`.

    `m` is the whole message as JSON, `e` the epoch that it belongs to.
    """
    return f"history:user:{{{user_id}}}"


def user_channel(user_id: int) -> str:
    """Return the pub/sub channel of a user's messages (JSON, the same text as in the history)."""
    return f"user:{{{user_id}}}"


def public_log_key(client: str) -> str:
    """Return the list of a client's permits at `/api/public` (see `shared_logs`); all on one node."""
    return f"public_log:{{public}}:{client}"


TRADE_COUNTS_CHANGED = "trade:counts_changed"
"""When a daily count changed last, in ms; without it the counts are not to be believed."""


TOKENS_TOP = "tokens:top"
"""Pub/sub channel of the tokens with the largest volumes, once a second (JSON)."""


def token_channel(address: str) -> str:
    """Return the pub/sub channel of a token (`0x…`): a `core.tokens.messages.TokenNews` as JSON."""
    return f"token:{{{address}}}"


def token_cache_key(address: str, kind: str) -> str:
    """Return the expiring key of something that was worked out about a token (`0x…`)."""
    return f"token_cache:{{{address}}}:{kind}"


def request_log_key(group: str, client: str) -> str:
    """Return the list of a client's permits in a group of paths (see `shared_logs`)."""
    return f"request_log:{{{group}}}:{client}"


def trade_count_key(day: date) -> str:
    """Return the counter of a UTC day's trades of the platform."""
    return f"trade:daily_count:{day.isoformat()}"


TRADE_RECOUNTS = "trade:recounts"
"""List of tokens of those who wish the daily counts to be made anew from the store."""


def trade_recount_key(token: str) -> str:
    """Return the expiring key that tells how far such a count is, as JSON."""
    return f"trade:recount:{token}"
