"""Make, check and serve the PostgreSQL cluster under filmgate's data folder."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from filmgate.infrastructure.embedded_postgres_child import Account, Child, launch
from filmgate.infrastructure.postgres_binaries import Binaries, EmbeddedPostgresFailed

# Absent on Windows, where the supervisor refuses before it needs them.
if sys.platform != "win32":
    import fcntl
    import pwd

USER = "filmgate"
DATABASE = "filmgate"
HOST = "127.0.0.1"

_NOBODIES = (USER, "postgres", "nobody")
_BUILTIN_LOCALE_SINCE = 17
_LOG_LIMIT = 10 * 1024 * 1024
_TICK = 0.02
_CLAIM_PATIENCE = 60.0
_POLITE_PATIENCE = 30.0
_INITDB_PATIENCE = 300.0
_SETTINGS = (
    f"listen_addresses={HOST}",
    "unix_socket_directories=",
    f"cluster_name={USER}",
    "max_connections=200",
    "shared_buffers=128MB",
    "max_wal_size=512MB",
    "jit=off",
    "fsync=on",
    "synchronous_commit=on",
    "logging_collector=off",
    "log_destination=stderr",
    "log_checkpoints=off",
    "log_min_messages=warning",
    "log_line_prefix=%m [%p] ",
    "log_timezone=UTC",
    "lc_messages=C",
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Hold the folder `home`, which has the cluster, its lock and its log in it."""

    home: Path

    @property
    def folder(self) -> Path:
        """Return PostgreSQL's own data directory."""
        return self.home / "cluster"

    @property
    def log(self) -> Path:
        """Return the file that takes the server's messages."""
        return self.home / "log"

    def exists(self) -> bool:
        """Tell whether a whole cluster is there."""
        return (self.folder / "PG_VERSION").is_file()

    def open_home(self) -> None:
        """Let the server's user pass through the home, but not list it, when this process is root."""
        if _is_root():
            self.home.chmod(0o711)

    def refuse_other_major(self, binaries: Binaries) -> None:
        """Raise EmbeddedPostgresFailed when the cluster was made by another major version."""
        made_by = (self.folder / "PG_VERSION").read_text().strip()
        if made_by != str(binaries.major):
            raise EmbeddedPostgresFailed(
                f"The database in {self.folder} was made by PostgreSQL {made_by}, but {binaries.folder} is "
                f"PostgreSQL {binaries.major}. Either set FILMGATE_PG_BIN to the programs of PostgreSQL "
                f"{made_by}, or dump it with them (pg_dump -Fc), move {self.folder} away, start filmgate and "
                "restore the dump (pg_restore)."
            )

    @contextlib.asynccontextmanager
    async def claimed(self) -> AsyncGenerator[int]:
        """Hold the cluster's lock, which initdb, the server and all its backends inherit.

        So once it is ours nothing has the cluster open any more, in this container or another, not even a
        backend orphaned by a killed postmaster, and a postmaster.pid that is still there means nothing.
        """
        lock = open_private(self.home / "server.lock")
        try:
            await self._wait_for(lock)
            self._clear_pid_file()
            yield lock
        finally:
            os.close(lock)

    async def create(self, binaries: Binaries, password: str, lock: int) -> None:
        """Make the cluster beside its place and rename it, so that half a cluster is never found there."""
        await asyncio.to_thread(self._sweep)
        building = self._building(account := self._account(), password)
        try:
            await self._initdb(binaries, building, account, lock)
            (building / "cluster").rename(self.folder)
            _sync_folder(self.home)
        finally:
            await asyncio.to_thread(shutil.rmtree, building, ignore_errors=True)

    async def set_password(self, binaries: Binaries, password: str, lock: int) -> None:
        """Give the superuser a new password without a server, for when the old one is lost."""
        child = launch(
            [binaries.postgres, "--single", "-D", self.folder, "postgres"],
            account=self._adopted(),
            needed=self.folder,
            log=self._rotated_log(),
            words=f"ALTER ROLE {USER} PASSWORD '{password}'\n".encode(),
            keep_open=(lock,),
        )
        await _finished(child, "The database password could not be set")

    def serve(self, binaries: Binaries, port: int, lock: int) -> Child:
        """Start the server; `lock` stays held for as long as any of its processes lives."""
        settings = [part for setting in (*_SETTINGS, f"port={port}") for part in ("-c", setting)]
        return launch(
            [binaries.postgres, "-D", self.folder, *settings],
            account=self._adopted(),
            needed=self.folder,
            log=self._rotated_log(),
            keep_open=(lock,),
        )

    async def _wait_for(self, lock: int) -> None:
        started = time.monotonic()
        asked = None
        while not locked(lock):
            waited = time.monotonic() - started
            if waited > _CLAIM_PATIENCE:
                raise EmbeddedPostgresFailed(
                    f"A PostgreSQL server of an earlier run still has {self.folder} open and does not end."
                )
            wanted = signal.SIGINT if waited < _POLITE_PATIENCE else signal.SIGQUIT
            if asked is not wanted:
                asked = wanted
                for pid in self._holders():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, wanted)
            await asyncio.sleep(_TICK)

    def _clear_pid_file(self) -> None:
        # The process id in it may by now be somebody else's, and PostgreSQL would refuse to start because of
        # it; in containers, where ids are small and repeat, that is common.
        if pid := self._postmaster():
            raise EmbeddedPostgresFailed(
                f"Process {pid} is a PostgreSQL server on {self.folder} that filmgate did not start; stop it."
            )
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _holders(self) -> list[int]:
        """Return the server's process, or without one the backends it left, which may be busy for long."""
        if pid := self._postmaster():
            return [pid]
        found: list[int] = []
        for link in Path("/proc").glob("[0-9]*/cwd"):
            with contextlib.suppress(OSError):
                pid = int(link.parent.name)
                if link.readlink() == self.folder and _command_line(pid).startswith("postgres: "):
                    found.append(pid)
        return found

    def _postmaster(self) -> int | None:
        """Return the process in postmaster.pid if it is alive and truly serves this folder."""
        try:
            pid = int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if f" -D {self.folder} " in _command_line(pid) else None

    def _account(self) -> Account:
        """Return the user the cluster belongs to: PostgreSQL refuses to run as root."""
        if not _is_root():
            return Account()
        for folder in (self.folder, self.home):
            if folder.exists() and (owner := folder.stat()).st_uid:
                return Account(owner.st_uid, owner.st_gid)
        for name in _NOBODIES:
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return Account(entry.pw_uid, entry.pw_gid)
        raise EmbeddedPostgresFailed(
            "PostgreSQL refuses to run as root and there is no other user to run it as. Run filmgate as an "
            f"ordinary user, add one named {USER}, or set DATABASE_URL."
        )

    def _adopted(self) -> Account:
        """Return the cluster's user; give the cluster to one when it is root's, as after a copy by root."""
        account = self._account()
        if _is_root() and self.folder.stat().st_uid == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, account.uid, account.gid, follow_symlinks=False)
        return account

    def _building(self, account: Account, password: str) -> Path:
        building = Path(tempfile.mkdtemp(prefix="new-", dir=self.home))
        secret = building / "password"
        secret.touch(0o600)
        secret.write_text(password)
        (building / "cluster").mkdir(0o700)
        if _is_root():
            building.chmod(0o711)
            os.chown(secret, account.uid, account.gid)
            os.chown(building / "cluster", account.uid, account.gid)
        return building

    async def _initdb(self, binaries: Binaries, building: Path, account: Account, lock: int) -> None:
        if not _is_root():
            _refuse_nameless_user()
        if binaries.major >= _BUILTIN_LOCALE_SINCE:
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            locale = ["--locale=C"]
        child = launch(
            [
                *(binaries.initdb, "-D", building / "cluster", "-U", USER),
                *("-A", "scram-sha-256", f"--pwfile={building / 'password'}"),
                *("-E", "UTF8", *locale, "--data-checksums", "--no-instructions"),
            ],
            account=account,
            needed=building / "cluster",
            log=building / "log",
            keep_open=(lock,),
        )
        await _finished(child, "The database could not be made")

    def _sweep(self) -> None:
        for half in self.home.glob("new-*"):
            shutil.rmtree(half, ignore_errors=True)

    def _rotated_log(self) -> Path:
        descriptor = open_private(self.log)
        try:
            if os.fstat(descriptor).st_size > _LOG_LIMIT:
                os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)
        return self.log


def open_private(path: Path) -> int:
    """Open a file for its owner alone, made where it is missing; never through a link put in its place."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    hand_over(path, path.parent)
    return descriptor


def locked(descriptor: int) -> bool:
    """Try to lock the open file for ourselves alone; tell whether that worked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hand_over(path: Path, folder: Path) -> None:
    """Give what root made to the owner of the folder, whom a command run by root must not lock out."""
    if _is_root():
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


async def _finished(child: Child, failure: str) -> None:
    try:
        if await child.exited(_INITDB_PATIENCE) and child.process.returncode == 0:
            return
        raise EmbeddedPostgresFailed(f"{failure}: {child.said()}")
    finally:
        if child.alive:
            await child.end()


def _is_root() -> bool:
    return os.geteuid() == 0


def _refuse_nameless_user() -> None:
    uid = os.geteuid()
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedPostgresFailed(
            f"User {uid} has no name on this system, which PostgreSQL's initdb needs. Add it to /etc/passwd, "
            "run filmgate as a user that has one, or set DATABASE_URL."
        ) from None


def _command_line(pid: int) -> str:
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    ps = ("/bin/ps", "-ww", "-o", "command=", "-p", str(pid))
    listed = subprocess.run(ps, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed program
    return listed.stdout.strip() + " "


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
