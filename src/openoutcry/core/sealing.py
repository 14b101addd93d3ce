"""Seal secrets for the store: AES-256-GCM under a key that is derived from the installation's secret.

Pure but for the nonce, which the caller brings. A sealed text opens only for the `owner` that it was
sealed for: a row that somebody moves to another user does not open.
"""

from __future__ import annotations

from typing import Final

from openoutcry.errors import OutcryError

NONCE_BYTES: Final = 12
_VERSION: Final = b"\x01"
_SHUT: Final = (
    "The key of the exchange cannot be opened: OUTCRY_SECRET_KEY is another than when it was stored."
    " Remove it and add it again."
)
_PURPOSE: Final = b"openoutcry exchange keys 1"


class SealError(OutcryError):
    """What was sealed does not open: it was sealed under another secret, or was changed since."""


def seal(secret: bytes, owner: str, plain: bytes, nonce: bytes) -> bytes:
    """Return `plain` encrypted. `nonce` is NONCE_BYTES of chance, never used twice."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    sealed = AESGCM(_key(secret)).encrypt(nonce, plain, owner.encode())
    return _VERSION + nonce + sealed


def unseal(secret: bytes, owner: str, sealed: bytes) -> bytes:
    """Return what was sealed for this owner. Raises SealError, which tells nothing of it."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    version, nonce, rest = sealed[:1], sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    if version != _VERSION:
        raise SealError(_SHUT)
    try:
        return AESGCM(_key(secret)).decrypt(nonce, rest, owner.encode())
    except (InvalidTag, ValueError):
        raise SealError(_SHUT) from None


def _key(secret: bytes) -> bytes:
    # A tenth of a second of imports, which only those pay who have such keys.
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
