"""`outcry doctor` on a chain: nodes that answer, that do not, and that follow another chain."""

from __future__ import annotations

import asyncpg

from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.token_store import bind_chain
from openoutcry.commands.doctor import Finding, Level
from openoutcry.commands.doctor_chain import check_chain
from openoutcry.config import Settings
from openoutcry.sandbox.anvil import Anvil

PAD = "outcry@0x" + "1" * 40


async def found(settings: Settings, url: str) -> list[Finding]:
    return [each async for each in check_chain(settings, url)]


async def test_nodes_are_tried_one_by_one(anvil: Anvil, database_url: str) -> None:
    """One that is away is a warning as long as another answers; keys in URLs are not shown."""
    settings = Settings(
        chain_rpc_urls=["http://127.0.0.1:1/KEY", anvil.ws_url, anvil.url], launchpads=[PAD]
    )
    pads, away, *there = await found(settings, database_url)
    assert (pads.level, away.level) == (Level.OK, Level.WARNING)
    assert "http://127.0.0.1:1" in away.found
    assert "KEY" not in away.found
    assert [each.level for each in there] == [Level.OK, Level.OK]
    assert f"{anvil.url} is at block 0 of chain 31337" in there[1].found
    alone = Settings(chain_rpc_urls=["http://127.0.0.1:1/KEY"], launchpads=["nobody@0x1"])
    levels = [each.level for each in await found(alone, "")]
    assert levels == [Level.BROKEN, Level.WARNING, Level.BROKEN]
    assert await found(Settings(), "") == []


async def test_a_node_of_another_chain(
    anvil: Anvil, database_url: str, db: asyncpg.Connection
) -> None:
    """Compared with the chain that is stored; a store that was never migrated knows none."""
    connection = await dial(database_url, application_name="test")
    await bind_chain(connection, 31_337, b"\7" * 32)
    await connection.close()
    settings = Settings(chain_rpc_urls=[anvil.url], launchpads=[PAD])
    _, wrong, none = await found(settings, database_url)
    assert (wrong.level, none.level) == (Level.BROKEN, Level.BROKEN)
    assert "database of its own" in wrong.remedy
    await db.execute("DROP TABLE chain_head")
    assert [each.level for each in await found(settings, database_url)] == [Level.OK, Level.OK]
