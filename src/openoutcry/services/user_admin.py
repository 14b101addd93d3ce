"""What the command line does with users: add, and give another password."""

from __future__ import annotations

from openoutcry.adapters.postgres import users
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.core.account_rules import check_name, check_password
from openoutcry.model import Role, User
from openoutcry.services.passwords import Passwords


async def add_user(pool: Pool, passwords: Passwords, name: str, role: Role, password: str) -> User:
    """Add a user. Raises BadRequestError for a name or a password that will not do."""
    normal = check_password(password, check_name(name))
    return await users.add_user(pool, name, role, await passwords.hash(normal))


async def change_password(pool: Pool, passwords: Passwords, name: str, password: str) -> User:
    """Give a user another password and end their sessions.

    Raises NotFoundError, BadRequestError.
    """
    normal = check_password(password, name)
    return await users.set_password(pool, name, await passwords.hash(normal))
