"""A provider that does what a test tells it: the network's edge, with a vendor that misbehaves."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from filmgate.domain.poll import PollTerms
from filmgate.domain.provider import (
    CancelOutcome,
    JobState,
    Lookup,
    NotThere,
    Order,
    Progress,
    ProviderJob,
    SendFence,
)
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.media import Media, media_pool
from filmgate.infrastructure.storage import LocalStore
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.idempotency import IdempotencyRepository
from filmgate.repositories.lanes import LaneRepository
from filmgate.repositories.reroutes import RerouteRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.repositories.workers import WorkerRepository
from filmgate.services.admission import AdmissionService
from filmgate.services.collecting import CollectingService
from filmgate.services.fallback import FallbackService
from filmgate.services.generation import GenerationService, Sender
from filmgate.services.pacing import PacingService
from filmgate.services.polling import PollPlan
from filmgate.services.reconciliation import ReconciliationService
from filmgate.services.routing import RoutingService
from filmgate.services.upkeep import UpkeepService
from filmgate.services.watching import WatchingService


@dataclass
class Scripted:
    """A vendor; an exception in place of an answer is raised.

    ``paid`` lists the orders that reached it after the fence: what a real vendor would charge for.
    """

    name: str = "scripted"
    inline_images: bool = False
    quiet_seconds: float = 0.0
    polling: PollTerms = field(default_factory=PollTerms)
    unprepared: Exception | None = None
    unreached: Exception | None = None
    outcome: Exception | None = None
    jobs_id: str | None = None
    progress: Progress | Exception | None = field(default_factory=lambda: Progress(JobState.PROCESSING))
    lookup: Lookup | Exception = field(default_factory=NotThere)
    film: bytes | Exception = b""
    stopping: CancelOutcome | Exception = field(default_factory=lambda: CancelOutcome(True, False))
    forgetting: Exception | None = None
    delay: float = 0.0
    paid: list[Order] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    polled: list[str] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    downloads: int = 0
    at_fence: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event | None = None

    def prepare(self, order: Order) -> bytes:
        if self.unprepared:
            raise self.unprepared
        return f"{order.reference} {order.request.prompt}".encode()

    async def submit(self, order: Order, body: bytes, fence: SendFence) -> str:
        if self.unreached:
            raise self.unreached
        await fence()
        self.paid.append(order)
        self.sent.append(body)
        self.at_fence.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.outcome:
            raise self.outcome
        return self.jobs_id or f"vendor-{order.reference}-{len(self.paid)}"

    async def poll(self, jobs: Sequence[ProviderJob]) -> Mapping[str, Progress]:
        self.polled += [job.id for job in jobs]
        if isinstance(self.progress, Exception):
            raise self.progress
        return {} if self.progress is None else {job.id: self.progress for job in jobs}

    async def find_lost(self, order: Order, sent_at: datetime) -> Lookup:
        self.looked.append(order.reference)
        if isinstance(self.lookup, Exception):
            raise self.lookup
        return self.lookup

    async def download(self, job: ProviderJob, target: Path) -> None:
        self.downloads += 1
        if isinstance(self.film, Exception):
            raise self.film
        middle = len(self.film) // 2
        await asyncio.to_thread(target.write_bytes, self.film[:middle])
        await asyncio.sleep(self.delay)
        await asyncio.to_thread(_append, target, self.film[middle:])

    async def cancel(self, job: ProviderJob) -> CancelOutcome:
        self.stopped.append(job.id)
        await asyncio.sleep(self.delay)
        if isinstance(self.stopping, Exception):
            raise self.stopping
        return self.stopping

    async def clear(self, age: timedelta) -> None:
        """Keep nothing, so there is nothing to clear."""

    async def forget(self, job: ProviderJob) -> None:
        self.forgotten.append(job.id)
        if self.forgetting:
            raise self.forgetting


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@dataclass(frozen=True)
class Works:
    """The services of a worker, with one scripted vendor."""

    database: Database
    vendor: Scripted
    store: LocalStore
    videos: VideoRepository
    attempts: AttemptRepository
    lanes: LaneRepository
    admission: AdmissionService
    generation: GenerationService
    watching: WatchingService
    collecting: CollectingService
    reconciliation: ReconciliationService
    upkeep: UpkeepService
    wakes: list[None]


@asynccontextmanager
async def open_works(database: Database, folder: Path) -> AsyncGenerator[Works, None]:
    """Bring up the services of a worker on a real database and a real store."""
    vendor = Scripted()
    store = LocalStore(folder / "assets")
    videos, attempts, lanes = VideoRepository(database), AttemptRepository(database), LaneRepository(database)
    wakes: list[None] = []
    pool = media_pool(2)

    def wake() -> None:
        wakes.append(None)

    common = (videos, attempts, {vendor.name: vendor})
    try:
        yield Works(
            database,
            vendor,
            store,
            videos,
            attempts,
            lanes,
            AdmissionService(lanes),
            GenerationService(
                *common,
                Sender("worker_1", wake, store, PollPlan()),
                FallbackService(RoutingService({}, "none"), videos, RerouteRepository(database)),
                PacingService(lanes),
            ),
            WatchingService(*common, wake, PollPlan()),
            CollectingService(*common, Media(pool), store, wake),
            ReconciliationService(*common, wake),
            UpkeepService(
                videos, attempts, WorkerRepository(database), store, IdempotencyRepository(database)
            ),
            wakes,
        )
    finally:
        await pool.close(0)
