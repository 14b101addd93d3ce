"""Every query of the API and the hub over hypertables: their own tests, on this folder's database."""

from __future__ import annotations

import pytest
from test_candle_reader import *  # noqa: F403
from test_recent import *  # noqa: F403

pytestmark = pytest.mark.timescale
