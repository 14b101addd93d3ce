"""The two places that clients are pointed to: our product, and the exchange that it records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.recorded import RECORDING, Recorded, with_second_market
from e2e.sandboxed import replaying
from e2e.system import shared, wait

from .listeners import Place
from .play import perform
from .scene import Scene


@pytest.fixture(scope="package")
def scenes(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Scene]]:
    """Both places, after a replay to which every client has listened live."""
    folder = tmp_path_factory.mktemp("system")
    recording = folder / "recording.jsonl"
    with_second_market(test_data / RECORDING, recording)
    recorded = Recorded(recording)
    settings = replaying(recording, "BTCUSDT", "ETHUSDT")
    with shared(settings, folder) as system:
        places = [
            Place("outcry", system.url, system.hub_url),
            Place("sandbox", settings.binance_rest_url, settings.binance_ws_url),
        ]
        heard = wait(lambda: perform(system, recorded, places))
        yield [Scene(one.place, recorded, one) for one in heard]


@pytest.fixture(params=["outcry", "sandbox"])
def scene(scenes: list[Scene], request: pytest.FixtureRequest) -> Scene:
    """Each of the two places: clients must see no difference."""
    return next(one for one in scenes if one.place.name == request.param)
