"""Send callbacks when jobs start and end: signed, retried, and spoilt where a fault says so."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import aiohttp
import msgspec

from filmgate.twin.jobs import Job
from filmgate.twin.signing import Stamp
from filmgate.twin.world import World

MAX_TRIES: Final = 5
_FIRST_PAUSE: Final = 1.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=15, connect=5)
_LONGEST_SLEEP: Final = 3600.0

Signer = Callable[[Stamp, bytes], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Callback:
    """Say where a callback goes, what it says, and how it is signed."""

    url: str
    document: dict[str, Any]
    sign: Signer


class Caller(Protocol):
    """Be a vendor that sends callbacks."""

    def events(self, job: Job) -> list[str]:
        """Name the events of a job that are told, of: start, end."""
        ...

    def callbacks(self, job: Job, event: str) -> list[Callback]:
        """Say what is sent to whom when an event happens."""
        ...


@dataclass(slots=True)
class Postman:
    """Follow the jobs that somebody wants to hear of, and deliver."""

    world: World
    deliveries: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _session: aiohttp.ClientSession | None = None

    async def follow(self, caller: Caller, job: Job) -> None:
        """Promise the callbacks of a new job; where a fault wants them early, send them before returning."""
        if not caller.events(job) or "webhook-none" in job.faults:
            return
        if "webhook-early" in job.faults:
            job.finish(self.world.now())
            await self._tell(caller, job, "end")
            return
        task = asyncio.create_task(self._tell_all(caller, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Forget what was promised."""
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Forget what was promised and close all connections."""
        await self.stop()
        if self._session is not None:
            await self._session.close()

    async def _tell_all(self, caller: Caller, job: Job) -> None:
        events = caller.events(job)
        if "start" in events and "webhook-out-of-order" not in job.faults:
            await self._until(job, lambda: job.started_at)
            if job.cancelled_at is None:
                await self._tell(caller, job, "start")
        await self._until(job, lambda: job.ends_at)
        await self._tell(caller, job, "end")
        if "start" in events and "webhook-out-of-order" in job.faults:
            await self._tell(caller, job, "start")

    async def _until(self, job: Job, moment: Callable[[], float]) -> None:
        while job.cancelled_at is None and (left := moment() - self.world.now()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(job.changed.wait(), min(left, _LONGEST_SLEEP))

    async def _tell(self, caller: Caller, job: Job, event: str) -> None:
        if delay := job.faults.get("webhook-delayed"):
            await asyncio.sleep(delay.number("seconds"))
        repeated = job.faults.get("webhook-repeated")
        for callback in caller.callbacks(job, event):
            stamp_id = f"msg_{self.world.chance.letters(26, 'webhook', self.world.count('webhook'))}"
            for _ in range(int(repeated.number("times_sent")) if repeated else 1):
                await self._deliver(job, callback, stamp_id)

    async def _deliver(self, job: Job, callback: Callback, stamp_id: str) -> None:
        body = msgspec.json.encode(callback.document)
        if "webhook-unknown-id" in job.faults:
            body = body.replace(job.id.encode(), job.id[::-1].encode())
        for attempt in range(MAX_TRIES):
            if attempt:
                await asyncio.sleep(_FIRST_PAUSE * 2**attempt / max(self.world.speed, 1))
            stale = job.faults.get("webhook-stale")
            at = self.world.now() - (stale.number("age") if stale else 0)
            stamp = Stamp(stamp_id, int(at), forged="webhook-forged" in job.faults)
            status = await self._posted(callback.url, body, callback.sign(stamp, body))
            record = {"vendor": job.vendor, "job": job.id, "url": callback.url, "id": stamp_id}
            self.deliveries.append(
                record | {"attempt": attempt + 1, "status": status, "at": self.world.now()}
            )
            if status is not None and 200 <= status < 300:
                return

    async def _posted(self, url: str, body: bytes, headers: dict[str, str]) -> int | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        sent = {"Content-Type": "application/json", "User-Agent": "filmgate-twin"} | headers
        try:
            async with self._session.post(url, data=body, headers=sent, allow_redirects=False) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None
