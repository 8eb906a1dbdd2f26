"""Tell whether everything that filmgate needs is there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from filmgate.domain.asset import AssetStore
from filmgate.domain.errors import FilmgateError
from filmgate.repositories.installation import InstallationRepository
from filmgate.repositories.restores import RestoreRepository
from filmgate.repositories.workers import WorkerRepository

WORKER_SILENCE = timedelta(seconds=30)
_CHECK_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Part:
    """How one part stands: a word, and a sentence where there is more to say."""

    ok: bool
    state: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be taken, and how each part stands."""

    ok: bool
    parts: Mapping[str, Part]


class HealthService:
    """Check the parts."""

    def __init__(
        self,
        installation: InstallationRepository,
        workers: WorkerRepository,
        restores: RestoreRepository,
        store: AssetStore,
        schema: int,
    ) -> None:
        self._installation = installation
        self._workers = workers
        self._restores = restores
        self._store = store
        self._schema = schema

    async def ready(self) -> Readiness:
        """Check every part at once.

        Without a worker videos are still accepted, they only wait; so they do while sending is stopped: those
        parts may fail and the whole be ready.
        """
        database, storage, engine, sending = await asyncio.gather(
            _check(self._database), _check(self._storage), _check(self._engine), _check(self._sending)
        )
        migrations = Part(database.ok, "up to date" if database.ok else "unknown", f"schema {self._schema}")
        parts = {
            "database": database,
            "storage": storage,
            "migrations": migrations,
            "engine": engine,
            "sending": sending,
        }
        return Readiness(database.ok and storage.ok, parts)

    async def _database(self) -> Part:
        await self._installation.check()
        return Part(True, "reachable")

    async def _storage(self) -> Part:
        await self._store.check()
        return Part(True, "writable")

    async def _engine(self) -> Part:
        alive = await self._workers.count_alive(WORKER_SILENCE)
        if alive == 0:
            seconds = int(WORKER_SILENCE.total_seconds())
            return Part(
                False, "no worker", f"No worker has reported for {seconds} s: videos wait until one does."
            )
        return Part(True, "working", f"{alive} {'worker' if alive == 1 else 'workers'}")

    async def _sending(self) -> Part:
        stopped = await self._restores.stopped()
        if not stopped:
            return Part(True, "open")
        unsettled = ", ".join(f"{count} of {account}" for account, count in stopped.items())
        return Part(
            False,
            "stopped",
            f"The database went back. Nothing is sent to these until their sends are settled: {unsettled}. "
            "See filmgate recover.",
        )


async def _check(check: Callable[[], Awaitable[Part]]) -> Part:
    try:
        return await asyncio.wait_for(check(), _CHECK_SECONDS)
    except TimeoutError:
        return Part(False, "slow", f"No answer within {_CHECK_SECONDS} s.")
    except FilmgateError as error:
        return Part(False, "unavailable", str(error))
