"""`outcry user …`, `outcry key …` and `outcry exchange-key …` as they are said on the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from openoutcry.commands.options import DataDir, overrides

user = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who may sign in.")
key = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="API keys of users.")
exchange_key = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Keys of live exchanges, kept encrypted."
)

Name = Annotated[str, typer.Argument(help="The user's name, in any case.")]


@user.command(name="add")
def user_add(
    name: Name,
    role: Annotated[str, typer.Option(help="admin or user.")] = "user",
    data_dir: DataDir = None,
) -> None:
    """Add a user.

    The password is asked for twice; without a terminal it is the first line of standard input.

    \b
    outcry user add ada --role admin
    outcry user add bob < password.txt
    """
    from openoutcry.commands import accounts as command

    command.add(overrides(data_dir), name, role)


@user.command(name="list")
def user_list(data_dir: DataDir = None) -> None:
    """Show every user.

    \b
    outcry user list
    """
    from openoutcry.commands import accounts as command

    command.show_users(overrides(data_dir))


@user.command(name="disable")
def user_disable(name: Name, data_dir: DataDir = None) -> None:
    """Shut a user out.

    Every session ends and API keys are refused, within five seconds.

    \b
    outcry user disable bob
    """
    from openoutcry.commands import accounts as command

    command.enable(overrides(data_dir), name, enabled=False)


@user.command(name="enable")
def user_enable(name: Name, data_dir: DataDir = None) -> None:
    """Let a disabled user in again.

    API keys that were not revoked work again.

    \b
    outcry user enable bob
    """
    from openoutcry.commands import accounts as command

    command.enable(overrides(data_dir), name, enabled=True)


@user.command(name="role")
def user_role(
    name: Name,
    role: Annotated[str, typer.Argument(help="admin or user.")],
    data_dir: DataDir = None,
) -> None:
    """Make a user an admin, or no longer one.

    Sessions go on, with what the new role allows.

    \b
    outcry user role bob admin
    """
    from openoutcry.commands import accounts as command

    command.role(overrides(data_dir), name, role)


@user.command(name="password")
def user_password(name: Name, data_dir: DataDir = None) -> None:
    """Give a user another password.

    It is asked for as `outcry user add` does. Every session of the user ends, API keys stay.

    \b
    outcry user password bob
    """
    from openoutcry.commands import accounts as command

    command.password(overrides(data_dir), name)


@key.command(name="create")
def key_create(
    name: Annotated[str, typer.Argument(metavar="USER", help="Whose key it is to be.")],
    label: Annotated[str, typer.Option("--name", help="What to call the key.")],
    scopes: Annotated[
        str, typer.Option(help="What it may do: read, trade, admin; read always.")
    ] = "read",
    days: Annotated[int | None, typer.Option(help="Days that it is good for [for good].")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make an API key and print it.

    This once: only its hash is kept.

    \b
    outcry key create ada --name "price bot"
    outcry key create ada --name laptop --scopes read,trade,admin --days 90
    """
    from openoutcry.commands import accounts as command

    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    command.create_key(overrides(data_dir), name, label, wanted, days)


@key.command(name="list")
def key_list(
    name: Annotated[str, typer.Argument(metavar="USER", help="Whose keys.")],
    data_dir: DataDir = None,
) -> None:
    """Show a user's API keys, without their secrets.

    \b
    outcry key list ada
    """
    from openoutcry.commands import accounts as command

    command.show_keys(overrides(data_dir), name)


@key.command(name="revoke")
def key_revoke(
    prefix: Annotated[
        str, typer.Argument(metavar="PREFIX", help="What stands between ok_ and the secret.")
    ],
    data_dir: DataDir = None,
) -> None:
    """Revoke an API key for good.

    \b
    outcry key revoke 3fQ0aTnYbZ1kX
    """
    from openoutcry.commands import accounts as command

    command.revoke_key(overrides(data_dir), prefix)


@exchange_key.command(name="add")
def exchange_key_add(
    name: Annotated[str, typer.Argument(metavar="USER", help="Whose bots are to trade with it.")],
    exchange: Annotated[str, typer.Option(help="The exchange, such as binance.")] = "binance",
    label: Annotated[str, typer.Option("--name", help="What to call the key.")] = "main",
    data_dir: DataDir = None,
) -> None:
    """Store a key of an exchange, encrypted.

    Key and secret are asked for; without a terminal they are two lines of standard input. Make the
    key for this alone: allowed to trade, not to withdraw, and only from this machine's address.

    \b
    outcry exchange-key add ada --exchange binance
    outcry exchange-key add ada < key.txt
    """
    from openoutcry.commands import exchange_keys as command

    command.add(overrides(data_dir), name, exchange, label)


@exchange_key.command(name="list")
def exchange_key_list(
    name: Annotated[str, typer.Argument(metavar="USER", help="Whose keys.")],
    data_dir: DataDir = None,
) -> None:
    """Show a user's keys of exchanges, without the keys.

    \b
    outcry exchange-key list ada
    """
    from openoutcry.commands import exchange_keys as command

    command.show(overrides(data_dir), name)


@exchange_key.command(name="remove")
def exchange_key_remove(
    name: Annotated[str, typer.Argument(metavar="USER", help="Whose key.")],
    key_id: Annotated[int, typer.Argument(metavar="ID", help="The key's number in the list.")],
    data_dir: DataDir = None,
) -> None:
    """Remove a key of an exchange.

    Not while bots are at work at that exchange, or have orders there.

    \b
    outcry exchange-key remove ada 3
    """
    from openoutcry.commands import exchange_keys as command

    command.remove(overrides(data_dir), name, key_id)
