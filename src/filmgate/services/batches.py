"""Accept, show, list and cancel batches."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from filmgate.domain.batch import MAX_BATCH_ROWS, Batch
from filmgate.domain.errors import BudgetExceeded, FieldProblem, InvalidRequest, NotFound
from filmgate.domain.idempotency import First
from filmgate.domain.ids import new_id
from filmgate.domain.key import Key
from filmgate.domain.money import FREE, Money
from filmgate.domain.video import Video, VideoStatus
from filmgate.domain.webhook import webhook_fault
from filmgate.infrastructure.database import Session
from filmgate.repositories.batches import BatchRepository
from filmgate.services.acceptance import Acceptance
from filmgate.services.asked import AskedVideo, Page
from filmgate.services.commit import BLIND, create_surely
from filmgate.services.idempotency import Creation, with_digest
from filmgate.services.videos import VideoService

Jobs = Sequence[tuple[str, VideoStatus]]

_STOPS_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class AskedBatch:
    """A batch as the client wrote it."""

    rows: Sequence[AskedVideo]
    name: str | None = None
    webhook_url: str | None = None
    priority: int = 0
    max_cost: Money | None = None


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """A batch as it was accepted: each row's job, in order, and the videos that are to be stored."""

    batch: Batch
    jobs: Jobs
    rows: Sequence[Video] = ()


class BatchService:
    """Hold the verbs for batches."""

    def __init__(
        self,
        batches: BatchRepository,
        videos: VideoService,
        acceptance: Acceptance,
        wake: Callable[[], None],
    ) -> None:
        self._batches = batches
        self._videos = videos
        self._acceptance = acceptance
        self._wake = wake

    async def create(
        self,
        key: Key,
        rows: Sequence[AskedVideo],
        name: str | None,
        webhook_url: str | None,
        priority: int = 0,
    ) -> tuple[Batch, Jobs]:
        """Accept all rows or none; return the batch and each row's job, in order."""
        accepted = await self.accept(key, AskedBatch(rows, name, webhook_url, priority))
        return accepted.batch, accepted.jobs

    async def accept(self, key: Key, asked: AskedBatch) -> AcceptedBatch:
        """Accept all rows or none: when this returns, they are on disk and will be made."""
        accepted = await self._check(key, asked)
        try:
            await create_surely(
                lambda: self._batches.insert(accepted.batch, key.id, accepted.rows), BLIND, again=False
            )
        except BudgetExceeded:
            await self._acceptance.discard(accepted.rows)
            raise
        self._wake()
        return accepted

    def creation(self, key: Key, asked: AskedBatch) -> Creation[AcceptedBatch]:
        """Return the steps of ``create``, to be carried out once however often they are asked for."""

        async def insert(accepted: AcceptedBatch, session: Session) -> None:
            await self._batches.insert(accepted.batch, key.id, accepted.rows, session)

        return Creation(
            asked=replace(asked, rows=[with_digest(row) for row in asked.rows]),
            accept=partial(self._check, key, asked),
            insert=insert,
            announce=self._wake,
            first=lambda accepted: First(accepted.batch.id),
            load=partial(self._as_accepted, key),
            discard=lambda accepted: self._acceptance.discard(accepted.rows),
        )

    async def _check(self, key: Key, asked: AskedBatch) -> AcceptedBatch:
        _check_size(len(asked.rows))
        _check_webhook(asked.webhook_url)
        batch_id = new_id("batch")
        rows = asked.rows
        if asked.priority:
            rows = [replace(row, priority=row.priority or asked.priority) for row in rows]
        videos = await self._acceptance.accept_all(key, rows, batch_id, asked.max_cost)
        batch = Batch(
            id=batch_id,
            project=key.project,
            name=asked.name,
            total=len(videos),
            counts={VideoStatus.QUEUED: len(videos)},
            created_at=datetime.now(UTC),
            webhook_url=asked.webhook_url,
            price=sum((video.price for video in videos), FREE),
            max_cost=asked.max_cost,
        )
        return AcceptedBatch(batch, [(video.id, video.status) for video in videos], videos)

    async def _as_accepted(self, key: Key, first: First) -> AcceptedBatch:
        batch = await self.get(key, first.subject)
        jobs = [(video_id, VideoStatus.QUEUED) for video_id in await self._batches.videos_of(batch.id)]
        return AcceptedBatch(replace(batch, counts={VideoStatus.QUEUED: batch.total}), jobs)

    async def get(self, key: Key, batch_id: str) -> Batch:
        """Return a batch of the key's project."""
        batch = await self._batches.get(key.project, batch_id)
        if batch is None:
            raise NotFound("batch", batch_id)
        return batch

    async def list(self, key: Key, limit: int, cursor: str | None) -> Page[Batch]:
        """Return one page of the project's batches, newest first."""
        batches = await self._batches.list(key.project, cursor, limit + 1)
        more = len(batches) > limit
        return Page(tuple(batches[:limit]), batches[limit - 1].id if more else None)

    async def cancel(self, key: Key, batch_id: str) -> Batch:
        """Cancel whatever of a batch has not ended; harmless when repeated."""
        await self.get(key, batch_id)
        sent = await self._batches.cancel(key.project, batch_id)
        self._wake()
        # The watcher stops what is not stopped here, so a crash in between leaves nothing running.
        for start in range(0, len(sent), _STOPS_AT_ONCE):
            group = sent[start : start + _STOPS_AT_ONCE]
            await asyncio.gather(*(self._videos.stop_at_provider(video_id) for video_id in group))
        return await self.get(key, batch_id)


def _check_size(rows: int) -> None:
    if rows == 0:
        raise InvalidRequest(
            [FieldProblem("videos", "The batch is empty.", "required", "Give at least one video.")]
        )
    if rows > MAX_BATCH_ROWS:
        raise InvalidRequest(
            [
                FieldProblem(
                    "videos",
                    f"The batch has {rows:,} rows; {MAX_BATCH_ROWS:,} is the limit. Nothing was accepted.",
                    "too_many",
                    "Send several batches.",
                )
            ]
        )


def _check_webhook(url: str | None) -> None:
    reason = None if url is None else webhook_fault(url)
    if reason is not None:
        raise InvalidRequest(
            [
                FieldProblem(
                    "webhookUrl", reason, suggestion="Give an https address that your server answers at."
                )
            ]
        )
