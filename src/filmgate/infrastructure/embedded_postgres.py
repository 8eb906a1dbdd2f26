"""Run PostgreSQL for filmgate when the operator brings none.

Every process on a data folder calls `start` and gets the same DSN. The one that holds the lock is the owner
and has PostgreSQL as its child; the others watch the lock, and when the owner is gone one of them takes over
on the same port with the same password, so that the DSN all of them hold stays true.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from filmgate.infrastructure.embedded_postgres_child import Child
from filmgate.infrastructure.embedded_postgres_cluster import Cluster, hand_over, locked, open_private
from filmgate.infrastructure.embedded_postgres_runtime import (
    Runtime,
    RuntimeFile,
    answers,
    free_port,
    is_free,
    new_runtime,
    ready,
)
from filmgate.infrastructure.postgres_binaries import Binaries, EmbeddedPostgresFailed, find_binaries

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresFailed"]

_log = structlog.get_logger(__name__)

_WATCH = 0.3
_LONGEST_PAUSE = 10.0
_TICK = 0.02
_ATTACH_PATIENCE = 120.0
_PORT_PATIENCE = 2.0


class EmbeddedPostgres:
    """Share one PostgreSQL server among all processes on a data folder."""

    def __init__(self, data: Path, *, binaries: Path | None = None) -> None:
        # One spelling of the folder in every process, since a leftover server is known by it.
        self._data = data.resolve()
        self._configured = binaries
        self._cluster = Cluster(self._data / "postgres")
        self._runtime = RuntimeFile(self._data / "state" / "runtime.json")
        self._owner_lock = self._data / "state" / "postgres.lock"
        self._ownership: int | None = None
        self._server: Child | None = None
        self._guardian: asyncio.Task[None] | None = None
        self._promised: Runtime | None = None

    @property
    def owner(self) -> bool:
        """Tell whether the server is a child of this process."""
        return self._ownership is not None

    async def start(self) -> str:
        """Return the DSN of the running server, having started it if nobody else has.

        Raise EmbeddedPostgresFailed, which names the way out, when that is impossible. Call it in the thread
        whose event loop later calls `stop`: the server ends when that thread does.
        """
        if sys.platform == "win32":
            raise EmbeddedPostgresFailed(
                "filmgate does not run PostgreSQL itself on Windows. Set DATABASE_URL to a server you run."
            )
        if self._promised is None:
            with self._explained():
                self._make_folders()
                self._promised = await self._join()
            self._guardian = asyncio.create_task(self._guard(), name="embedded-postgres-guardian")
        return self._promised.dsn

    async def stop(self) -> None:
        """Stop the server if it is ours, so that another process may take over; else only let go of it."""
        guardian, self._guardian, self._promised = self._guardian, None, None
        if guardian is not None:
            guardian.cancel()
            await asyncio.wait([guardian])
        await self._abdicate()

    async def _join(self) -> Runtime:
        deadline = time.monotonic() + _ATTACH_PATIENCE
        while not self._take_ownership():
            runtime = self._runtime.read()
            if runtime is not None and await answers(runtime):
                return runtime
            if time.monotonic() > deadline:
                raise EmbeddedPostgresFailed(
                    f"Another process owns the database in {self._data}, but it cannot be reached from here. "
                    f"See {self._cluster.log}, or set DATABASE_URL to a server that all processes reach."
                )
            await asyncio.sleep(_TICK)
        return await self._reign()

    async def _guard(self) -> None:
        pause = _WATCH
        while True:
            await asyncio.sleep(pause)
            try:
                with self._explained():
                    await self._look_after()
                pause = _WATCH
            except EmbeddedPostgresFailed as failure:
                pause = min(pause * 2, _LONGEST_PAUSE)
                _log.error("postgres_down", reason=str(failure), retry_in=pause)

    async def _look_after(self) -> None:
        if self._server is None:
            if self._take_ownership():
                _log.warning("postgres_taken_over", data=str(self._data))
                self._compare(await self._reign())
            elif runtime := self._runtime.read():
                self._compare(runtime)
        elif not self._server.alive:
            code = self._server.process.returncode
            _log.warning("postgres_died", exit_code=code, said=self._server.said())
            self._compare(await self._reign())

    def _compare(self, runtime: Runtime) -> None:
        """Say once when the address given to this process is no longer true."""
        if self._promised is not None and runtime.dsn != self._promised.dsn:
            _log.error(
                "postgres_moved", port=runtime.port, was=self._promised.port, mend="restart this process"
            )
            self._promised = runtime

    async def _reign(self) -> Runtime:
        """Serve the cluster as its owner; give ownership up again when that fails, for another to try."""
        begun = time.monotonic()
        try:
            binaries = await asyncio.to_thread(find_binaries, self._configured)
            async with self._cluster.claimed() as lock:
                runtime = await self._serve(binaries, await self._cluster_of(binaries, lock), lock)
        except BaseException:
            await self._abdicate()
            raise
        _log.info(
            "postgres_ready", port=runtime.port, pid=runtime.pid, seconds=round(time.monotonic() - begun, 3)
        )
        return runtime

    async def _cluster_of(self, binaries: Binaries, lock: int) -> Runtime:
        """Return how to enter the cluster, having made it, or given it a new password, where needed."""
        known = self._runtime.read()
        runtime = known or new_runtime()
        if known is None:
            # First of all, for a password that is lost in a crash opens nothing.
            self._runtime.write(runtime)
        if not self._cluster.exists():
            await self._cluster.create(binaries, runtime.password, lock)
            return runtime
        self._cluster.refuse_other_major(binaries)
        if known is None:
            await self._cluster.set_password(binaries, runtime.password, lock)
        return runtime

    async def _serve(self, binaries: Binaries, known: Runtime, lock: int) -> Runtime:
        while True:
            port = await self._settle_port(known.port)
            self._server = self._cluster.serve(binaries, port, lock)
            # Before it is ready, so that whoever can enter finds the truth here.
            runtime = replace(known, port=port, pid=self._server.pid, started_at=datetime.now(UTC))
            self._runtime.write(runtime)
            if await ready(self._server, runtime):
                return runtime
            if is_free(port):
                raise EmbeddedPostgresFailed(f"PostgreSQL did not start: {self._server.said()}")

    async def _settle_port(self, wanted: int) -> int:
        deadline = time.monotonic() + _PORT_PATIENCE
        while not is_free(wanted):
            if time.monotonic() > deadline:
                port = free_port()
                _log.warning("postgres_port_changed", taken=wanted, port=port)
                return port
            await asyncio.sleep(_TICK)
        return wanted

    async def _abdicate(self) -> None:
        try:
            if self._server is not None and self._server.alive:
                await self._server.end()
        finally:
            self._server = None
            if self._ownership is not None:
                os.close(self._ownership)
                self._ownership = None

    def _take_ownership(self) -> bool:
        descriptor = open_private(self._owner_lock)
        if locked(descriptor):
            self._ownership = descriptor
            return True
        os.close(descriptor)
        return False

    def _make_folders(self) -> None:
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self._owner_lock.parent, self._cluster.home):
            folder.mkdir(mode=0o700, exist_ok=True)
            hand_over(folder, self._data)
        self._cluster.open_home()

    @contextlib.contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise EmbeddedPostgresFailed(
                f"The database under {self._data} cannot be used: {error}. The folder must be writable for "
                f"user {os.geteuid()} and have room; or set DATABASE_URL to a server you run."
            ) from error
