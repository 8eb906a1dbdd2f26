"""Run background steps on PgQueuer, behind a port small enough to be replaced.

A step is a kind and an id. It is enqueued on the caller's own transaction, runs at least once, and is
taken over by another worker when the one that held it dies. What a step does must bear being done twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from typing import cast

import asyncpg
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job

from filmgate.infrastructure.database import Database, Record, Session

_log = structlog.get_logger(__name__)

# A dead worker's steps are taken over after about heartbeat + dequeue timeout.
_HEARTBEAT = timedelta(seconds=10)
_DEQUEUE = timedelta(seconds=5)
_MAX_TRIES = 8
_MAX_DELAY = timedelta(minutes=5)
_RESTART_SECONDS = 1.0


class Step(StrEnum):
    """Name the background steps."""

    SUBMIT = "submit"
    COLLECT = "collect"
    RECONCILE = "reconcile"
    RENDER = "render"


Handler = Callable[[str], Awaitable[None]]
Exhausted = Callable[[Step, str, Exception], Awaitable[None]]


async def enqueue(
    session: Session, step: Step, ids: Sequence[str], *, delay: timedelta = timedelta(0), once: bool = True
) -> None:
    """Enqueue a step for each id, in the caller's transaction.

    With ``once`` an id whose step already waits or runs is left alone.
    """
    if not ids:
        return
    count = len(ids)
    delays: list[timedelta | None] = [delay] * count
    keys = [f"{step.value}:{name}" if once else None for name in ids]
    driver = AsyncpgDriver(cast("asyncpg.Connection[Record]", session.connection))
    await Queries(driver).enqueue(
        [step.value] * count,
        [name.encode() for name in ids],
        [0] * count,
        delays,
        keys,
        on_conflict="skip",
    )


class QueueWorker:
    """Take steps from the queue and run their handlers, at most ``concurrency`` at a time."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[Step, Handler],
        exhausted: Exhausted,
        *,
        concurrency: int = 100,
    ) -> None:
        self._database = database
        self._handlers = dict(handlers)
        self._exhausted = exhausted
        self._concurrency = concurrency
        self._manager: QueueManager | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def run(self) -> None:
        """Work until stopped; a lost database is waited for."""
        while not self._stopping:
            try:
                await self._serve()
            except Exception as error:  # noqa: BLE001 - PgQueuer raises whatever its driver does; all mean "again"
                if not self._stopping:
                    _log.warning("queue_interrupted", reason=str(error) or type(error).__name__)
                    await asyncio.sleep(_RESTART_SECONDS)

    async def stop(self, deadline: timedelta) -> None:
        """Take no more steps, let those under way finish, and hand back what is left at the deadline."""
        self._stopping = True
        if self._manager is not None:
            self._manager.shutdown.set()
        if self._running:
            await asyncio.wait(self._running, timeout=deadline.total_seconds())
        for task in self._running:
            task.cancel()

    async def _serve(self) -> None:
        pool = await asyncpg.create_pool(self._database.dsn, min_size=2, max_size=4, timeout=10)
        try:
            manager = QueueManager(Queries(AsyncpgPoolDriver(pool)))
            for step, handler in self._handlers.items():
                manager.entrypoint(step.value, on_failure="hold", accepts_context=False)(
                    self._guarded(step, handler)
                )
            self._manager = manager
            if self._stopping:
                return
            await manager.run(
                dequeue_timeout=_DEQUEUE,
                heartbeat_timeout=_HEARTBEAT,
                batch_size=max(1, self._concurrency // 2),
                max_concurrent_tasks=self._concurrency,
                log_aggregation_interval=timedelta(0),
            )
        finally:
            self._manager = None
            with suppress(Exception):
                await asyncio.wait_for(pool.close(), timeout=2)
            pool.terminate()

    def _guarded(self, step: Step, handler: Handler) -> Callable[[Job], Awaitable[None]]:
        """Wrap a handler so that its failures are tried again later, and given up on in the end."""

        async def run(job: Job) -> None:
            name = (job.payload or b"").decode()
            task = asyncio.ensure_future(handler(name))
            self._running.add(task)
            try:
                await task
            except asyncio.CancelledError:
                if not self._stopping:
                    raise
                raise RetryRequested(timedelta(0), "handed back at shutdown") from None
            except Exception as error:
                _log.exception("step_failed", step=step.value, subject=name, tries=job.attempts + 1)
                if job.attempts + 1 < _MAX_TRIES:
                    delay = min(timedelta(seconds=2**job.attempts), _MAX_DELAY)
                    raise RetryRequested(delay, str(error)) from error
                await self._exhausted(step, name, error)
            finally:
                self._running.discard(task)

        return run


async def prune_queue_log(database: Database, older_than: timedelta) -> None:
    """Delete PgQueuer's own log of finished steps; it keeps several rows a step for ever."""
    await database.execute("DELETE FROM pgqueuer_log WHERE created < now() - $1::interval", older_than)
