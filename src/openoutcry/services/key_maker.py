"""Make API keys: for the API and for the command line alike."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Final

import structlog

from openoutcry.adapters.postgres.api_keys import ApiKey, add_key
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.core import credentials
from openoutcry.core.account_rules import check_label, check_scopes
from openoutcry.core.credentials import PUBLIC_BYTES, SECRET_BYTES, Credential
from openoutcry.errors import BadRequestError
from openoutcry.model import Role, Scope, User

_log = structlog.get_logger(__name__)

_MOST_DAYS: Final = 3650


async def make_key(
    pool: Pool, user: User, label: str, scopes: Iterable[str], days: int | None
) -> tuple[ApiKey, str]:
    """Make an API key, for good or for so many days; return it and its text, told this once.

    Raises BadRequestError.
    """
    name, wanted = check_label(label), check_scopes(scopes)
    if Scope.ADMIN in wanted and user.role is not Role.ADMIN:
        raise BadRequestError("Only an admin's key can have the scope `admin`.")
    if days is not None and not 1 <= days <= _MOST_DAYS:
        raise BadRequestError(f"A key expires after 1 to {_MOST_DAYS} days.")
    key = random_credential(credentials.KEY)
    stored = await add_key(
        pool,
        user.id,
        key.public,
        credentials.digest(key.secret),
        name=name,
        scopes=wanted,
        days=days,
    )
    _log.info("key made", user=user.name, prefix=key.public)
    return stored, str(key)


def random_credential(kind: str) -> Credential:
    """Return a credential that nobody has seen."""
    public = secrets.token_bytes(PUBLIC_BYTES[kind])
    return credentials.make(kind, public, secrets.token_bytes(SECRET_BYTES))
