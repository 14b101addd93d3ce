"""Decoding alone: the real recording's messages into columns, beside the bare JSON decoder."""

from __future__ import annotations

import argparse
import gzip
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from openoutcry.venues.binance import BinanceProtocol

RECORDING = "ws/binance_spot_btcusdt_20240808.jsonl.gz"


class Bare(msgspec.Struct, gc=False):
    """The fields of a trade that matter, for the decoder alone."""

    s: str
    t: int
    p: str
    q: str
    T: int
    m: bool


def recorded(folder: Path) -> list[bytes]:
    """Return the recording's trade messages as they are on a raw stream."""
    with gzip.open(folder / RECORDING) as lines:
        found = (msgspec.json.decode(line)["m"] for line in lines if b"@trade" in line)
        return [msgspec.json.encode(message["data"]) for message in found]


def rate(work: Callable[[list[bytes]], object], messages: list[bytes], batch: int) -> float:
    """Return messages/s of `work` on batches."""
    began = time.perf_counter()
    for at in range(0, len(messages), batch):
        work(messages[at : at + batch])
    return len(messages) / (time.perf_counter() - began)


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--repeat", type=int, default=20, help="the recording, so many times over")
    options = parser.parse_args()
    data = Path(os.environ.get("OUTCRY_TEST_DATA", Path(__file__).parents[2] / "shared/data"))
    if not (data / RECORDING).is_file():
        sys.exit(f"There is no {data / RECORDING}: set OUTCRY_TEST_DATA to the recordings.")
    messages = recorded(data) * options.repeat
    bare = msgspec.json.Decoder(Bare).decode
    cases: dict[str, tuple[Callable[[list[bytes]], object], int]] = {
        "JSON decoder alone": (lambda batch: [bare(message) for message in batch], 500),
        "into columns, 50 a batch": (BinanceProtocol().receive, 50),
        "into columns, 500 a batch": (BinanceProtocol().receive, 500),
        "into columns, 2000 a batch": (BinanceProtocol().receive, 2000),
    }
    results: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(options.rounds):
        for name, (work, batch) in cases.items():
            results[name].append(rate(work, messages, batch))
    for name, rates in results.items():
        low, high = min(rates), max(rates)
        print(f"{name:<28} {statistics.median(rates):>11,.0f}/s   {low:,.0f} - {high:,.0f}")


if __name__ == "__main__":
    main()
