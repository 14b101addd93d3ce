"""Settings: where they come from, what is refused, how they travel, and that the docs have them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from openoutcry.commands.config_table import replace
from openoutcry.config import Settings, load, paper_balances, to_environment
from openoutcry.errors import ConfigError

DOCS = Path(__file__).parent.parent / "docs" / "configuration.md"


def test_environment_wins_over_file(tmp_path: Path) -> None:
    """Defaults, then the file, then the environment, then the command line."""
    file = tmp_path / "outcry.toml"
    file.write_text("port = 1\nws_port = 1\nsandbox_port = 1\n")
    found = load({"OUTCRY_WS_PORT": "2", "OUTCRY_SANDBOX_PORT": "2"}, file, {"sandbox_port": 3})
    assert (found.host, found.port, found.ws_port, found.sandbox_port) == ("127.0.0.1", 1, 2, 3)


def test_symbols_are_upper_case_and_unique() -> None:
    """Any case is understood; a symbol that is named twice is a mistake worth telling."""
    assert load({"OUTCRY_SYMBOLS": "btcusdt, EthUsdt"}).symbols == ["BTCUSDT", "ETHUSDT"]
    with pytest.raises(ConfigError, match="BTCUSDT is listed twice"):
        load({"OUTCRY_SYMBOLS": "btcusdt,BTCUSDT"})
    with pytest.raises(ConfigError, match="symbols"):
        load({"OUTCRY_SYMBOLS": ""})
    with pytest.raises(ConfigError, match="'A B' is no symbol"):
        load({"OUTCRY_SYMBOLS": "btcusdt,a b"})


def test_decimals_in_files_are_exact(tmp_path: Path) -> None:
    """A spread in TOML does not take the way over a float."""
    file = tmp_path / "outcry.toml"
    file.write_text("spread = 0.00010000000000000001\nweight_share = 0.25\n")
    found = load({}, file)
    assert found.spread == Decimal("0.00010000000000000001")
    assert found.weight_share == 0.25


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"OUTCRY_PROT": "1"}, "Unknown environment variable OUTCRY_PROT"),
        ({"OUTCRY_PORT": "0"}, "port"),
        ({"OUTCRY_PORT": "eight"}, "port"),
        ({"OUTCRY_CONFIG": "/does/not/exist.toml"}, "does not exist"),
        ({"OUTCRY_SANDBOX_SPEED": "fast"}, "sandbox_speed"),
        ({"OUTCRY_SIGN_UP": "yes"}, "sign_up"),
        ({"OUTCRY_PAPER_BALANCE": "lots USDT"}, "paper_balance"),
        ({"OUTCRY_PAPER_BALANCE": "-5 USDT"}, "paper_balance"),
        ({"OUTCRY_PAPER_BALANCE": "5 USDT,6 usdt"}, "listed twice"),
        ({"OUTCRY_PAPER_FEE": "1"}, "paper_fee"),
        ({"OUTCRY_PAPER_FEE": "NaN"}, "paper_fee"),
        ({"OUTCRY_CHAIN_RPC_URLS": "ftp://node"}, "chain_rpc_urls"),
        ({"OUTCRY_CHAIN_RPC_URLS": "http:///path"}, "chain_rpc_urls"),
        ({"OUTCRY_CHAIN_RPC_URLS": "http://node"}, "launchpads"),
        ({"OUTCRY_CHAIN_CONFIRMATIONS": "0"}, "chain_confirmations"),
        ({"OUTCRY_CHAIN_CONFIRMATIONS": "300"}, "chain_confirmations"),
        ({"OUTCRY_CHAIN_START_BLOCK": "-1"}, "chain_start_block"),
        ({"OUTCRY_CHAIN_POLL_SECONDS": "0"}, "chain_poll_seconds"),
    ],
)
def test_mistakes_are_named(environ: dict[str, str], says: str) -> None:
    """What is wrong is said by the name of the setting."""
    with pytest.raises(ConfigError, match=says):
        load(environ)


def test_a_wrong_url_of_a_node_is_not_repeated() -> None:
    """Keys stand in such URLs, and messages go into logs."""
    with pytest.raises(ConfigError) as told:
        load({"OUTCRY_CHAIN_RPC_URLS": "htps://node.example/v3/my-secret-key"})
    assert "my-secret-key" not in str(told.value)


def test_paper_balances_are_exact() -> None:
    """Amounts keep every digit; assets are upper case."""
    settings = load({"OUTCRY_PAPER_BALANCE": "10000.50 usdt, 0.000000000000000001 ETH"})
    assert paper_balances(settings.paper_balance) == {
        "USDT": Decimal("10000.50"),
        "ETH": Decimal("0.000000000000000001"),
    }


def test_settings_travel_by_environment() -> None:
    """A child process that loads what `to_environment` wrote has the very same settings."""
    settings = load(
        {}, None, {"symbols": ["a", "b"], "spread": "0.00000001", "backfill": False, "port": 9}
    )
    assert load(to_environment(settings)) == settings
    assert load(to_environment(Settings())) == Settings()


def test_documented_table_is_current() -> None:
    """docs/configuration.md has the table that `outcry config table` prints."""
    text = DOCS.read_text(encoding="utf-8")
    assert text == replace(text), "run `make docs`"


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({"OUTCRY_ALERT_WEBHOOK_URL": "ftp://host/very-secret"}, "alert_webhook_url"),
        ({"OUTCRY_ALERT_WEBHOOK_URL": "https:///very-secret"}, "alert_webhook_url"),
        ({"OUTCRY_ALERT_WEBHOOK_SECRET": "very-secret"}, "alert_webhook_secret"),
        ({"OUTCRY_ALERT_DISK_PERCENT": "100"}, "alert_disk_percent"),
        ({"OUTCRY_DATABASE_READ_LAG_SECONDS": "0"}, "database_read_lag_seconds"),
    ],
)
def test_what_alerts_and_replicas_may_not_be(environment: dict[str, str], key: str) -> None:
    """Each is refused with its key, and no secret is shown."""
    with pytest.raises(ConfigError, match=key) as refused:
        load(environment)
    assert "very-secret" not in str(refused.value)
