"""A backtest's report as one web page: the picture, the figures, the fills. Needs nothing else."""

from __future__ import annotations

from html import escape
from typing import Final

from openoutcry.core.prices import plain_text
from openoutcry.core.trading.backtest import Report
from openoutcry.core.trading.equity_picture import draw
from openoutcry.core.trading.wire import iso_ms

_MOST_FILLS: Final = 2_000

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 14px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; margin: 2rem auto;
  max-width: 960px; padding: 0 1rem; }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; }
"""


def page(report: Report) -> str:
    """Return the page as HTML text."""
    name = escape(f"{report.bot.name} on {report.market.symbol}")
    quote = escape(report.market.quote)
    parameters = "".join(
        f"<tr><td>{escape(key)}</td><td>{escape(str(value))}</td></tr>"
        for key, value in report.bot.parameters.items()
        if value is not None
    )
    shown = report.fills[:_MOST_FILLS]
    fills = "".join(
        f"<tr><td>{iso_ms(fill.time)}</td><td>{fill.side.value}</td>"
        f"<td>{plain_text(fill.quantity)}</td><td>{plain_text(fill.price)}</td>"
        f"<td>{plain_text(fill.fee)}</td><td>{plain_text(fill.realized_pnl)}</td></tr>"
        for fill in shown
    )
    left = len(report.fills) - len(shown)
    more = f"<p>{left:,} more are left out here.</p>" if left else ""
    figures = "".join(
        f"<tr><td>{name}</td><td>{plain_text(value)} {quote}</td></tr>"
        for name, value in (
            ("Realised PnL", report.realized_pnl),
            ("Unrealised PnL", report.unrealized_pnl),
            ("Fees", report.fees),
            ("PnL after fees", report.pnl),
            ("Equity at the start", report.start_equity),
            ("Equity at the end", report.end_equity),
        )
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Backtest: {name}</title><style>{_STYLE}</style></head><body>
{draw(report)}
<h2>Figures</h2><table>
<tr><td>Time</td><td>{iso_ms(report.from_time)} to {iso_ms(report.to_time)}</td></tr>
<tr><td>Trades on the tape</td><td>{report.tape_trades:,}</td></tr>
{figures}</table>
<h2>Parameters</h2><table>{parameters}</table>
<h2>Trades</h2><div class="scroll"><table><thead><tr><th>time</th><th>side</th><th>quantity</th>
<th>price</th><th>fee</th><th>realised</th></tr></thead><tbody>{fills}</tbody></table></div>{more}
</body></html>
"""
