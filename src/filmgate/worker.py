"""Drive the services by the clock and the queue: the engine of a process that works."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import structlog

from filmgate.domain.errors import DatabaseUnavailable, FilmgateError
from filmgate.services.engine import EngineService

T = TypeVar("T")
_log = structlog.get_logger(__name__)

_ADMIT_SECONDS = 1.0
_WATCH_SECONDS = 1.0
_SHORTEST_WATCH_SECONDS = 0.05
_DELIVER_SECONDS = 1.0
_SWEEP_SECONDS = 5.0
_MEND_SECONDS = 30.0
_CLEAR_SECONDS = 3600.0
_REPORT_SECONDS = 5.0
_CANCEL_AGAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a worker is."""

    id: str
    host: str
    pid: int

    @classmethod
    def of_this_process(cls, worker_id: str) -> "Identity":
        """Return the identity of a worker in this process."""
        return cls(worker_id, socket.gethostname(), os.getpid())


class Worker:
    """Run the steps of the queue and the loops of the clock until stopped."""

    def __init__(self, engine: EngineService, identity: Identity) -> None:
        self._engine = engine
        self._identity = identity
        self._waiting = asyncio.Event()
        self._due = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def something_waits(self) -> None:
        """Look for videos to let through, now."""
        self._waiting.set()

    def something_is_due(self) -> None:
        """Look for jobs to poll, now."""
        self._due.set()

    def start(self) -> None:
        """Begin to work."""
        with self._engine.patience():
            self._tasks = [
                asyncio.create_task(self._engine.run_steps(), name="steps"),
                asyncio.create_task(self._admit(), name="admit"),
                asyncio.create_task(self._watch(), name="watch"),
                asyncio.create_task(_every(_DELIVER_SECONDS, self._engine.deliver), name="deliver"),
                asyncio.create_task(_every(_SWEEP_SECONDS, self._engine.sweep), name="sweep"),
                asyncio.create_task(_every(_MEND_SECONDS, self._engine.mend), name="mend"),
                asyncio.create_task(_every(_CLEAR_SECONDS, self._engine.clear), name="clear"),
                asyncio.create_task(_every(_REPORT_SECONDS, self._report), name="report"),
            ]

    async def stop(self, deadline: timedelta) -> None:
        """Take nothing more, finish or hand back what is under way, and be gone by the deadline."""
        for task in self._tasks[1:]:
            task.cancel()
        await self._engine.stop_steps(deadline)
        _, late = await asyncio.wait(self._tasks[:1], timeout=5)
        await ended({*self._tasks[1:], *late})
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(FilmgateError):
            await self._engine.leave(self._identity.id)

    async def _report(self) -> None:
        await self._engine.report(self._identity.id, self._identity.host, self._identity.pid)

    async def _admit(self) -> None:
        while True:
            self._waiting.clear()
            await _survive(self._engine.admit)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._waiting.wait(), _ADMIT_SECONDS)

    async def _watch(self) -> None:
        while True:
            self._due.clear()
            more = await _survive(self._engine.watch)
            if more:
                continue
            pause = await _survive(self._engine.seconds_to_next_poll)
            wanted = _WATCH_SECONDS if pause is None else pause
            bounded = min(max(wanted, _SHORTEST_WATCH_SECONDS), _WATCH_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), bounded)


async def ended(tasks: "set[asyncio.Task[None]]") -> None:
    """Cancel tasks until they have ended: a wait that is over in the same moment swallows a cancellation."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=_CANCEL_AGAIN_SECONDS)


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await _survive(work)
        await asyncio.sleep(seconds)


async def _survive(work: Callable[[], Awaitable[T]]) -> T | None:
    """Run one round of a loop; what goes wrong is logged, and the next round comes."""
    try:
        return await work()
    except DatabaseUnavailable as error:
        _log.warning("database_away", reason=str(error))
    except Exception:  # noqa: BLE001 - one bad round must not end the loop; it is logged with its trace
        _log.exception("round_failed")
    return None
