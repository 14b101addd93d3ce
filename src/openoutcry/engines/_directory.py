"""The data directory: where it is, who may enter it, and that only one of us uses it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

from openoutcry.engines._process import Account
from openoutcry.errors import EngineError

_LONGEST_SOCKET_PATH = 100  # bytes; the kernels' limits are 104 (macOS) and 108 (Linux)
_ROOT_DIR = Path("/var/lib/openoutcry")


class DataDir(Struct, frozen=True):
    """The folders below one data directory, all made and entered by whom they should be."""

    root: Path
    postgres: Path
    postgres_run: Path
    valkey: Path
    valkey_run: Path
    logs: Path
    engines: Path


def default_data_dir() -> Path:
    """Return where engines keep their data unless told otherwise."""
    if os.geteuid() == 0:
        return _ROOT_DIR
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "openoutcry"
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "openoutcry"


def folders(root: Path) -> DataDir:
    """Return where everything of a data directory is, or would be."""
    run = _socket_dir(root)
    return DataDir(
        root=root,
        postgres=root / "postgres",
        postgres_run=run / "postgres",
        valkey=root / "valkey",
        valkey_run=run,
        logs=root / "logs",
        engines=root / "engines",
    )


def prepare(root: Path, account: Account | None) -> DataDir:
    """Make the folders that are missing and return them.

    `account` is whom PostgreSQL runs as when we are root. Permissions are set on what is made here
    and on nothing else: where the account may not enter, EngineError says so and nothing is made.
    """
    root = root.absolute()
    refuse_if_not_ours(root)
    refuse_if_closed(root, account)
    inside = 0o711 if account else 0o700  # the account passes through, it cannot list
    try:
        for folder in reversed([root, *_missing(root.parent)]):
            _make(folder, 0o755 if folder != root else inside)
        made = folders(root)
        _make(made.valkey_run, inside)
        _refuse_if_foreign(made.valkey_run)
        _make(made.engines, 0o755)
        _make(made.valkey, 0o700)
        _make(made.logs, 0o700)
        _make(made.postgres_run, 0o700, account)
    except OSError as error:
        raise EngineError(
            f"The data directory {root} cannot be used: {error.strerror} ({error.filename}). "
            "Choose another with --data-dir."
        ) from None
    return made


def refuse_if_not_ours(path: Path) -> None:
    """Raise EngineError if `path` is no directory, or we may not write to it or make it."""
    there = next(each for each in (path, *path.parents) if _exists(each))
    if not there.is_dir():
        raise EngineError(f"{there} is not a directory. Choose a data directory with --data-dir.")
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        what = "read and written" if there == path else f"made: {there} is closed to it"
        raise EngineError(
            f"The data directory {path} cannot be {what} by the user that runs this (uid "
            f"{os.geteuid()}). Run as its owner, or choose another with --data-dir."
        )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # below a folder that we may not enter
        return False


def refuse_if_closed(path: Path, account: Account | None) -> None:
    """Raise EngineError if `account` may not enter `path` or a parent of it that exists."""
    if account is None:
        return
    existing = [folder for folder in [*reversed(path.parents), path] if folder.exists()]
    closed = first_closed(existing, account)
    if closed is None:
        return
    mode = closed.stat().st_mode & 0o7777
    raise EngineError(
        f"The data directory {path} cannot be used as root: PostgreSQL does not run as root, "
        f"and the account {account.name!r} that it runs under may not enter {closed} "
        f"(mode {mode:04o}). "
        "OpenOutcry does not loosen permissions that it did not set. Use the default "
        f"({_ROOT_DIR}), or choose another directory with --data-dir."
    )


def first_closed(folders: list[Path], account: Account) -> Path | None:
    """Return the first folder that `account` may not enter, asked of the kernel as that account."""
    script = 'for d do test -x "$d" || { printf %s "$d"; exit; }; done'
    answer = subprocess.run(  # noqa: S603 - a constant script; the paths are its arguments
        ["/bin/sh", "-c", script, "sh", *map(str, folders)],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        check=True,
    )
    return Path(os.fsdecode(answer.stdout)) if answer.stdout else None


def lock(root: Path) -> int:
    """Return the descriptor that holds the directory for us until it is closed or we die.

    Raises EngineError with the holder's process id if another process has it.
    """
    path = root / "lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise EngineError(
            f"The data directory {root} is in use by process {holder}: OpenOutcry runs there "
            "already. Stop that one, or choose another directory with --data-dir."
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle


def lock_holder(root: Path) -> int | None:
    """Return the process id of whoever uses the directory, or None."""
    try:
        with (root / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = (root / "lock").read_text().strip()
        return int(text) if text.isdigit() else None
    except OSError:
        return None
    return None


def _missing(path: Path) -> list[Path]:
    return [folder for folder in [path, *path.parents] if not folder.exists()]


def _make(folder: Path, mode: int, owner: Account | None = None) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise NotADirectoryError(20, "it is not a directory", str(folder)) from None
        return
    if owner:
        os.chown(folder, owner.uid, owner.gid)
    folder.chmod(mode)  # mkdir's own mode is cut by the umask


def _socket_dir(root: Path) -> Path:
    run = root / "run"
    if len(os.fsencode(run / "postgres" / ".s.PGSQL.5432")) <= _LONGEST_SOCKET_PATH:
        return run
    # A name made of the directory: the same directory finds the same sockets again.
    name = f"openoutcry-{os.geteuid()}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"
    private = os.environ.get("XDG_RUNTIME_DIR") if os.geteuid() != 0 else None
    return Path(private or "/tmp") / name  # noqa: S108 - refused unless it is ours alone


def _refuse_if_foreign(run: Path) -> None:
    found = run.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022 or run.is_symlink():
        raise EngineError(f"{run} belongs to someone else or is open to others; remove it.")
