"""Fetch candles over REST (docs/api.md) and print them as a table.

    python examples/fetch_candles.py BTC 5m --hours 2

Numbers are read as decimals: what is printed are the digits of the store, not a float's.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table


def fetch(api: str, asset: str, duration: str, start: datetime, end: datetime) -> Any:
    """Return the answer of `GET /candles`: at most 1000 candles, oldest first."""
    times = {"startTime": start.isoformat(), "endTime": end.isoformat()}
    query = urlencode({"asset": asset, "duration": duration, **times})
    try:
        with urlopen(f"{api}/candles?{query}", timeout=10) as answer:  # noqa: S310 - the user's URL
            return json.load(answer, parse_float=Decimal)
    except HTTPError as error:  # every error says what would be right
        raise SystemExit(json.load(error)["message"]) from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("asset", nargs="?", default="BTC")
    parser.add_argument("duration", nargs="?", default="5m")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--api", default="http://127.0.0.1:8000")
    options = parser.parse_args()
    end = datetime.now(UTC)
    start = end - timedelta(hours=options.hours)
    answer = fetch(options.api, options.asset, options.duration, start, end)

    table = Table(title=f"{answer['asset']} {answer['duration']}", box=None)
    names = ("open", "high", "low", "close", "volume", "trades")
    for name in ("time (UTC)", *names, "complete"):
        table.add_column(name, justify="right")
    for candle in answer["candles"]:
        time = datetime.fromtimestamp(candle["time"], UTC).strftime("%m-%d %H:%M:%S")
        whole = "yes" if candle["complete"] else "no"
        table.add_row(time, *(str(candle[name]) for name in names), whole)
    Console().print(table)


if __name__ == "__main__":
    main()
