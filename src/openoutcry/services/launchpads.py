"""The launchpads of the configuration: built-in descriptions and files, read when we start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from openoutcry.core.chain import descriptions
from openoutcry.core.chain.builtin import BUILTIN
from openoutcry.core.chain.descriptions import Launchpad
from openoutcry.errors import ConfigError


def load(entries: Sequence[str]) -> list[Launchpad]:
    """Return the launchpad of each entry: `NAME@ADDRESS` (built in), or the path of a `.toml`.

    A name that is there more than once has several addresses. Raises ConfigError that names the entry.
    """
    files = [one for one in entries if one.endswith(".toml")]
    named: dict[str, list[str]] = {}
    for entry in entries:
        if entry in files:
            continue
        name, _, address = entry.partition("@")
        if name not in BUILTIN or not address:
            raise ConfigError(
                f"Launchpad {entry}: write NAME@ADDRESS with a name of {', '.join(sorted(BUILTIN))},"
                " or the path of a .toml file with a description"
            )
        named.setdefault(name, []).append(address)
    found = [
        descriptions.parse(BUILTIN[name], name, tuple(addresses))
        for name, addresses in named.items()
    ]
    return found + [descriptions.parse(_text(Path(one)), one) for one in files]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Launchpad {path}: cannot be read: {error}") from None
