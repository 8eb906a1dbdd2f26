"""Accept, show, list and cancel batches."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from filmgate.domain.batch import MAX_BATCH_ROWS, Batch
from filmgate.domain.errors import FieldProblem, InvalidRequest, NotFound
from filmgate.domain.ids import new_id
from filmgate.domain.key import Key
from filmgate.domain.money import FREE
from filmgate.domain.video import VideoStatus
from filmgate.domain.webhook import webhook_fault
from filmgate.repositories.batches import BatchRepository
from filmgate.services.acceptance import Acceptance
from filmgate.services.asked import AskedVideo, Page
from filmgate.services.commit import commit_surely
from filmgate.services.videos import VideoService

_STOPS_AT_ONCE = 10


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
    ) -> tuple[Batch, Sequence[tuple[str, VideoStatus]]]:
        """Accept all rows or none; return the batch and each row's job, in order."""
        _check_size(len(rows))
        _check_webhook(webhook_url)
        batch_id = new_id("batch")
        if priority:
            rows = [replace(row, priority=row.priority or priority) for row in rows]
        videos = await self._acceptance.accept_all(key, rows, batch_id)
        batch = Batch(
            id=batch_id,
            project=key.project,
            name=name,
            total=len(videos),
            counts={VideoStatus.QUEUED: len(videos)},
            created_at=datetime.now(UTC),
            webhook_url=webhook_url,
            price=sum((video.price for video in videos), FREE),
        )
        await commit_surely(lambda: self._batches.insert(batch, key.id, videos))
        self._wake()
        return batch, [(video.id, video.status) for video in videos]

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
