"""What the exchange remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from openoutcry.errors import ConfigError
from openoutcry.sandbox.listing import make_symbols
from openoutcry.sandbox.state import add_skip, load_state, new_state, save_state, set_rate
from openoutcry.sandbox.tape import BLOCK

NOW = 1_790_000_000 * BLOCK


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """Rates and holes survive the way through the file."""
    path = tmp_path / "deep" / "state.json"
    state = new_state(7, NOW)
    set_rate(state, make_symbols(["btcusdt", "ethusdt"], 7), 10.0, NOW)
    add_skip(state, "BTCUSDT", 5, NOW)
    save_state(path, state)
    assert load_state(path, 7, NOW + 10**12) == state


def test_another_seed_is_refused(tmp_path: Path) -> None:
    """A file of another market is not overwritten by mistake."""
    path = tmp_path / "state.json"
    save_state(path, new_state(7, NOW))
    with pytest.raises(ConfigError, match="seed 7"):
        load_state(path, 8, NOW)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """A file that cannot be read stops the start, with its name."""
    path = tmp_path / "state.json"
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"state\.json"):
        load_state(path, 7, NOW)


def test_rates_are_shared_and_the_past_keeps_its_own() -> None:
    """Shares add up to the rate; a new rate comes a little later, the same one adds nothing."""
    symbols = make_symbols(["btcusdt", "ethusdt", "solusdt"], 7)
    state = new_state(7, NOW)
    assert set_rate(state, symbols, 10.0, NOW)
    assert sum(symbol.schedule[-1].rate for symbol in state.symbols.values()) == pytest.approx(10)
    assert not set_rate(state, symbols, 10.0, NOW + 99 * BLOCK)
    assert set_rate(state, symbols, 20.0, NOW + 99 * BLOCK)
    blocks = [change.block for change in state.symbols["BTCUSDT"].schedule]
    assert blocks == [state.listed, NOW // BLOCK, NOW // BLOCK + 101]
