"""`outcry alerts`: what is wrong just now, and whether the webhook takes messages."""

from __future__ import annotations

import secrets
import socket
import time
from typing import Any, Final

import aiohttp
import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from openoutcry import config, logs
from openoutcry.adapters.valkey.alert_board import AlertBoard
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.webhook import Webhook, WebhookError
from openoutcry.commands.context import finish, reached
from openoutcry.commands.status import age
from openoutcry.config import Settings
from openoutcry.core.alerts import Alert, Condition, Event, Severity
from openoutcry.errors import ConfigError
from openoutcry.services.alerts import body_of

_STYLES: Final = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow"}


def alerts(overrides: dict[str, Any], *, as_json: bool, test: bool) -> None:
    """Print the alerts; exit code 1 if one is firing. With `test` send a message instead."""
    settings = config.load(overrides=overrides)
    logs.configure("error", settings.log_format)
    if test:
        typer.echo(finish(_send(settings)))
        return
    known = finish(_known(settings))
    if as_json:
        typer.echo(msgspec.json.encode({"alerts": list(known.values())}).decode())
    else:
        Console(highlight=False).print(_table(list(known.values())))
    raise typer.Exit(1 if any(each.state == "firing" for each in known.values()) else 0)


async def _known(settings: Settings) -> dict[str, Alert]:
    async with reached(settings) as found:
        valkey = connect(found.valkey_url, retries=0)
        try:
            return await AlertBoard(valkey, "").load()
        finally:
            await valkey.aclose()


async def _send(settings: Settings) -> str:
    """Send a message that says it is a test; return what came of it. Raises ConfigError."""
    if not settings.alert_webhook_url:
        raise ConfigError("No webhook is configured: set OUTCRY_ALERT_WEBHOOK_URL.")
    now = time.time_ns() // 1000
    said = "this is a test of the webhook, nothing is wrong"
    alert = Alert(Condition("test", "", Severity.WARNING, said, 0, 0), now, now, firing=True)
    body = msgspec.json.encode(body_of(alert, Event.FIRING, socket.gethostname()))
    async with aiohttp.ClientSession() as session:
        hook = Webhook(session, settings.alert_webhook_url, settings.alert_webhook_secret)
        try:
            await hook.post(body, secrets.token_hex(16))
        except WebhookError as error:
            raise ConfigError(f"The webhook did not take the message: {error}.") from None
    signed = "signed" if settings.alert_webhook_secret else "not signed"
    return f"{hook.host} took the message ({signed})."


def _table(known: list[Alert]) -> Table | Text:
    if not known:
        return Text("Nothing is wrong.", style="green")
    now = time.time_ns() // 1000
    table = Table("", "rule", "subject", "since", "told", "", box=None)
    for each in sorted(known, key=lambda alert: (alert.state, alert.since)):
        style = _STYLES[each.condition.severity] if each.state == "firing" else "dim"
        table.add_row(
            Text(each.state, style=style),
            each.condition.rule,
            each.condition.subject,
            f"{age(now - each.since)} ago",
            "" if each.told is None else f"{age(now - each.told)} ago",
            each.condition.summary,
        )
    return table
