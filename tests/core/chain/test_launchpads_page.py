"""The page on launchpads: its examples are descriptions that work."""

from __future__ import annotations

import re
from pathlib import Path

from openoutcry.core.chain import descriptions
from openoutcry.core.chain.launchpads import Decoder

PAGE = Path(__file__).parents[3] / "docs" / "launchpads.md"


def test_examples_of_the_page_are_right() -> None:
    """Each block of TOML is parsed as a description, and they can be used together."""
    texts = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    found = [descriptions.parse(text, "the page") for text in texts]
    assert [one.name for one in found] == ["mine", "pools"]
    assert len(Decoder(found).topics) == 4
