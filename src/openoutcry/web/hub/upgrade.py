"""What an upgrade request says beside its path: who comes, and from where. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

SUBPROTOCOL: Final = "openoutcry"
_BEARER: Final = "bearer."


def credential(headers: Mapping[str, str]) -> str | None:
    """Return the token or key that came with a request; None without one.

    Browsers cannot set headers on a WebSocket, but they can name subprotocols. Another kind of
    Authorization is a proxy's affair. Raises ValueError for two credentials at once.
    """
    shown = [text for name in subprotocols(headers) if (text := _behind(_BEARER, name))]
    if key := headers.get("X-API-Key"):
        shown.append(key)
    if token := _behind("bearer ", headers.get("Authorization", "")):
        shown.append(token)
    if len(shown) > 1:
        raise ValueError("Show one token or key, not several.")
    return shown[0] if shown else None


def subprotocols(headers: Mapping[str, str]) -> list[str]:
    """Return the subprotocols that a client offers."""
    names = headers.get("Sec-WebSocket-Protocol", "").split(",")
    return [name.strip() for name in names if name.strip()]


def is_allowed(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Return whether a page of `origin` may open the hub at `host` (a Host header).

    Programs send no origin. The dashboard is on the same host, on another port.
    """
    if origin is None or is_listed(origin, allowed):
        return True
    try:
        theirs, ours = urlsplit(origin).hostname, urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return theirs is not None and theirs == ours


def is_listed(origin: str | None, allowed: Collection[str]) -> bool:
    """Return whether the origin of a page is among those; `*` is every one."""
    if origin is None:
        return False
    listed = {each.lower().rstrip("/") for each in allowed}
    return "*" in listed or origin.lower().rstrip("/") in listed


def _behind(prefix: str, text: str) -> str:
    """Return what follows a prefix (in whatever case), empty without it."""
    return text[len(prefix) :].strip() if text.lower().startswith(prefix) else ""
