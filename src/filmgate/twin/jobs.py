"""Let a vendor's jobs live: what each was asked for, and where it is at any moment.

Nothing runs: a job's state follows from the time that has passed. Its life is counted in virtual
seconds, of which `speed` pass in one real second.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from filmgate.twin.faults import Fault

_FAILING: Final = ("failed", "failed-without-reason", "moderated-after", "gemini-get-400", "fal-result-only")
_NEVER: Final = float("inf")


class Phase(StrEnum):
    """Say where a job is, in the twin's words."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        """Tell whether nothing will happen any more."""
        return self not in {Phase.QUEUED, Phase.RUNNING}


@dataclass(frozen=True, slots=True)
class Pace:
    """Say how long jobs of a model usually wait and run, in virtual seconds."""

    queue: float = 4.0
    run_per_second: float = 8.0
    sigma: float = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Hold what was asked for: the film, its price in micro-USD, and what the vendor will echo."""

    model: str
    prompt: str
    seconds: float
    width: int
    height: int
    price: int
    pace: Pace = Pace()
    seed: int | None = None
    callback: str | None = None
    given: dict[str, Any] = field(default_factory=dict[str, Any])
    start_deadline: float = _NEVER
    deadline: float = _NEVER


@dataclass(slots=True, kw_only=True)
class Job:
    """Be one job of one vendor."""

    id: str
    vendor: str
    number: int
    order: Order
    created_at: float
    queue: float
    run: float
    speed: float
    faults: dict[str, Fault]
    kept: dict[str, Any] = field(default_factory=dict[str, Any])
    cancelled_at: float | None = None
    deleted: bool = False
    times_shown_done: int = 0
    fetches: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def failure(self) -> str | None:
        """Return the fault that makes the job fail, if one does."""
        return next((name for name in _FAILING if name in self.faults), None)

    @property
    def started_at(self) -> float:
        """Return when the job leaves the queue, in real time."""
        return self.created_at + self.queue / self.speed

    @property
    def ends_at(self) -> float:
        """Return when the job ends if nobody stops it, in real time."""
        return self.created_at + min(self._natural_end, self._given_up) / self.speed

    @property
    def _natural_end(self) -> float:
        endless = "stuck" in self.faults or "never-ends" in self.faults
        return _NEVER if endless else self.queue + self.run

    @property
    def _given_up(self) -> float:
        late = self.queue > self.order.start_deadline
        return min(self.order.deadline, self.order.start_deadline if late else _NEVER)

    def phase(self, now: float) -> Phase:
        """Return where the job is."""
        if self.cancelled_at is not None:
            return Phase.CANCELLED
        if now < self.ends_at:
            return Phase.QUEUED if now < self.started_at else Phase.RUNNING
        if self._given_up < self._natural_end:
            return Phase.EXPIRED
        return Phase.SUCCEEDED if self.failure is None else Phase.FAILED

    def ended_at(self, now: float) -> float | None:
        """Return when the job ended, in real time, or None."""
        if self.cancelled_at is not None:
            return self.cancelled_at
        return self.ends_at if now >= self.ends_at else None

    def began_running(self, now: float) -> bool:
        """Tell whether the job left the queue before it ended."""
        return self.started_at <= min(now, self.cancelled_at or _NEVER) and self.started_at < self.ends_at

    def progress(self, now: float) -> float:
        """Return how far the run is, from 0 to 1."""
        done = max(0.0, (now - self.started_at) * self.speed / max(self.run, 1e-9))
        if "never-ends" in self.faults:
            return min(done / (1 + done), 0.98)
        if "progress-backwards" in self.faults and int(done * 8) % 2:
            done -= 0.25
        return min(max(done, 0.0), 0.99)

    def gone(self, now: float) -> bool:
        """Tell whether the vendor says that it does not know this job."""
        if self.deleted or ("vanish-after-success" in self.faults and self.times_shown_done > 0):
            return True
        return "vanish-while-running" in self.faults and now >= self.started_at + self.run / self.speed / 3

    def unlisted(self, now: float) -> bool:
        """Tell whether listings leave the job out."""
        lag = self.faults.get("list-lag")
        early = lag is not None and now < self.created_at + lag.number("seconds")
        return early or "list-omits" in self.faults or self.gone(now)

    def word(self, phase: Phase, usual: str) -> str:
        """Return the status word to show, which a fault may make up."""
        fault = self.faults.get("unknown-status")
        return fault.text("word") if fault is not None and phase is Phase.RUNNING else usual

    def billed(self, now: float) -> int:
        """Return what the job costs so far, in micro-USD: nothing where it failed or was stopped unbegun."""
        phase = self.phase(now)
        stopped = phase in {Phase.CANCELLED, Phase.EXPIRED} and not self.began_running(now)
        return 0 if stopped or phase is Phase.FAILED else self.order.price

    def cancel(self, now: float) -> None:
        """Stop the job."""
        self.cancelled_at = now
        self.changed.set()

    def finish(self, now: float) -> None:
        """End the job at once, so that its outcome is there before anybody asks."""
        self.queue = self.run = 0.0
        self.created_at = min(self.created_at, now)


@dataclass(slots=True)
class Jobs:
    """Keep one vendor's jobs, oldest first."""

    clock: Callable[[], float]
    _known: dict[str, Job] = field(default_factory=dict[str, Job])
    _living: dict[str, Job] = field(default_factory=dict[str, Job])

    def __len__(self) -> int:
        return len(self._known)

    def add(self, job: Job) -> None:
        """Keep a job."""
        self._known[job.id] = self._living[job.id] = job

    def get(self, job_id: str) -> Job | None:
        """Return a job, unless the vendor says that it does not know it."""
        job = self._known.get(job_id)
        return None if job is None or job.gone(self.clock()) else job

    def named(self, job_id: str) -> Job | None:
        """Return a job even if it has vanished."""
        return self._known.get(job_id)

    def newest_first(self) -> Iterator[Job]:
        """Return what a listing shows."""
        now = self.clock()
        return (job for job in reversed(self._known.values()) if not job.unlisted(now))

    def unfinished(self) -> int:
        """Return how many jobs have not ended."""
        now = self.clock()
        for job_id in [job.id for job in self._living.values() if job.phase(now).ended]:
            del self._living[job_id]
        return len(self._living)
