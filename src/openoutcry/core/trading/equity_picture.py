"""A backtest as a picture: equity, the price, fills and drawdown, as SVG without any library."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from html import escape
from math import floor, log10
from typing import Final

from openoutcry.core.trading.backtest import Point, Report
from openoutcry.trading import OrderSide

_WIDTH: Final = 960
_LEFT, _RIGHT = 76, 24
_TOP, _MIDDLE = 92, 372
"""Where the panel of the equity begins and ends."""
_LOW_TOP, _LOW_BOTTOM = 404, 492
"""Where the panel of the drawdown begins and ends."""
_HEIGHT: Final = 532
_MOST_MARKS: Final = 400
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_STYLE: Final = """
svg { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; background: var(--paper);
  --paper: #fff; --ink: #1b2430; --soft: #667080; --line: #e3e7ec; --equity: #1a6dd6;
  --fill: #1a6dd61f; --hold: #9aa4b1; --buy: #0a8f5b; --sell: #c8402f; --fall: #c8402f33; }
@media (prefers-color-scheme: dark) { svg { --paper: #12161c; --ink: #e8ecf1; --soft: #98a2b0;
  --line: #27303b; --equity: #5aa2f5; --fill: #5aa2f522; --hold: #6b7685; --buy: #35c48a;
  --sell: #f0705f; --fall: #f0705f33; } }
.title { font-size: 17px; font-weight: 600; fill: var(--ink); }
.text { fill: var(--soft); } .strong { fill: var(--ink); font-weight: 600; }
.grid { stroke: var(--line); stroke-width: 1; } .base { stroke: var(--soft); stroke-width: 1; }
.equity { fill: none; stroke: var(--equity); stroke-width: 1.8; stroke-linejoin: round; }
.under { fill: var(--fill); stroke: none; }
.hold { fill: none; stroke: var(--hold); stroke-width: 1.2; stroke-dasharray: 4 3; }
.buy { fill: var(--buy); } .sell { fill: var(--sell); }
.fall { fill: var(--fall); stroke: var(--sell); stroke-width: 1; }
"""


def draw(report: Report) -> str:
    """Return the picture as SVG text; it follows the reader's light or dark mode."""
    points = report.curve
    start, end = points[0].time, max(points[-1].time, points[0].time + 1)
    across = _scale(start, end, _LEFT, _WIDTH - _RIGHT)
    equity = [float(point.equity) for point in points]
    began, price = float(report.start_equity), float(report.first_price)
    held = [began * float(point.price) / price for point in points]
    ticks = _ticks(min(equity + held + [began]), max(equity + held + [began]))
    up = _scale(ticks[0], ticks[-1], _MIDDLE, _TOP)
    xs = [across(point.time) for point in points]
    line = _path(xs, [up(value) for value in equity])
    base = up(began)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"',
        f'aria-label="{escape(_title(report))}"><style>{_STYLE}</style>',
        *_head(report),
        *_grid(ticks, up),
        *_times(start, end, across),
        f'<path class="under" d="{line}L{xs[-1]:.1f},{base:.1f}L{xs[0]:.1f},{base:.1f}Z"/>',
        f'<line class="base" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{base:.1f}" y2="{base:.1f}"/>',
        f'<path class="hold" d="{_path(xs, [up(value) for value in held])}"/>',
        f'<path class="equity" d="{line}"/>',
        *_marks(report, across, up),
        *_drawdown(points, xs),
        "</svg>",
    ]
    return "\n".join(parts)


def _title(report: Report) -> str:
    return f"{report.bot.name}: {report.market.symbol}, equity in {report.market.quote}"


def _head(report: Report) -> Iterable[str]:
    yield f'<text class="title" x="{_LEFT}" y="32">{escape(_title(report))}</text>'
    figures = [
        ("return", f"{report.return_percent:+.2f} %"),
        ("price", f"{report.hold_percent:+.2f} %"),
        ("drawdown", f"{-report.drawdown.percent:.2f} %"),
        ("PnL", f"{report.pnl:+,.2f}"),
        ("fees", f"{report.fees:,.2f}"),
        ("trades", f"{len(report.fills):,}"),
        ("wins", "-" if report.win_rate is None else f"{report.win_rate:.1f} %"),
    ]
    spans = "".join(
        f'<tspan class="text" dx="{18 if n else 0}">{name} </tspan>'
        f'<tspan class="strong">{value}</tspan>'
        for n, (name, value) in enumerate(figures)
    )
    yield f'<text x="{_LEFT}" y="56">{spans}</text>'
    yield (
        f'<path class="equity" d="M{_LEFT},76h22"/><text class="text" x="{_LEFT + 28}" y="80">equity'
        f'</text><path class="hold" d="M{_LEFT + 88},76h22"/><text class="text" x="{_LEFT + 116}" '
        f'y="80">the same money held as {escape(report.market.base)}</text>'
    )


def _grid(ticks: Sequence[float], up: Callable[[float], float]) -> Iterable[str]:
    places = max(0, -floor(log10(ticks[1] - ticks[0]))) if len(ticks) > 1 else 2
    for tick in ticks:
        y = up(tick)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        text = f"{tick:,.{min(places, 8)}f}"
        yield f'<text class="text" text-anchor="end" x="{_LEFT - 8}" y="{y + 4:.1f}">{text}</text>'


def _times(start: int, end: int, across: Callable[[float], float]) -> Iterable[str]:
    span = (end - start) / 1e6
    pattern = "%H:%M:%S" if span < 3600 else "%d %b %H:%M" if span < 5 * 86400 else "%d %b %Y"
    count = 6
    for n in range(count + 1):
        time = start + (end - start) * n // count
        x, moment = across(time), _EPOCH + dt.timedelta(microseconds=time)
        anchor = "start" if n == 0 else "end" if n == count else "middle"
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_LOW_BOTTOM}" y2="{_LOW_BOTTOM + 5}"/>'
        yield (
            f'<text class="text" text-anchor="{anchor}" x="{x:.1f}" y="{_LOW_BOTTOM + 22}">'
            f"{moment.strftime(pattern)}</text>"
        )


def _marks(
    report: Report, across: Callable[[float], float], up: Callable[[float], float]
) -> Iterable[str]:
    """Mark fills on the equity: a triangle up for what was bought, down for what was sold."""
    fills = report.fills
    step = -(-len(fills) // _MOST_MARKS) or 1
    at = 0
    for fill in fills[::step]:
        while at + 1 < len(report.curve) and report.curve[at].time < fill.time:
            at += 1
        x, y = across(fill.time), up(float(report.curve[at].equity))
        buys = fill.side is OrderSide.BUY
        tip, foot = (y - 4.5, y + 3.5) if buys else (y + 4.5, y - 3.5)
        text = f"{fill.side.value} {fill.quantity:f} at {fill.price:f}"
        yield (
            f'<path class="{"buy" if buys else "sell"}" d="M{x:.1f},{tip:.1f}l4,{foot - tip:.1f}h-8z">'
            f"<title>{text}</title></path>"
        )


def _drawdown(points: Sequence[Point], xs: Sequence[float]) -> Iterable[str]:
    high, falls = Decimal(0), []
    for point in points:
        high = max(high, point.equity)
        falls.append(float((high - point.equity) / high * 100) if high > 0 else 0.0)
    ticks = _ticks(0.0, max(falls) or 1.0, few=True)
    down = _scale(0.0, ticks[-1], _LOW_TOP, _LOW_BOTTOM)
    line = _path(xs, [down(fall) for fall in falls])
    yield f'<text class="text" x="{_LEFT}" y="{_LOW_TOP - 8}">drawdown, percent of the highest</text>'
    for tick in ticks:
        y = down(tick)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield (
            f'<text class="text" text-anchor="end" x="{_LEFT - 8}" y="{y + 4:.1f}">'
            f"{-tick + 0.0:g}</text>"
        )
    yield f'<path class="fall" d="{line}L{xs[-1]:.1f},{_LOW_TOP}L{xs[0]:.1f},{_LOW_TOP}Z"/>'


def _scale(low: float, high: float, at_low: float, at_high: float) -> Callable[[float], float]:
    """Return where a value goes on the picture."""
    wide = (high - low) or 1.0
    return lambda value: at_low + (value - low) / wide * (at_high - at_low)


def _ticks(low: float, high: float, *, few: bool = False) -> list[float]:
    """Return round values that hold low..high between the first and the last."""
    if high <= low:
        low, high = low - (abs(low) or 1.0) * 0.01, high + (abs(high) or 1.0) * 0.01
    rough = (high - low) / (2 if few else 5)
    power = 10.0 ** floor(log10(rough))
    step = next(power * size for size in (1, 2, 2.5, 5, 10) if power * size >= rough * 0.999)
    first, last = floor(low / step), -floor(-high / step)
    return [n * step for n in range(first, last + 1)]


def _path(xs: Sequence[float], ys: Sequence[float]) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
