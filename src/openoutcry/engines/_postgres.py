"""PostgreSQL as a child process: a cluster made once, tuned, reached by unix socket only."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from urllib.parse import quote

from openoutcry.engines._binaries import Programs
from openoutcry.engines._directory import DataDir
from openoutcry.engines._process import Account, Command, Engine
from openoutcry.errors import EngineError

_DATABASE = "openoutcry"
_MIB = 1 << 20
_STATUS_LINE = 7  # of postmaster.pid; the same line pg_ctl waits for


def url(folders: DataDir) -> str:
    """Return the URL of the engine's database on these folders."""
    return f"postgresql://postgres@/{_DATABASE}?host={quote(str(folders.postgres_run))}"


def data_version(folders: DataDir) -> int | None:
    """Return the major version that wrote the data, or None when there is none yet."""
    try:
        return int((folders.postgres / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def engine(
    programs: Programs,
    folders: DataDir,
    account: Account | None,
    *,
    port: int = 0,
    durable: bool = True,
) -> Engine:
    """Return the engine, not started; its first start makes the cluster.

    `port` also opens localhost TCP, with passwords (the socket needs none: only we may enter its
    folder). `durable=False`, for tests, leaves out fsync, and
    all that is in memory is in the directory too.
    """
    config = folders.root / "postgresql.conf"
    _write(config, _configuration(programs, folders, port=port, durable=durable))
    _write(folders.root / "pg_hba.conf", _ACCESS)
    argv = (str(programs.folder / "postgres"), "-D", str(folders.postgres))
    return Engine(
        "PostgreSQL",
        Command(argv=(*argv, "-c", f"config_file={config}"), account=account),
        directory=folders.postgres,
        log=folders.logs / "postgres.log",
        ready=lambda pid: _status(folders) == (pid, "ready"),
        stop_signal=signal.SIGINT,  # "fast": sessions end, the checkpoint is written
        leftover=lambda: _status(folders)[0],
        before=lambda: _make_cluster(programs, folders, account, durable=durable),
    )


def _make_cluster(
    programs: Programs, folders: DataDir, account: Account | None, *, durable: bool
) -> None:
    """Make the cluster and its database, if there is none; all of it or nothing."""
    if data_version(folders) is not None:
        return
    fresh = folders.root / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if account:
        os.chown(fresh, account.uid, account.gid)
    options = ["--no-locale", "-E", "UTF8", "-U", "postgres", "-A", "trust", "--no-instructions"]
    initdb = (str(programs.folder / "initdb"), "-D", str(fresh))
    _must(Command((*initdb, "--no-sync", *options), account))
    single = (str(programs.folder / "postgres"), "--single", "-F", "-D", str(fresh), "postgres")
    # Copying files takes 0.15 s; the usual way, through the log, 0.7 s.
    _must(Command(single, account), f"CREATE DATABASE {_DATABASE} STRATEGY file_copy\n")
    if durable:  # once, at the end, not after each step
        _must(Command((*initdb, "--sync-only"), account))
    fresh.rename(folders.postgres)


def _must(command: Command, feed: str = "") -> None:
    code, said = command.run(feed)
    if code or "ERROR:" in said or "FATAL:" in said:
        lines = "\n".join("  " + line for line in said.splitlines()[-8:])
        raise EngineError(f"{Path(command.argv[0]).name} failed (exit code {code}):\n{lines}")


def _status(folders: DataDir) -> tuple[int | None, str]:
    try:
        lines = (folders.postgres / "postmaster.pid").read_text().splitlines()
        return int(lines[0]), lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else ""
    except (OSError, ValueError, IndexError):
        return None, ""


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)  # PostgreSQL's account reads it; there is no secret in it


def _configuration(programs: Programs, folders: DataDir, *, port: int, durable: bool) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MIB
    shared = min(max(memory // 128, 64), 512)
    has_statements = any(
        (programs.folder.parent / lib).exists()
        for lib in ("lib/pg_stat_statements.so", "lib/pg_stat_statements.dylib")
    )
    lines = {
        "data_directory": folders.postgres,
        "hba_file": folders.root / "pg_hba.conf",
        "ident_file": folders.postgres / "pg_ident.conf",
        "listen_addresses": "127.0.0.1" if port else "",
        "port": port or 5432,
        "unix_socket_directories": folders.postgres_run,
        "unix_socket_permissions": "0700",
        "max_connections": 60,
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{memory // 2}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": "128MB",
        "random_page_cost": 1.1,
        "jit": "off",  # compiling costs more than our short queries
        "fsync": "on" if durable else "off",
        # What a killed server leaves of its shared memory is to go with a temporary directory.
        "dynamic_shared_memory_type": "posix" if durable else "mmap",
        "synchronous_commit": "on",
        "wal_compression": "on",
        "wal_buffers": "16MB",
        "min_wal_size": "256MB",
        "max_wal_size": "3GB",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": 0.9,
        # Trades only ever arrive: the visibility map and the statistics have to keep up with them.
        "autovacuum_naptime": "20s",
        "autovacuum_max_workers": 2,
        "autovacuum_vacuum_insert_scale_factor": 0.05,
        "autovacuum_analyze_scale_factor": 0.02,
        "autovacuum_vacuum_cost_limit": 2000,
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_duration_statement": "1s",
        "log_checkpoints": "off",
    }
    if has_statements:
        lines["shared_preload_libraries"] = "pg_stat_statements"
    body = "".join(f"{name} = '{_quoted(value)}'\n" for name, value in lines.items())
    first = f"include '{_quoted(folders.postgres / 'postgresql.conf')}'\n"
    return f"{_HEADER}{first}{body}include_if_exists 'postgresql.local.conf'\n"


def _quoted(value: object) -> str:
    return str(value).replace("\\", "\\\\").replace("'", "''")


_HEADER = """\
# Written by OpenOutcry at every start. Your own settings belong in postgresql.local.conf beside
# this file: they win, and they are never touched.
"""
_ACCESS = """\
# Written by OpenOutcry at every start. The socket's folder lets in nobody but its owner and root.
local all         all              trust
local replication all              trust
host  all         all 127.0.0.1/32 scram-sha-256
"""
