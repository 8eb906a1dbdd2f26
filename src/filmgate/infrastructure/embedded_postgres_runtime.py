"""Know where the embedded PostgreSQL is, how to enter it, and whether it answers."""

import asyncio
import os
import secrets
import socket
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import asyncpg
import msgspec

from filmgate.infrastructure.embedded_postgres_child import Child
from filmgate.infrastructure.embedded_postgres_cluster import DATABASE, HOST, USER, hand_over
from filmgate.infrastructure.postgres_binaries import EmbeddedPostgresFailed

_PROBE = 0.02
_READY_PATIENCE = 600.0
_CONNECT_TIMEOUT = 5.0
_BIND_PATIENCE = 0.5
# Below the ports systems give to outgoing connections: one of those, even a client's own attempt to reach the
# server while it restarts, could otherwise take the port that has to be kept.
_PORTS = range(20_000, 30_000)
_PORT_TRIES = 200
_NOT_YET = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


@dataclass(frozen=True, slots=True)
class Runtime:
    """Say where the server is and how to enter."""

    host: str
    port: int
    user: str
    password: str
    database: str
    pid: int | None = None
    started_at: datetime | None = None

    @property
    def dsn(self) -> str:
        """Return the address in the form every PostgreSQL client takes; it is on loopback, without TLS."""
        place = f"{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"
        return f"postgresql://{place}?sslmode=disable"


@dataclass(frozen=True, slots=True)
class RuntimeFile:
    """Keep a Runtime where only filmgate's own user can read it."""

    path: Path

    def read(self) -> Runtime | None:
        """Return what is kept, or None when there is nothing that can be understood."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Runtime)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write(self, runtime: Runtime) -> None:
        """Replace what is kept, at once and durably; the holder of the owner's lock alone may do it."""
        fresh = self.path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(runtime))
            file.flush()
            os.fsync(file.fileno())
        hand_over(fresh, self.path.parent)
        fresh.replace(self.path)


def new_runtime() -> Runtime:
    """Choose a port and a password for a server that was never there."""
    return Runtime(HOST, free_port(), USER, secrets.token_urlsafe(32), DATABASE)


async def answers(runtime: Runtime) -> bool:
    """Tell whether the server takes our password now."""
    try:
        await _run(runtime, runtime.database, "SELECT 1")
    except (*_NOT_YET, asyncpg.PostgresError):
        return False
    return True


async def ready(server: Child, runtime: Runtime) -> bool:
    """Wait until our own server takes connections; return False when it ends before that."""
    deadline = time.monotonic() + _READY_PATIENCE
    while server.alive:
        try:
            await _enter(runtime)
        except _NOT_YET as error:
            if time.monotonic() > deadline:
                raise EmbeddedPostgresFailed(f"PostgreSQL does not get ready: {error}") from error
            await asyncio.sleep(_PROBE)
        except asyncpg.PostgresError as error:
            # The answer is a stranger's when ours is about to end because the port was taken under it.
            if await server.exited(_BIND_PATIENCE):
                return False
            raise EmbeddedPostgresFailed(_explained(error)) from error
        else:
            return True
    return False


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port."""
    with socket.socket() as probe:
        # As PostgreSQL does, so that lingering connections of the last server do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port nobody listens on."""
    for _ in range(_PORT_TRIES):
        port = secrets.choice(_PORTS)
        if is_free(port):
            return port
    raise EmbeddedPostgresFailed(f"No TCP port from {_PORTS.start} to {_PORTS.stop} is free on {HOST}.")


async def _enter(runtime: Runtime) -> None:
    try:
        await _run(runtime, runtime.database, "SELECT 1")
    except asyncpg.InvalidCatalogNameError:
        await _run(runtime, "postgres", f"CREATE DATABASE {DATABASE}")


def _explained(error: asyncpg.PostgresError) -> str:
    if isinstance(error, asyncpg.InvalidPasswordError):
        return (
            "The database does not take the password in state/runtime.json. Stop filmgate and remove that "
            "file; the next start sets a new password."
        )
    return f"PostgreSQL runs, but its database cannot be entered: {error}"


async def _run(runtime: Runtime, database: str, statement: str) -> None:
    connection = await asyncpg.connect(
        host=runtime.host,
        port=runtime.port,
        user=runtime.user,
        password=runtime.password,
        database=database,
        ssl=False,
        timeout=_CONNECT_TIMEOUT,
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close(timeout=_CONNECT_TIMEOUT)
