"""What a client of the hub may run into that it cannot help itself out of."""

from __future__ import annotations

from openoutcry.errors import OutcryError


class ClientError(OutcryError):
    """Root of the client's errors."""


class SignInError(ClientError):
    """The API refused name and password, or the session; the message says why."""


class HubClosedError(ClientError):
    """The hub closed the connection for good, or did not let us in; coming back would not help.

    `code` is the close code, or the HTTP status of a refused connection.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"The hub has closed the connection: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason
