"""The launchpads of the configuration: names with addresses, files, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from openoutcry.core.chain.builtin import BUILTIN
from openoutcry.errors import ConfigError
from openoutcry.services import launchpads

ONE, TWO = "0x" + "11" * 20, "0x" + "22" * 20


def test_names_with_addresses_and_files(tmp_path: Path) -> None:
    """A name may come with several addresses; a file says everything itself."""
    file = tmp_path / "mine.toml"
    file.write_text(
        BUILTIN["outcry"].replace('name = "outcry"', f'name = "mine"\nfactories = ["{ONE}"]')
    )
    found = launchpads.load([f"outcry@{ONE}", f"uniswap-v3@{TWO}", f"outcry@{TWO}", str(file)])
    assert [one.name for one in found] == ["outcry", "uniswap-v3", "mine"]
    assert found[0].factories == {b"\x11" * 20, b"\x22" * 20}
    assert found[1].lookups == (b"\x22" * 20,)
    assert found[2].factories == {b"\x11" * 20}
    assert launchpads.load([]) == []


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("outcry", "write NAME@ADDRESS with a name of outcry, uniswap-v2, uniswap-v3"),
        ("pump@" + ONE, "write NAME@ADDRESS"),
        ("outcry@0x12", "Launchpad outcry: factories: must be 0x and 40"),
        ("nowhere.toml", "cannot be read"),
    ],
)
def test_a_wrong_entry_is_told(entry: str, says: str) -> None:
    """By the entry, and with what would be right."""
    with pytest.raises(ConfigError, match=says):
        launchpads.load([entry])
