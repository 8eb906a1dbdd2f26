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

from filmgate.domain.errors import DatabaseUnavailable, FilmgateError
from filmgate.infrastructure.database import Database, Record, Session, changed

_log = structlog.get_logger(__name__)

# A dead worker's steps are taken over after about heartbeat + dequeue timeout.
_HEARTBEAT = timedelta(seconds=10)
_DEQUEUE = timedelta(seconds=5)
# With the pauses between them, about an hour and a half: a full disk is given time.
_MAX_TRIES = 24
_MAX_DELAY = timedelta(minutes=5)
_RESTART_SECONDS = 1.0


class Step(StrEnum):
    """Name the background steps."""

    SUBMIT = "submit"
    COLLECT = "collect"
    RECONCILE = "reconcile"
    RENDER = "render"
    FILE_BATCH = "file_batch"


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


class Postponed(FilmgateError):
    """What a step needs is not there yet; it is carried out again after ``delay``, as often as it takes."""

    def __init__(self, reason: str, delay: timedelta) -> None:
        self.delay = delay
        super().__init__(reason)


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
        self._managers: dict[asyncio.Task[None], QueueManager] = {}
        self._running: dict[tuple[Step, str], asyncio.Task[None]] = {}
        self._stopping = False

    async def run(self) -> None:
        """Work until stopped; a lost database is waited for."""
        try:
            while not self._stopping:
                try:
                    await self._serve()
                except Exception as error:  # noqa: BLE001 - PgQueuer raises whatever its driver does; all mean "again"
                    if not self._stopping:
                        _log.warning("queue_interrupted", reason=str(error) or type(error).__name__)
                        await asyncio.sleep(_RESTART_SECONDS)
            if self._managers:
                await asyncio.wait(self._managers)
        finally:
            for task in self._managers:
                task.cancel()

    async def stop(self, deadline: timedelta) -> None:
        """Take no more steps, let those under way finish, and hand back what is left at the deadline."""
        self._stopping = True
        for manager in self._managers.values():
            manager.shutdown.set()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=deadline.total_seconds())
        for task in self._running.values():
            task.cancel()

    async def _serve(self) -> None:
        """Take steps until a connection is lost; the steps then under way end in the background.

        PgQueuer does not notice when the connection it listens on is gone, and ends only after all its
        steps: another manager begins as soon as the database is back.
        """
        lost = asyncio.Event()

        async def watch(connection: "asyncpg.Connection[Record]") -> None:
            connection.add_termination_listener(lambda _: lost.set())

        pool = await asyncpg.create_pool(
            self._database.dsn,
            min_size=2,
            max_size=4,
            timeout=10,
            max_inactive_connection_lifetime=0,
            init=watch,
        )
        manager = QueueManager(Queries(AsyncpgPoolDriver(pool)))
        for step, handler in self._handlers.items():
            manager.entrypoint(step.value, on_failure="hold", accepts_context=False)(
                self._guarded(step, handler)
            )
        serving = asyncio.create_task(self._manage(manager, pool))
        self._managers[serving] = manager
        serving.add_done_callback(self._managed)
        loss = asyncio.create_task(lost.wait())
        try:
            await asyncio.wait({serving, loss}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            loss.cancel()
            manager.shutdown.set()
        if serving.done():
            serving.result()
        elif not self._stopping:
            raise DatabaseUnavailable("The connection to the database was lost.")

    def _managed(self, serving: "asyncio.Task[None]") -> None:
        del self._managers[serving]
        if not serving.cancelled():
            # Looked at, so that nobody complains; where it matters, the result is asked for as well.
            serving.exception()

    async def _manage(self, manager: QueueManager, pool: "asyncpg.Pool[Record]") -> None:
        try:
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
            with suppress(Exception):
                await asyncio.wait_for(pool.close(), timeout=2)
            pool.terminate()

    def _guarded(self, step: Step, handler: Handler) -> Callable[[Job], Awaitable[None]]:
        """Wrap a handler so that its failures are tried again later, and given up on in the end."""

        async def run(job: Job) -> None:
            name = (job.payload or b"").decode()
            key = (step, name)
            # Taken over from ourselves, after the database was away for longer than a heartbeat.
            while other := self._running.get(key):
                await asyncio.wait({other})
            task = asyncio.ensure_future(self._persist(step, handler, name))
            self._running[key] = task
            try:
                await task
            except asyncio.CancelledError:
                if not self._stopping:
                    raise
                await self._uncount(job)
                raise RetryRequested(timedelta(0), "handed back at shutdown") from None
            except Postponed as later:
                _report(step, name, job.attempts + 1, later)
                raise RetryRequested(later.delay, str(later)) from later
            except Exception as error:
                _report(step, name, job.attempts + 1, error)
                if job.attempts + 1 < _MAX_TRIES:
                    delay = min(timedelta(seconds=2**job.attempts), _MAX_DELAY)
                    raise RetryRequested(delay, str(error)) from error
                await self._exhausted(step, name, error)
            finally:
                del self._running[key]

        return run

    async def _uncount(self, job: Job) -> None:
        """Take back the try that PgQueuer will count: a step that is handed back has not failed."""
        with suppress(DatabaseUnavailable):
            await self._database.execute("UPDATE pgqueuer SET attempts = attempts - 1 WHERE id = $1", job.id)

    async def _persist(self, step: Step, handler: Handler, name: str) -> None:
        """Run a handler, and again as long as the database is away, which is no fault of the step."""
        while True:
            try:
                return await handler(name)
            except DatabaseUnavailable as error:
                if self._stopping:
                    raise
                _log.warning("step_waits", step=step.value, subject=name, reason=str(error))
                await asyncio.sleep(_RESTART_SECONDS)


def _report(step: Step, name: str, tries: int, error: Exception) -> None:
    """Log a failure: a sentence where we raised it on purpose, the whole trace where nobody foresaw it."""
    if isinstance(error, FilmgateError):
        _log.warning("step_postponed", step=step.value, subject=name, tries=tries, reason=str(error))
    else:
        _log.error("step_failed", step=step.value, subject=name, tries=tries, exc_info=error)


async def release_held(database: Database) -> None:
    """Put steps back in line that PgQueuer holds as failed.

    Our own steps never end that way: it could not write down that a step is to be tried again.
    """
    tag = await database.execute(
        """
        UPDATE pgqueuer f
        SET status = 'queued', execute_after = now(), updated = now(), queue_manager_id = NULL
        WHERE f.status = 'failed' AND NOT EXISTS (
            SELECT 1 FROM pgqueuer o
            WHERE o.dedupe_key = f.dedupe_key AND o.id <> f.id
              AND (o.status IN ('queued', 'picked') OR (o.status = 'failed' AND o.id < f.id)))
        """
    )
    if changed(tag):
        _log.warning("held_steps_released", count=changed(tag))


async def prune_queue_log(database: Database, older_than: timedelta) -> None:
    """Delete PgQueuer's own log of finished steps; it keeps several rows a step for ever."""
    await database.execute("DELETE FROM pgqueuer_log WHERE created < now() - $1::interval", older_than)
