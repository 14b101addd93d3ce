"""What the commands say of a real read replica."""

from __future__ import annotations

import json

import pytest
from msgspec import structs

from openoutcry.commands import doctor, status
from openoutcry.commands.doctor import Level
from openoutcry.config import Settings
from replicakit import Pair


def settings_of(pair: Pair, valkey_url: str) -> Settings:
    """Return the settings of a system with the pair."""
    return Settings(
        database_url=pair.database_url, valkey_url=valkey_url, database_read_url=pair.standby.url
    )


async def test_status_looks_at_the_replica(
    pair: Pair, valkey_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`outcry status` sees that it is up although nobody watched it before, and that it is lost."""
    settings = settings_of(pair, valkey_url)
    await status._show(settings, as_json=True, watch=False)
    found = json.loads(capsys.readouterr().out)["replica"]
    assert (found["ok"], found["reason"]) == (True, "")
    pair.standby.kill()
    await status._show(settings, as_json=True, watch=False)
    found = json.loads(capsys.readouterr().out)["replica"]
    assert (found["ok"], found["reason"]) == (False, "cannot be reached")


async def test_the_doctor_looks_at_the_replica(pair: Pair, valkey_url: str) -> None:
    """Well, away, or no replica at all: each in words, with what to do."""
    settings = settings_of(pair, valkey_url)
    (well,) = await doctor.check_replica(settings, pair.database_url)
    assert well.level is Level.OK
    itself = structs.replace(settings, database_read_url=pair.database_url)
    (wrong,) = await doctor.check_replica(itself, pair.database_url)
    assert (wrong.level, wrong.found) == (Level.WARNING, "is no replica: it takes writes")
    pair.standby.kill()
    (away,) = await doctor.check_replica(settings, pair.database_url)
    assert (away.level, away.found) == (Level.WARNING, "cannot be reached")
    assert "OUTCRY_DATABASE_READ_URL" in away.remedy
    assert await doctor.check_replica(Settings(), pair.database_url) == []
