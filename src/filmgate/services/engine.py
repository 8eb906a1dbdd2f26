"""Bind the background steps to the services that carry them out."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, assert_never

from filmgate.domain.errors import StorageFull
from filmgate.domain.video import VideoError
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.pulse import patience
from filmgate.infrastructure.queue import QueueWorker, Step, prune_queue_log, release_held
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.renders import RenderRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.repositories.workers import WorkerRepository
from filmgate.services.admission import AdmissionService
from filmgate.services.collecting import CollectingService
from filmgate.services.file_batches import FileBatchSteps
from filmgate.services.generation import GenerationService
from filmgate.services.reconciliation import ReconciliationService
from filmgate.services.upkeep import UpkeepService
from filmgate.services.watching import WatchingService
from filmgate.services.webhooks import WebhookService

_QUEUE_LOG = timedelta(hours=6)
# Longer than any film may wait to be collected.
_FORGOTTEN_RENDERS = timedelta(days=1)


class Renderer(Protocol):
    """Whatever runs the built-in renderer's jobs."""

    name: str

    async def run(self, render_id: str) -> None:
        """Run one job until it has ended."""
        ...

    async def clear(self, age: timedelta) -> None:
        """Delete jobs that ended longer ago and that nobody has come for."""
        ...


@dataclass(frozen=True, slots=True)
class Verbs:
    """The services that the engine drives."""

    admission: AdmissionService
    generation: GenerationService
    watching: WatchingService
    collecting: CollectingService
    reconciliation: ReconciliationService
    upkeep: UpkeepService
    webhooks: WebhookService
    file_batches: FileBatchSteps


class EngineService:
    """Carry out the steps of the queue, and offer the rounds of the clock."""

    def __init__(
        self,
        database: Database,
        verbs: Verbs,
        renderer: Renderer,
        *,
        concurrency: int,
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._verbs = verbs
        self._renderer = renderer
        self._videos = VideoRepository(database)
        self._attempts = AttemptRepository(database)
        self._renders = RenderRepository(database)
        self._workers = WorkerRepository(database)
        self._wake = wake
        handlers: dict[Step, Callable[[str], Awaitable[None]]] = {
            Step.SUBMIT: verbs.generation.submit,
            Step.COLLECT: verbs.collecting.collect,
            Step.RECONCILE: verbs.reconciliation.reconcile,
            Step.RENDER: self._render,
            Step.FILE_BATCH: verbs.file_batches.advance,
        }
        self._queue = QueueWorker(database, handlers, self._exhausted, concurrency=concurrency)

    def patience(self) -> AbstractContextManager[None]:
        """Let tasks that begin in here wait for a silent database longer than a request may."""
        return patience()

    async def run_steps(self) -> None:
        """Carry out steps until stopped."""
        await self._queue.run()

    async def stop_steps(self, deadline: timedelta) -> None:
        """Finish the steps under way, or hand them back at the deadline."""
        await self._queue.stop(deadline)

    async def admit(self) -> None:
        """Let through what the lanes have room for."""
        await self._verbs.admission.admit()

    async def watch(self) -> bool:
        """Begin to poll what is due; tell whether there may be more at once."""
        return await self._verbs.watching.begin()

    async def seconds_to_next_poll(self) -> float | None:
        """Return how long until something is due."""
        return await self._verbs.watching.seconds_to_next_poll()

    async def deliver(self) -> None:
        """Tell users what has become of their videos."""
        await self._verbs.webhooks.deliver()

    async def sweep(self) -> None:
        """Hold overdue sends for unknown."""
        await self._verbs.reconciliation.sweep()

    async def mend(self) -> None:
        """Put strays back in line."""
        await release_held(self._database)
        await self._verbs.upkeep.mend()

    async def clear(self) -> None:
        """Clear away what is no longer needed."""
        await self._verbs.upkeep.clear()
        await self._verbs.webhooks.clear()
        await self._renderer.clear(_FORGOTTEN_RENDERS)
        await prune_queue_log(self._database, _QUEUE_LOG)

    async def report(self, worker_id: str, host: str, pid: int) -> None:
        """Say that this worker is alive."""
        await self._workers.report(worker_id, host, pid)

    async def leave(self, worker_id: str) -> None:
        """Say that this worker is gone."""
        await self._workers.leave(worker_id)

    async def _render(self, render_id: str) -> None:
        await self._renderer.run(render_id)
        await self._verbs.watching.wake_job(self._renderer.name, render_id)
        self._wake()

    async def _exhausted(self, step: Step, name: str, error: Exception) -> None:
        """Give up on what a step was for, after it has failed too often."""
        reason = str(error) or type(error).__name__
        match step:
            case Step.SUBMIT:
                said = VideoError("internal_error", f"The video could not be sent: {reason}", charged=False)
                await self._videos.fail_waiting(name, said)
            case Step.COLLECT:
                await self._verbs.collecting.give_up(name, f"it could not be stored: {reason}")
            case Step.RENDER:
                code = "storage_full" if isinstance(error, StorageFull) else "renderer_failed"
                await self._renders.fail(name, code, reason)
                await self._verbs.watching.wake_job(self._renderer.name, name)
            case Step.FILE_BATCH:
                await self._verbs.file_batches.give_up(name, reason)
            case Step.RECONCILE:
                pass
            case _:
                assert_never(step)
