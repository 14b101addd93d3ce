"""The tables of strategies in docs/trading.md are those of the code.

`python tests/core/trading/test_trading_docs.py` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

from openoutcry.core.trading.strategies import STRATEGIES, Strategy
from openoutcry.core.trading.strategies.reading import describe

PAGE = Path(__file__).parents[3] / "docs" / "trading.md"
BEGIN = "<!-- strategies: made by tests/core/trading/test_trading_docs.py -->\n"
END = "<!-- end -->"


def tables() -> str:
    """Return a section for each strategy."""
    return "".join(f"\n{_section(strategy)}" for strategy in STRATEGIES.values()) + "\n"


def _section(strategy: Strategy) -> str:
    rows = "\n".join(
        f"| `{name}` | {kind} | {default or 'required'} | {meaning} |"
        for name, kind, default, meaning in describe(strategy.parameters)
    )
    return (
        f"### {strategy.name}\n\n{strategy.summary}\n\n| parameter | | default | |\n"
        f"|---|---|---|---|\n{rows}\n"
    )


def written() -> str:
    """Return the page as it ought to be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + tables() + END + rest.partition(END)[2]


def test_the_page_describes_every_parameter() -> None:
    """Nobody has to look a parameter up in the code."""
    assert PAGE.read_text(encoding="utf-8") == written()


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
