"""Put what the services return into the shapes of the wire."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from filmgate.api.face import Links
from filmgate.api.schemas import (
    BatchAccepted,
    BatchBody,
    BatchJob,
    BatchPage,
    BatchStatusWord,
    Delivered,
    DerivedFrom,
    Failure,
    FilmLinks,
    ModelBody,
    ModelList,
    ModelTarget,
    Price,
    ResultMetadata,
    Seconds,
    Sent,
    StatusWord,
    VideoAccepted,
    VideoBody,
    VideoCancelled,
    VideoPage,
    VideoResultBody,
)
from filmgate.domain.batch import Batch, BatchStatus
from filmgate.domain.errors import ResultGone
from filmgate.domain.money import Money
from filmgate.domain.origin import Origin
from filmgate.domain.routing import Capability, Route
from filmgate.domain.video import Variant, Video, VideoRequest, VideoResult, VideoStatus
from filmgate.services.asked import Cancelled, Page
from filmgate.services.retirement import warning_of

STATUS_WORDS: Final[dict[VideoStatus, StatusWord]] = {
    VideoStatus.QUEUED: "pending",
    VideoStatus.IN_PROGRESS: "processing",
    VideoStatus.COMPLETED: "completed",
    VideoStatus.FAILED: "failed",
    VideoStatus.CANCELLED: "cancelled",
}
STATUS_OF_WORD: Final = {word: status for status, word in STATUS_WORDS.items()}
_BATCH_WORDS: Final[dict[BatchStatus, BatchStatusWord]] = {
    BatchStatus.PROCESSING: "processing",
    BatchStatus.COMPLETED: "completed",
    BatchStatus.FAILED: "failed",
    BatchStatus.CANCELLED: "cancelled",
}
encode: Final = msgspec.json.Encoder().encode


def video_accepted(video: Video) -> VideoAccepted:
    """Return the answer to a create."""
    return VideoAccepted(
        video.id,
        STATUS_WORDS[video.status],
        video.created_at,
        video.estimated_at,
        video.model,
        video.provider,
        price(video.price),
    )


def video_body(video: Video, links: Links) -> VideoBody:
    """Return everything a client may know of one video."""
    result, error = video.result, video.error
    return VideoBody(
        job_id=video.id,
        status=STATUS_WORDS[video.status],
        progress=video.progress,
        created_at=video.created_at,
        completed_at=video.completed_at,
        result=None if result is None or video.deleted_at else _film_links(video.id, result, links),
        model=video.model,
        provider=video.provider,
        provider_model=video.provider_model,
        batch_id=video.batch_id,
        prompt=video.request.prompt,
        requested=dict(video.requested),
        sent=_sent(video.request),
        delivered=None if result is None else _delivered(result),
        adjustments=video.told,
        derived_from=_derived_from(video.origin),
        attempts=video.attempts,
        estimated_cost=price(video.price),
        cost=price(video.cost),
        error=None
        if error is None
        else Failure(error.code, error.message, error.said_by, error.charged, error.action),
        metadata=dict(video.metadata),
    )


def video_page(page: Page[Video], links: Links) -> VideoPage:
    """Return one page of videos."""
    return VideoPage(tuple(video_body(video, links) for video in page.items), page.next_cursor)


def video_result(video: Video, links: Links) -> VideoResultBody:
    """Return the finished film of a video."""
    if video.result is None:
        raise ResultGone(f"{video.id} has no film.")
    film = _film_links(video.id, video.result, links)
    return VideoResultBody(
        video_url=film.video_url,
        thumbnail_url=film.thumbnail_url,
        spritesheet_url=film.spritesheet_url,
        duration=film.duration,
        resolution=film.resolution,
        file_size=film.file_size,
        metadata=ResultMetadata(video.request.prompt, video.model, video.created_at),
    )


def video_cancelled(cancelled: Cancelled) -> VideoCancelled:
    """Return what a cancel came to."""
    video = cancelled.video
    return VideoCancelled(video.id, STATUS_WORDS[video.status], cancelled.message)


def batch_accepted(batch: Batch, jobs: Iterable[tuple[str, VideoStatus]]) -> BatchAccepted:
    """Return the answer to the create of a batch."""
    return BatchAccepted(
        batch.id,
        batch.total,
        _BATCH_WORDS[batch.status],
        tuple(BatchJob(job_id, STATUS_WORDS[status]) for job_id, status in jobs),
        batch.created_at,
        price(batch.price),
    )


def batch_body(batch: Batch) -> BatchBody:
    """Return how one batch stands."""
    return BatchBody(
        batch_id=batch.id,
        name=batch.name,
        total_videos=batch.total,
        status=_BATCH_WORDS[batch.status],
        progress=batch.progress,
        counts={word: batch.counts.get(status, 0) for status, word in STATUS_WORDS.items()},
        created_at=batch.created_at,
        completed_at=batch.completed_at,
        estimated_cost=price(batch.price),
        cost=price(batch.cost),
        max_cost=None if batch.max_cost is None else price(batch.max_cost),
    )


def batch_page(page: Page[Batch]) -> BatchPage:
    """Return one page of batches."""
    return BatchPage(tuple(batch_body(batch) for batch in page.items), page.next_cursor)


def model_list(routes: Sequence[Route]) -> ModelList:
    """Return what can be asked for."""
    return ModelList(
        tuple(
            ModelBody(route.name, route.alias, tuple(_target(target.capability) for target in route.targets))
            for route in routes
        )
    )


@lru_cache(4096)
def price(money: Money) -> Price:
    """Return an amount of money as the wire has it."""
    return Price(str(money).replace("$", ""))


def _film_links(video_id: str, result: VideoResult, links: Links) -> FilmLinks:
    return FilmLinks(
        video_url=links.content(video_id, Variant.VIDEO),
        thumbnail_url=links.content(video_id, Variant.THUMBNAIL),
        spritesheet_url=links.content(video_id, Variant.SPRITESHEET),
        duration=_tidy(result.seconds),
        resolution=f"{result.width}x{result.height}",
        file_size=result.size_bytes,
    )


def _derived_from(origin: Origin | None) -> DerivedFrom | None:
    return None if origin is None else DerivedFrom(origin.kind.value, origin.video_id, origin.how)


def _sent(request: VideoRequest) -> Sent:
    return Sent(_tidy(request.seconds), request.size, request.seed, request.audio, request.negative_prompt)


def _delivered(result: VideoResult) -> Delivered:
    return Delivered(
        seconds=_tidy(result.seconds),
        size=f"{result.width}x{result.height}",
        fps=_tidy(result.fps),
        video_codec=result.video_codec,
        audio_codec=result.audio_codec,
        sha256=result.sha256,
    )


def _target(able: Capability) -> ModelTarget:
    return ModelTarget(
        provider=able.provider,
        model=able.model,
        title=able.title,
        sizes=tuple(f"{width}x{height}" for width, height in able.sizes),
        min_seconds=_tidy(able.min_seconds),
        max_seconds=_tidy(able.max_seconds),
        seconds_step=None if able.step is None else _tidy(able.step),
        input_reference=able.image_input,
        needs_input_reference=able.needs_image,
        audio=able.audio,
        always_audio=able.always_sound,
        seed=able.seed,
        negative_prompt=able.negative_prompt,
        max_prompt=able.max_prompt,
        price_per_second=price(able.price),
        price_per_second_by_size={
            f"{width}x{height}": price(second) for (width, height), second in able.prices
        },
        price_per_second_without_audio=None if able.silent_price is None else price(able.silent_price),
        price_source=able.price_source,
        price_date=able.price_date,
        retires_on=able.retires_on,
        warning=warning_of(able, datetime.now(UTC).date()),
    )


def _tidy(number: float) -> Seconds:
    # 5, not 5.0, as the client wrote it
    return int(number) if number == int(number) else number
