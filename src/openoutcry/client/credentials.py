"""Who a client of the hub is: an API key, or a session that is begun and kept alive."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any, Protocol

from openoutcry.client.errors import SignInError

_SECONDS = 10.0


class Credentials(Protocol):
    """Gives tokens to show to the hub."""

    async def token(self, *, fresh: bool) -> str:
        """Return a token or key; `fresh`: another one than before, which is good no more.

        Raises SignInError when there is none to be had, OSError when it cannot be asked for just now.
        """


class ApiKey:
    """An API key: always the same."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def token(self, *, fresh: bool) -> str:
        """Return the key. Raises SignInError if it has been refused."""
        if fresh:
            raise SignInError("The API key is not valid: unknown, revoked, expired, or disabled.")
        return self._key


class SignIn:
    """Name and password, for the API at `url` such as `http://localhost:8000`.

    Signs in when the first token is wanted and refreshes from then on. The password is kept for the
    day that the session has ended.
    """

    def __init__(self, url: str, name: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._name = name
        self._password = password
        self._access = self._refresh = ""

    async def token(self, *, fresh: bool) -> str:
        """Return an access token. Raises SignInError, OSError."""
        if self._access and not fresh:
            return self._access
        grant: Any = None
        if self._refresh:
            refresh, self._refresh = self._refresh, ""  # good once, even if we hear no answer
            try:
                grant = await self._post("refresh", {"refreshToken": refresh})
            except SignInError:
                grant = None
        if grant is None:
            who = {"name": self._name, "password": self._password}
            grant = await self._post("token", who)
        self._access, self._refresh = grant["accessToken"], grant["refreshToken"]
        return self._access

    async def _post(self, what: str, body: dict[str, str]) -> Any:
        return await asyncio.to_thread(_post, f"{self._url}/api/v1/auth/{what}", body)


def _post(url: str, body: dict[str, str]) -> Any:
    if not url.startswith(("http://", "https://")):
        raise SignInError(f"{url} is no address of an API; it starts with http:// or https://.")
    data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers)  # noqa: S310  (looked at above)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code in (429, *range(500, 600)):
            raise OSError(f"{url}: {error.code}") from None
        raise SignInError(f"{url}: {error.code} {_reason(error)}") from None
    except ValueError:
        raise OSError(f"{url}: not an answer of the API") from None


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["message"])
    except (ValueError, LookupError, TypeError, OSError):
        return error.reason
