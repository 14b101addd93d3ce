"""Settings: the one reader of the environment and of `outcry.toml`."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field

from openoutcry.core.client_address import networks
from openoutcry.core.coins import parse_coins
from openoutcry.errors import ConfigError

PREFIX = "OUTCRY_"

Port = Annotated[int, Meta(ge=1, le=65535)]
Positive = Annotated[int, Meta(ge=1)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be configured, with its default.

    Each name is a key of `outcry.toml` and, in capitals behind `OUTCRY_`, an environment variable.
    The environment wins over the file. The table in `docs/configuration.md` is made of this class.
    """

    data_dir: str = ""
    """Where embedded engines keep their data; empty: the user's data directory."""
    database_url: str = ""
    """PostgreSQL to use; empty: an embedded one."""
    database_read_url: str = ""
    """Streaming replica of it, for reads of the past; empty: none."""
    database_read_lag_seconds: Annotated[float, Meta(gt=0, le=3600)] = 5.0
    """A replica that is further behind than this is not read from."""
    valkey_url: str = ""
    """Valkey or Redis to use, `redis+cluster://host:port,…` for a cluster; empty: an embedded one."""

    host: str = "127.0.0.1"
    """Address that the API and the hub listen on."""
    port: Port = 8000
    """Port of the API and the dashboard."""
    ws_port: Port = 8001
    """Port of the WebSocket hub."""
    public_ws_url: str = ""
    """Hub address told to browsers, for a proxy in front; empty: same host, `ws_port`."""
    client_weight: Positive = 60_000
    """Request weight that one address may spend a minute at `/api/v3`, all processes together."""
    binance_ws_messages: Positive = 50
    """Messages that a Binance-style WebSocket client may send in one second (Binance takes 5)."""
    candle_cache_mb: Positive = 64
    """Memory for candles that one API process keeps, in MiB."""
    allowed_origins: list[str] = field(default_factory=list)
    """Web origins that may read the API and open the hub besides the dashboard's own; `*`: every one."""
    public_market_data: bool = True
    """Whether everybody may have prices, candles and trades, from REST and hub; false: users only."""

    public_origins: list[str] = field(default_factory=list)
    """Web origins whose pages may read `/api/public` and hear `stats:trades`; `*`: every one."""
    public_requests: Positive = 120
    """Requests a minute that one address may make at `/api/public`, all processes together."""

    trusted_proxies: list[str] = field(default_factory=list)
    """Addresses or networks (10.0.0.0/8) of proxies whose X-Forwarded-For is believed; empty: none."""
    secret_key: str = ""
    """Signs access tokens, 32 characters or more; empty: one made once and kept in the database."""
    session_days: Annotated[int, Meta(ge=1, le=3650)] = 30
    """Days after its last refresh that a session ends."""
    sign_in_tries: Annotated[int, Meta(ge=1)] = 10
    """Wrong passwords for one name before the next has to wait."""
    sign_in_tries_address: Annotated[int, Meta(ge=1)] = 50
    """Wrong passwords from one address (IPv6: one /56) before the next has to wait."""
    sign_in_minutes: Annotated[int, Meta(ge=1)] = 15
    """Minutes after which all those tries are there again; one comes back at a time."""

    sign_up: Literal["off", "open"] = "off"
    """Whether strangers may make an account for themselves; off: only admins add users."""
    wrong_key_tries: Annotated[int, Meta(ge=1)] = 100
    """Wrong API keys from one address before the next has to wait; they come back as sign-ins do."""

    paper_balance: Annotated[list[str], Meta(min_length=1)] = field(
        default_factory=lambda: ["10000 USDT"]
    )
    """What a new trading account has to trade with on paper, such as `10000 USDT,0.5 BTC`."""
    paper_fee: Decimal = Decimal("0.001")
    """Fee of a fill on paper, as a share of what it is worth."""

    live_trading: bool = False
    """Whether bots may trade with real money, through ccxt; read docs/live_trading.md first."""
    live_url: str = ""
    """REST address of the exchange for orders; empty: its own, or the sandbox's."""
    live_stale_seconds: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """Live bots do not act upon trades that are older than this."""
    live_send_seconds: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    """A live order that could not be sent for so long is not sent any more."""

    alert_check_seconds: Annotated[float, Meta(ge=0, le=10)] = 5.0
    """How often the system is looked at for alerts; 0: never."""
    alert_webhook_url: str = ""
    """Where alerts are posted as JSON, http(s); empty: they are in the log only."""
    alert_webhook_secret: str = ""
    """Signs what is posted, 16 characters or more; empty: it is not signed."""
    alert_after_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 10.0
    """How long something is wrong before that is an alert, and right again before it is over."""
    alert_repeat_hours: Annotated[float, Meta(ge=0)] = 4.0
    """How often an alert that goes on is told again; 0: never."""
    alert_roles: list[str] = field(
        default_factory=lambda: ["feed", "recorder", "hub", "api", "trader"]
    )
    """Roles whose absence is an alert; the indexer too where a chain is configured."""
    alert_recorder_seconds: Annotated[float, Meta(ge=0)] = 10.0
    """Alert: the store is so far behind a trade stream; 0: never."""
    alert_gap_minutes: Annotated[float, Meta(ge=0)] = 10.0
    """Alert: gaps have been open for so long; 0: never."""
    alert_silence_seconds: Annotated[float, Meta(ge=0)] = 300.0
    """Alert: a symbol has not traded for so long; 0: never."""
    alert_indexer_seconds: Annotated[float, Meta(ge=0)] = 60.0
    """Alert: the indexer is so far behind the chain, or no node has answered for so long; 0: never."""
    alert_disk_percent: Annotated[float, Meta(ge=0, lt=100)] = 10.0
    """Alert: less of the disk with the data directory is free; 0: never."""
    alert_query_ms: Annotated[float, Meta(ge=0)] = 1000.0
    """Alert: a statement of PostgreSQL takes longer on average (pg_stat_statements); 0: never."""

    required_roles: list[str] = field(default_factory=list)
    """Roles without which `/health/ready` says 503, such as `feed,recorder`; empty: none."""

    venue: Literal["binance"] = "binance"
    """The exchange that the feed listens to."""
    symbols: Annotated[list[str], Meta(min_length=1)] = field(
        default_factory=lambda: ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    )
    """Symbols to record; any case will do, each once."""
    binance_ws_url: str = "wss://data-stream.binance.vision"
    """Binance's WebSocket market data host."""
    binance_rest_url: str = "https://data-api.binance.vision"
    """Binance's REST market data host."""
    weight_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Share of the venue's request weight per minute that all processes together may spend."""
    backfill: bool = True
    """Fetch recent history when a symbol is first seen."""
    silence_seconds: Annotated[float, Meta(gt=0)] = 60.0
    """Reconnect when a connection has been silent for this long (the venue pings every 20 s)."""

    feed_tickers: bool = True
    """Listen to the venue's tickers of all symbols: prices then need no REST call."""
    feed_books: bool = True
    """Listen to the real best bid and ask of the recorded symbols."""

    price_symbols: Annotated[list[str], Meta(min_length=1)] = field(
        default_factory=lambda: [
            "BTCUSDT=Bitcoin",
            "ETHUSDT=Ethereum",
            "BNBUSDT=BNB",
            "SOLUSDT=Solana",
            "XRPUSDT=XRP",
            "ADAUSDT=Cardano",
            "DOGEUSDT=Dogecoin",
            "AVAXUSDT=Avalanche",
        ]
    )
    """Coins of `/api/prices/aggregated`, in its order, each with the name that people call it."""
    price_fresh_seconds: Annotated[float, Meta(gt=0)] = 10.0
    """How long a snapshot of all prices is fresh: how often the venue is asked, by all together."""
    price_grace_seconds: Annotated[float, Meta(ge=0)] = 5.0
    """How much longer it is served at once while its successor is fetched."""
    price_symbol_fresh_seconds: Annotated[float, Meta(gt=0)] = 5.0
    """How fresh the price of a single symbol is (`/api/prices/symbol/…`)."""
    price_timeout_seconds: Annotated[float, Meta(gt=0)] = 5.0
    """Longest time the venue may take to answer, and a reader of prices to wait."""
    price_retries: Annotated[int, Meta(ge=0, le=10)] = 2
    """How often a failed question is asked again."""
    price_backoff_seconds: Annotated[float, Meta(gt=0)] = 1.0
    """Pause before the first of these, doubled before each next one."""
    price_stream_seconds: Annotated[float, Meta(gt=0)] = 5.0
    """The feed's tickers count as alive for this long after the last; the venue is not asked then."""
    price_breaker_failures: Positive = 3
    """Failures in a row after which the venue is left alone."""
    price_breaker_seconds: Annotated[float, Meta(gt=0)] = 10.0
    """For how long, before one question probes it."""

    spread: Decimal = Decimal("0.001")
    """Quoted bid and ask are the last price times one less and one plus this."""
    frame_ms: Annotated[int, Meta(ge=1, le=1000)] = 5
    """Longest time the feed gathers trades into one frame, in milliseconds."""
    stream_shards: Annotated[int, Meta(ge=1, le=64)] = 1
    """Number of trade streams; each is owned by one recorder at a time."""
    stream_max_mb: Positive = 1024
    """Hard cap of one trade stream in MiB; a full stream refuses new frames, repaired later."""
    recorder_batch: Annotated[int, Meta(ge=1, le=200_000)] = 20_000
    """About how many trades go into one database transaction at most."""
    retention_trades_days: Annotated[int, Meta(ge=0)] = 0
    """Days to keep trades; 0 keeps them for good."""
    retention_1s_days: Annotated[int, Meta(ge=0)] = 30
    """Days to keep 1s candles; 0 keeps them for good."""
    retention_logs_days: Annotated[int, Meta(ge=0)] = 90
    """Days to keep the bots' activity log; 0 keeps it for good. Orders and fills always stay."""
    retention_equity_days: Annotated[int, Meta(ge=0)] = 180
    """Days to keep the samples of what accounts and bots are worth; 0 keeps them for good."""

    chain_rpc_urls: list[str] = field(default_factory=list)
    """Nodes of the tokens' chain, http(s) or ws(s), the preferred first; empty: no tokens."""
    chain_confirmations: Positive = 1
    """How deep a block has to be before it counts; 1 is the head itself."""
    chain_reorg_depth: Annotated[int, Meta(ge=1, le=100_000)] = 256
    """Blocks that the chain may take back; what is deeper is final."""
    chain_poll_seconds: Annotated[float, Meta(gt=0, le=3600)] = 2.0
    """How often the head is asked for; a ws(s) node also tells of it at once."""
    chain_start_block: Annotated[int, Meta(ge=0)] = 0
    """First block that is read: the one in which the launchpad was deployed, or before it."""
    launchpads: list[str] = field(default_factory=list)
    """Whose tokens: `outcry@0x…`, `uniswap-v2@0x…`, `uniswap-v3@0x…`, or a description's `.toml`."""

    token_requests: Positive = 600
    """Requests a minute about tokens that one address may make, all processes together."""
    confirm_requests: Positive = 60
    """Confirmations of trades a minute that one address may ask for, all processes together."""
    token_cache_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 300
    """How long what was worked out about a token is kept, unless something happens to it before."""
    token_cache_mb: Positive = 16
    """Memory for that in one API process, in MiB; Valkey has it for all processes, too."""

    sandbox_host: str = "127.0.0.1"
    """Address that the sandbox exchange listens on."""
    sandbox_port: Port = 8010
    """REST port of the sandbox exchange."""
    sandbox_ws_port: Port = 8011
    """WebSocket port of the sandbox exchange."""
    sandbox_seed: int = 7
    """Seed of the sandbox exchange's market: the same seed makes the same market."""
    sandbox_rate: Annotated[float, Meta(gt=0)] = 6.0
    """Trades per second of the sandbox exchange, all symbols together, on average."""
    sandbox_replay: str = ""
    """Recording that the sandbox exchange plays instead of making up a market."""
    sandbox_speed: Literal["1", "10", "max"] = "1"
    """Speed of the replay: 1 is as it was, 10 is ten times as fast, max is without pauses."""
    sandbox_state: str = ""
    """File in which the sandbox exchange remembers its market's rates; `outcry up` sets it."""
    sandbox_faults: str = ""
    """File with the faults that the sandbox exchange starts with."""

    sandbox_keys: list[str] = field(default_factory=lambda: ["sandbox:sandbox"])
    """API keys that may trade at the sandbox exchange, each with its secret: `key:secret`."""
    sandbox_balance: list[str] = field(
        default_factory=lambda: ["100000 USDT", "2 BTC", "40 ETH", "1000 SOL"]
    )
    """What each of them has there to begin with."""
    sandbox_chain_port: Port = 8545
    """Port of the chain on localhost (`outcry up --tokens`)."""
    sandbox_anvil: str = ""
    """Its program, anvil, or a folder of Node packages with it; empty: looked for, fetched by npm."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log level that is printed."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """Log lines for people or for machines; auto: for people on a terminal."""


def load(
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings of defaults, then `file`, then the environment, then `overrides`.

    `file` defaults to `OUTCRY_CONFIG`, else `outcry.toml` in the working directory if there is one.
    Overrides that are None are left out. Raises ConfigError that names the key at fault.
    """
    environ = os.environ if environ is None else environ
    values = {**_from_file(environ, file), **_from_environment(environ)}
    values |= {key: value for key, value in (overrides or {}).items() if value is not None}
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"Configuration: {error}") from None
    try:
        parse_coins(settings.price_symbols)
    except ValueError as error:
        raise ConfigError(f"Configuration: {error} - at `price_symbols`") from None
    _check_accounts(settings)
    _check_trading(settings)
    _check_chain(settings)
    _check_alerts(settings)
    live_address(settings)
    return msgspec.structs.replace(settings, symbols=_normalise(settings.symbols))


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the variables from which `load` makes the same settings again, in another process."""
    return {
        PREFIX + name.upper(): ",".join(value) if isinstance(value, list) else str(value)
        for name, value in msgspec.structs.asdict(settings).items()
    }


def _check_trading(settings: Settings) -> None:
    try:
        paper_balances(settings.paper_balance)
    except ValueError as error:
        raise ConfigError(f"Configuration: {error} - at `paper_balance`") from None
    fee = settings.paper_fee
    if not (fee.is_finite() and 0 <= fee < 1):
        raise ConfigError("Configuration: a share from 0 to less than 1 - at `paper_fee`")


def _check_chain(settings: Settings) -> None:
    for url in settings.chain_rpc_urls:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https", "ws", "wss"} or not parts.hostname:
            # The URL is not shown: keys stand in its path.
            raise ConfigError(
                "Configuration: a node's URL begins with http://, https://, ws:// or wss:// and a host"
                " - at `chain_rpc_urls`"
            )
    if settings.chain_rpc_urls and not settings.launchpads:
        raise ConfigError(
            "Configuration: say whose tokens to follow, such as outcry@0x… - at `launchpads`"
        )
    if settings.chain_confirmations > settings.chain_reorg_depth:
        raise ConfigError(
            "Configuration: confirmations beyond chain_reorg_depth say nothing"
            " - at `chain_confirmations`"
        )


def _check_alerts(settings: Settings) -> None:
    parts = urlsplit(settings.alert_webhook_url)
    if settings.alert_webhook_url and (parts.scheme not in {"http", "https"} or not parts.hostname):
        # The URL is not shown: secrets stand in its path.
        raise ConfigError(
            "Configuration: a webhook's URL begins with http:// or https:// and a host"
            " - at `alert_webhook_url`"
        )
    if 0 < len(settings.alert_webhook_secret) < _SHORTEST_WEBHOOK_SECRET:
        raise ConfigError(
            f"Configuration: at least {_SHORTEST_WEBHOOK_SECRET} characters"
            " - at `alert_webhook_secret`"
        )


def live_address(settings: Settings) -> str:
    """Return where live orders go, empty for the exchange's own address.

    Prices of a sandbox and orders at the exchange would be a costly mistake, so the address of the
    prices counts where none is given. Raises ConfigError where they point to different places.
    """
    if settings.live_url or not settings.live_trading:
        return settings.live_url
    real = [
        (urlsplit(url).hostname or "").endswith(_BINANCE)
        for url in (settings.binance_rest_url, settings.binance_ws_url)
    ]
    if any(real) and not all(real):
        raise ConfigError(
            "Configuration: one of binance_rest_url and binance_ws_url is Binance's own, the other is"
            " not; say where orders go - at `live_url`"
        )
    return "" if all(real) else settings.binance_rest_url


def paper_balances(texts: list[str]) -> dict[str, Decimal]:
    """Return amounts such as `10000 USDT` by asset. Raises ValueError that says what is wrong."""
    found: dict[str, Decimal] = {}
    for text in texts:
        amount, _, asset = text.strip().partition(" ")
        asset = asset.strip().upper()
        if not (_AMOUNT.fullmatch(amount) and asset.isascii() and asset.isalnum()):
            raise ValueError(f"{text!r} is no amount and asset, write 10000 USDT")
        if asset in found:
            raise ValueError(f"{asset} is listed twice")
        found[asset] = Decimal(amount)
    return found


def _normalise(symbols: list[str]) -> list[str]:
    upper = [symbol.strip().upper() for symbol in symbols]
    if odd := [one for one in upper if one and not (one.isascii() and one.isalnum())]:
        raise ConfigError(
            f"Configuration: {odd[0]!r} is no symbol, write BTCUSDT,ETHUSDT - at `symbols`"
        )
    if "" in upper:
        raise ConfigError("Configuration: a symbol is empty - at `symbols`")
    if twice := sorted({symbol for symbol in upper if upper.count(symbol) > 1}):
        raise ConfigError(f"Configuration: {', '.join(twice)} is listed twice - at `symbols`")
    return upper


def _check_accounts(settings: Settings) -> None:
    if settings.secret_key and len(settings.secret_key) < _SHORTEST_SECRET:
        raise ConfigError(
            f"Configuration: at least {_SHORTEST_SECRET} characters, such as of"
            " `openssl rand -base64 48` - at `secret_key`"
        )
    try:
        networks(settings.trusted_proxies)
    except ValueError as error:
        raise ConfigError(f"Configuration: {error} - at `trusted_proxies`") from None


def _from_file(environ: Mapping[str, str], file: Path | None) -> dict[str, Any]:
    named = file or (Path(environ["OUTCRY_CONFIG"]) if "OUTCRY_CONFIG" in environ else None)
    path = named or Path("outcry.toml")
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text, parse_float=Decimal)
    except FileNotFoundError:
        if named is None:
            return {}
        raise ConfigError(f"Configuration file {path} does not exist.") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"Configuration file {path} cannot be read: {error}.") from None
    if unknown := sorted(set(values) - set(_KINDS)):
        raise ConfigError(f"Unknown key in {path}: {', '.join(unknown)}. {_known()}")
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name == "OUTCRY_CONFIG" or name.startswith(_TEST_PREFIX):
            continue
        key = name.removeprefix(PREFIX).lower()
        if key not in _KINDS:
            raise ConfigError(f"Unknown environment variable {name}. {_known()}")
        values[key] = _split(text) if "list" in str(_KINDS[key]) else text
    return values


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _known() -> str:
    return "Known keys: " + ", ".join(sorted(_KINDS)) + "."


_SHORTEST_SECRET = 32
_SHORTEST_WEBHOOK_SECRET = 16
_BINANCE = (".binance.com", ".binance.vision")
_AMOUNT = re.compile(r"\d{1,18}(\.\d{1,18})?")
_KINDS = Settings.__annotations__
_TEST_PREFIX = PREFIX + "TEST_"
