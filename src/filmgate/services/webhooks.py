"""Tell users what has become of their videos: signed, at least once, with patience."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from filmgate.domain.batch import Batch
from filmgate.domain.video import Video
from filmgate.domain.webhook import PAUSES, Delivery, sign
from filmgate.domain.webhook_endpoint import DELIVERIES_KEPT, PATIENCE
from filmgate.infrastructure.callouts import CalloutFailed, Callouts
from filmgate.repositories.batches import BatchRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.repositories.webhook_endpoints import WebhookEndpointRepository
from filmgate.repositories.webhooks import WebhookRepository

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode

CLAIM_AT_ONCE = 50
_LEASE = timedelta(seconds=60)
_GONE = 410
_JITTER = 0.2


class WebhookService:
    """Hold the verbs for webhooks."""

    def __init__(
        self,
        webhooks: WebhookRepository,
        endpoints: WebhookEndpointRepository,
        videos: VideoRepository,
        batches: BatchRepository,
        callouts: Callouts,
        key: bytes,
    ) -> None:
        self._webhooks = webhooks
        self._endpoints = endpoints
        self._videos = videos
        self._batches = batches
        self._callouts = callouts
        self._key = key

    async def deliver(self) -> int:
        """Try what is due, all at once, and return how many that were."""
        due: Sequence[Delivery] = await self._webhooks.claim_due(CLAIM_AT_ONCE, _LEASE)
        await asyncio.gather(*(self._try(delivery) for delivery in due))
        return len(due)

    async def clear(self) -> None:
        """Forget deliveries that ended long ago."""
        await self._webhooks.prune(DELIVERIES_KEPT)

    async def _try(self, delivery: Delivery) -> None:
        if delivery.endpoint_id is not None and not delivery.keys:
            # Deleted in the moment in which something was written down for it.
            await self._webhooks.fail(delivery, None, "the endpoint was deleted", None)
            return
        body = await self._body(delivery)
        moment = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "filmgate",
            **sign(delivery.keys or (self._key,), delivery.id, moment, body),
        }
        status: int | None = None
        try:
            status = await self._callouts.post(delivery.url, body, headers)
        except CalloutFailed as error:
            reason = str(error)
        else:
            if 200 <= status < 300:
                await self._webhooks.succeed(delivery, status)
                return
            reason = f"the receiver answered {status}"
        again = None if status == _GONE else pause_after(delivery.tries - delivery.tries_before)
        _log.info(
            "webhook_failed", delivery=delivery.id, tries=delivery.tries, status=status, last=again is None
        )
        await self._webhooks.fail(delivery, status, reason, again)
        if delivery.endpoint_id is not None:
            await self._lose_patience(delivery.endpoint_id, status)

    async def _lose_patience(self, endpoint_id: str, status: int | None) -> None:
        """Disable an endpoint that asks for it, or at which nothing has arrived for days."""
        if status == _GONE:
            reason, patience = "It answered 410 Gone.", None
        else:
            reason, patience = f"Nothing has arrived there for {PATIENCE.days} days.", PATIENCE
        if await self._endpoints.disable(endpoint_id, reason, patience):
            _log.warning("webhook_endpoint_disabled", endpoint=endpoint_id, reason=reason)

    async def _body(self, delivery: Delivery) -> bytes:
        if delivery.endpoint_id is not None:
            return event_body(delivery.id, delivery.event, delivery.subject, delivery.created_at)
        if delivery.subject.startswith("batch_"):
            batch = await self._batches.get(delivery.project, delivery.subject)
            data = {} if batch is None else about_batch(batch)
        else:
            video = await self._videos.get(delivery.subject)
            data = {} if video is None else about_video(video)
        return _encode({"type": delivery.event, "timestamp": delivery.created_at, "data": data})


def event_body(event_id: str, event: str, subject: str, created_at: datetime) -> bytes:
    """Return an event as OpenAI writes it: what has happened to what, and nothing that it might leak."""
    return _encode(
        {
            "id": event_id,
            "object": "event",
            "created_at": int(created_at.timestamp()),
            "type": event,
            "data": {"id": subject},
        }
    )


def pause_after(tries: int) -> timedelta | None:
    """Return the pause after so many tries, a fifth longer or shorter by chance; None after the last."""
    if tries > len(PAUSES):
        return None
    return PAUSES[tries - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret


def about_video(video: Video) -> dict[str, Any]:
    """Return what a webhook says of a video: enough to act on, without the prompt."""
    return {
        "jobId": video.id,
        "batchId": video.batch_id,
        "status": video.status.value,
        "createdAt": video.created_at,
        "completedAt": video.completed_at,
        "error": None if video.error is None else {"code": video.error.code, "message": video.error.message},
        "metadata": video.metadata,
    }


def about_batch(batch: Batch) -> dict[str, Any]:
    """Return what a webhook says of a batch."""
    return {
        "batchId": batch.id,
        "name": batch.name,
        "status": batch.status.value,
        "totalVideos": batch.total,
        "counts": {status.value: count for status, count in batch.counts.items()},
        "createdAt": batch.created_at,
        "completedAt": batch.completed_at,
    }
