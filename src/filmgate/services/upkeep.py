"""Mend what crashes leave behind, and clear away what is no longer needed."""

from datetime import timedelta

from filmgate.domain.asset import AssetStore
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.idempotency import IdempotencyRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.repositories.workers import WorkerRepository

# Longer than any step takes that is still alive.
_STRAY = timedelta(minutes=2)
_WORKSPACE = timedelta(days=1)
_WORKERS = timedelta(hours=1)


class UpkeepService:
    """Hold the verbs of upkeep; each is harmless at any time and in any number of processes."""

    def __init__(
        self,
        videos: VideoRepository,
        attempts: AttemptRepository,
        workers: WorkerRepository,
        store: AssetStore,
        idempotency: IdempotencyRepository,
    ) -> None:
        self._videos = videos
        self._attempts = attempts
        self._workers = workers
        self._store = store
        self._idempotency = idempotency

    async def mend(self) -> None:
        """Put back in line whatever was on its way when a process or the database died."""
        await self._videos.readmit_strays(_STRAY)
        await self._attempts.collect_strays(_STRAY)
        await self._attempts.reconcile_strays(_STRAY)

    async def clear(self) -> None:
        """Remove abandoned work files, workers that are gone, and what recognises creates no longer."""
        await self._workers.prune(_WORKERS)
        await self._idempotency.prune()
        await self._store.sweep_workspace(_WORKSPACE)
