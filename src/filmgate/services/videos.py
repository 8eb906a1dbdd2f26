"""Accept, show, list and cancel videos, and hand out their files."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

import msgspec
import structlog

from filmgate.domain.asset import AssetStore
from filmgate.domain.attempt import Attempt, AttemptState
from filmgate.domain.errors import (
    BudgetExceeded,
    NotFound,
    ResultGone,
    VideoAlreadyFinal,
    VideoNotFinished,
)
from filmgate.domain.idempotency import First
from filmgate.domain.key import Key
from filmgate.domain.money import Money
from filmgate.domain.provider import Provider, ProviderJob
from filmgate.domain.video import Variant, Video, VideoStatus
from filmgate.infrastructure.database import Session
from filmgate.infrastructure.grouping import Grouper
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.acceptance import Acceptance
from filmgate.services.asked import AskedVideo, Cancelled, Content, Page, VideoFilter
from filmgate.services.commit import BLIND, create_surely
from filmgate.services.idempotency import Creation, with_digest

_log = structlog.get_logger(__name__)

_CANCEL_SECONDS = 10
_MEDIA_TYPES = {
    Variant.VIDEO: ("video/mp4", "mp4"),
    Variant.THUMBNAIL: ("image/webp", "thumbnail.webp"),
    Variant.SPRITESHEET: ("image/webp", "spritesheet.webp"),
}


@dataclass(frozen=True, slots=True)
class _Terms:
    """What was said of a video when it was accepted, and may read differently once it has moved on."""

    model: str
    provider: str
    price_micros: int
    estimated_at: datetime


_terms: Final = msgspec.json.Decoder(_Terms)


class VideoService:
    """Hold the verbs for single videos."""

    def __init__(
        self,
        videos: VideoRepository,
        attempts: AttemptRepository,
        acceptance: Acceptance,
        providers: Mapping[str, Provider],
        store: AssetStore,
        wake: Callable[[], None],
    ) -> None:
        self._videos = videos
        self._attempts = attempts
        self._acceptance = acceptance
        self._providers = providers
        self._store = store
        self._wake = wake
        self._insert: Grouper[Video, BudgetExceeded | None] = Grouper(self._insert_group)
        self._read: Grouper[str, Video | None] = Grouper(videos.get_many)

    async def create(self, key: Key, asked: AskedVideo) -> Video:
        """Accept a video: when this returns, it is on disk and will be made."""
        return await self.keep(await self._acceptance.accept_one(key, asked))

    async def keep(self, video: Video) -> Video:
        """Put an accepted video on disk and have it made."""
        refused = await self._insert(video)
        if refused is not None:
            await self._acceptance.discard([video])
            raise refused
        self._wake()
        return video

    async def _insert_group(self, videos: Sequence[Video]) -> Sequence[BudgetExceeded | None]:
        # A commit whose answer was lost may have happened; inserting the same ids again settles it.
        refused = await create_surely(lambda: self._videos.insert(videos), BLIND, again=False)
        return [refused.get(video.id) for video in videos] if refused else [None] * len(videos)

    def creation(self, key: Key, asked: AskedVideo) -> Creation[Video]:
        """Return the steps of ``create``, to be carried out once however often they are asked for."""
        return self.creation_of(with_digest(asked), partial(self._acceptance.accept_one, key, asked))

    def creation_of(self, asked: object, accept: Callable[[], Awaitable[Video]]) -> Creation[Video]:
        """Return the steps that make the video ``accept`` returns, known again by what was ``asked``."""
        return Creation(
            asked=asked,
            accept=accept,
            insert=self._insert_in,
            announce=self._wake,
            first=_first_of,
            load=self._as_accepted,
            discard=lambda video: self._acceptance.discard([video]),
        )

    async def _insert_in(self, video: Video, session: Session) -> None:
        refused = await self._videos.insert([video], session)
        if refused:
            raise refused[video.id]

    async def _as_accepted(self, first: First) -> Video:
        video = await self._read(first.subject)
        if video is None or first.terms is None:
            raise NotFound("video", first.subject)
        terms = _terms.decode(first.terms)
        return replace(
            video,
            status=VideoStatus.QUEUED,
            model=terms.model,
            provider=terms.provider,
            price=Money(terms.price_micros),
            estimated_at=terms.estimated_at,
        )

    async def get(self, key: Key, video_id: str) -> Video:
        """Return a video of the key's project."""
        video = await self._read(video_id)
        if video is None or video.project != key.project:
            raise NotFound("video", video_id)
        return video

    async def list(self, key: Key, wanted: VideoFilter, limit: int, cursor: str | None) -> Page[Video]:
        """Return one page of the project's videos, newest first."""
        videos = await self._videos.list(key.project, wanted, cursor, limit + 1)
        more = len(videos) > limit
        return Page(tuple(videos[:limit]), videos[limit - 1].id if more else None)

    async def result(self, key: Key, video_id: str) -> Video:
        """Return a finished video, or raise with why there is no result (yet)."""
        return finished(await self.get(key, video_id))

    async def content(self, key: Key | None, video_id: str, variant: Variant) -> Content:
        """Return one file of a finished video; without a key, its signed link was verified before."""
        video = await self._read(video_id)
        if video is None or (key is not None and video.project != key.project):
            raise NotFound("video", video_id)
        result = finished(video).result
        assert result is not None
        asset = result.key(variant)
        stat = await self._store.stat(asset)
        if stat is None:
            raise ResultGone(f"The {variant} of {video_id} is no longer in the store.")
        media_type, suffix = _MEDIA_TYPES[variant]
        return Content(
            size=stat.size,
            etag=f"{result.sha256[:32]}-{variant}",
            media_type=media_type,
            filename=f"{video_id}.{suffix}",
            modified_at=stat.modified_at,
            path=self._store.path(asset),
            asset=asset,
        )

    def stream(self, content: Content, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes of a file from ``start`` up to but not including ``stop``."""
        return self._store.stream(content.asset, start, stop)

    async def cancel(self, key: Key, video_id: str) -> Cancelled:
        """Cancel a video that has not ended, and say what that means; harmless when repeated."""
        video = await self.get(key, video_id)
        if not video.status.final and await self._videos.cancel(video_id):
            self._wake()
            message = await self.stop_at_provider(video_id)
            return Cancelled(await self.get(key, video_id), f"Job successfully cancelled. {message}")
        video = await self.get(key, video_id)
        if video.status is VideoStatus.CANCELLED:
            return Cancelled(video, "Job successfully cancelled. It had been cancelled before.")
        raise VideoAlreadyFinal(
            f"The video {video_id} has already {video.status.value}; nothing was changed."
        )

    async def stop_at_provider(self, video_id: str) -> str:
        """Have a cancelled video's provider job stopped, and say in words what came of it."""
        attempt = await self._attempts.live_of(video_id)
        if attempt is None:
            return "It had not been sent to a provider; nothing is charged."
        if attempt.state is not AttemptState.ACCEPTED:
            return "It was just being sent; the provider is told to stop as soon as it answers."
        return await self._stop(attempt)

    async def _stop(self, attempt: Attempt) -> str:
        try:
            provider = self._providers[attempt.provider]
            outcome = await asyncio.wait_for(provider.cancel(job_of(attempt)), _CANCEL_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the watcher tries again
            _log.warning("cancel_failed", attempt=attempt.id, reason=str(error) or type(error).__name__)
            return f"{attempt.provider} has not confirmed yet; it is asked again until it does."
        if outcome.stopped:
            charged = outcome.charged is True
            await self._attempts.cancel(attempt.id, "cancelled by the client", charged=charged)
        stopped = "has stopped" if outcome.stopped else "cannot be stopped"
        charged = {
            True: "it still charges for it",
            False: "nothing is charged",
            None: "it does not say whether it charges",
        }[outcome.charged]
        return f"{attempt.provider} {stopped}; {charged}."


def _first_of(video: Video) -> First:
    terms = _Terms(video.model, video.provider, video.price.micros, video.estimated_at)
    return First(video.id, msgspec.json.encode(terms).decode())


def job_of(attempt: Attempt) -> ProviderJob:
    """Return the provider job of an accepted attempt."""
    assert attempt.provider_job_id is not None
    return ProviderJob(
        id=attempt.provider_job_id,
        model=attempt.provider_model,
        reference=attempt.video_id,
        accepted_at=attempt.accepted_at or attempt.created_at,
    )


def finished(video: Video) -> Video:
    """Return the video if it has a result, else raise with why not and what to do."""
    if not video.status.final:
        raise VideoNotFinished(
            f"The video {video.id} is {video.progress} % done; ask again later, or give a webhookUrl."
        )
    if video.deleted_at is not None:
        raise ResultGone(f"The video {video.id} was deleted, and its files with it.")
    if video.result is None:
        reason = f": {video.error.message}" if video.error else ""
        raise ResultGone(f"The video {video.id} has {video.status.value} and has no result{reason}")
    return video
