"""`outcry rebuild tokens`: what it makes anew, what it says of it, and when it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from conftest import execute, run
from openoutcry.adapters.postgres import token_index
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.token_store import LOCK, apply, bind_chain, read_head
from openoutcry.cli import app
from tokenkit import block, created, dump, trade, transfer

Run = Callable[..., Result]


@pytest.fixture
def outcry(database_url: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, on the test's engines."""
    monkeypatch.setenv("OUTCRY_DATABASE_URL", database_url)
    monkeypatch.setenv("OUTCRY_VALKEY_URL", valkey_url)
    return lambda *arguments: CliRunner().invoke(app, ["rebuild", "tokens", *arguments])


def on(url: str, *statements: str) -> dict[str, list[str]]:
    """Do something to the store and return all that is derived there."""

    async def work() -> dict[str, list[str]]:
        connection = await dial(url, application_name="test")
        for statement in statements:
            await connection.execute(statement)
        found = await dump(connection)
        await connection.close()
        return found

    return run(work())


@pytest.fixture
def stored(database_url: str) -> dict[str, list[str]]:
    """A store of two blocks, and all that is derived there."""

    async def fill() -> None:
        connection = await dial(database_url, application_name="test")
        await bind_chain(connection, 1, b"\1" * 32)
        bought = trade(2, 1, 5, 70, tokens=9, supply=9, reserve=70)
        blocks = [
            block(1, created(0, 1), transfer(1, 1, 0, 5, 9), bought),
            block(2, transfer(0, 1, 5, 6, 4)),
        ]
        await apply(connection, blocks)
        await connection.close()

    run(fill())
    return on(database_url)


def test_what_is_right_stays_as_it_is(
    outcry: Run, database_url: str, stored: dict[str, list[str]]
) -> None:
    """Every byte is made again, and said to be the same."""
    done = outcry()
    assert done.exit_code == 0, done.output
    assert "Every byte is as it was." in done.output
    assert on(database_url) == stored
    assert outcry("--check").exit_code == 0


def test_what_is_wrong_is_found_and_mended(
    outcry: Run, database_url: str, stored: dict[str, list[str]]
) -> None:
    """--check says which table differs and changes nothing; without it, it is right afterwards."""
    broken = on(
        database_url,
        "UPDATE token_figures SET volume_total = volume_total + 1",
        "DELETE FROM token_holders WHERE balance = 4",
    )
    found = outcry("--check")
    assert found.exit_code == 1
    assert found.output.count("differed") == 2
    assert "1 → 2" in found.output
    assert "2 tables differ" in found.output
    assert on(database_url) == broken != stored
    mended = outcry()
    assert mended.exit_code == 0
    assert "2 tables differed" in mended.output
    assert on(database_url) == stored


def test_from_the_chain_all_over_again(
    outcry: Run, database_url: str, stored: dict[str, list[str]]
) -> None:
    """Asked for twice, it forgets all tokens and which chain they were of; not beside an indexer."""

    async def beside(work: Callable[[], Any]) -> Any:
        connection = await dial(database_url, application_name="test")
        assert await token_index.own(connection)
        try:
            return await asyncio.to_thread(work)
        finally:
            await connection.close()

    refused = run(beside(lambda: outcry("--from-chain", "--yes")))
    assert refused.exit_code == 1
    assert "stop it first" in str(refused.exception)
    assert outcry("--from-chain").exit_code == 1  # nobody agreed
    assert on(database_url) == stored
    assert outcry("--from-chain", "--yes").exit_code == 0
    assert not any(on(database_url).values())

    async def left() -> Any:
        connection = await dial(database_url, application_name="test")
        found = await read_head(connection), await token_index.read_identity(connection)
        held = await connection.fetchval("SELECT pg_try_advisory_lock($1, 1)", LOCK)
        await connection.close()
        return (*found, held)

    assert run(left()) == (None, None, True)


def test_a_schema_of_before_is_named(database_url: str, outcry: Run) -> None:
    """With what brings it up to date; nothing of PostgreSQL's own words."""
    run(execute(database_url, "UPDATE alembic_version SET version_num = '0005'"))
    for options in ([], ["--check"], ["--from-chain", "--yes"]):
        told = outcry(*options)
        assert told.exit_code != 0
        assert "run `outcry db upgrade`" in told.output + str(told.exception)
