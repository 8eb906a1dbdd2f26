"""Describe one video: what was asked, where it stands, what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from filmgate.domain.money import FREE, Money
from filmgate.domain.origin import Origin


class VideoStatus(StrEnum):
    """Say where a video stands."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing can change any more."""
        return not VIDEO_TRANSITIONS[self]


VIDEO_TRANSITIONS: Mapping[VideoStatus, frozenset[VideoStatus]] = {
    VideoStatus.QUEUED: frozenset({VideoStatus.IN_PROGRESS, VideoStatus.FAILED, VideoStatus.CANCELLED}),
    # Back to queued only when its attempt is proven not to have created anything.
    VideoStatus.IN_PROGRESS: frozenset(
        {VideoStatus.QUEUED, VideoStatus.COMPLETED, VideoStatus.FAILED, VideoStatus.CANCELLED}
    ),
    VideoStatus.COMPLETED: frozenset(),
    VideoStatus.FAILED: frozenset(),
    VideoStatus.CANCELLED: frozenset(),
}


class Variant(StrEnum):
    """Name the files kept of a finished video."""

    VIDEO = "video"
    THUMBNAIL = "thumbnail"
    SPRITESHEET = "spritesheet"


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """What is to be generated, after validation and after it was fitted to a target.

    ``seconds`` of film; ``width`` and ``height`` in pixels; ``seed`` from 0 to 2**63-1;
    ``input_reference`` is the asset key of an image.
    """

    prompt: str
    seconds: float
    width: int
    height: int
    seed: int
    audio: bool = True
    negative_prompt: str | None = None
    input_reference: str | None = None

    @property
    def size(self) -> str:
        """The frame size as ``WIDTHxHEIGHT``."""
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class VideoError:
    """Why a video ended without a film: who said so, whether it was charged, what to do now."""

    code: str
    message: str
    said_by: str = "filmgate"
    charged: bool | None = False
    action: str | None = None


@dataclass(frozen=True, slots=True)
class VideoResult:
    """What was stored: measured from the bytes, not taken from the provider's word.

    ``seconds`` of film, ``size_bytes`` and hexadecimal ``sha256`` of the video file;
    ``asset`` is the key prefix under which the three variants lie; ``joined`` says of an extension how the
    film was joined to the one that it continues.
    """

    asset: str
    seconds: float
    width: int
    height: int
    fps: float
    video_codec: str
    audio_codec: str | None
    size_bytes: int
    sha256: str
    thumbnail_bytes: int
    spritesheet_bytes: int
    joined: str | None = None

    def key(self, variant: Variant) -> str:
        """Return the asset key of one variant."""
        return f"{self.asset}/{VARIANT_FILES[variant]}"


VARIANT_FILES: Mapping[Variant, str] = {
    Variant.VIDEO: "video.mp4",
    Variant.THUMBNAIL: "thumbnail.webp",
    Variant.SPRITESHEET: "spritesheet.webp",
}


@dataclass(frozen=True, slots=True)
class Video:
    """One video as the database has it."""

    id: str
    project: str
    key_id: str
    status: VideoStatus
    model: str
    provider: str
    provider_model: str
    lane: str
    request: VideoRequest
    requested: Mapping[str, Any]
    price: Money
    created_at: datetime
    estimated_at: datetime
    batch_id: str | None = None
    batch_index: int | None = None
    priority: int = 0
    progress: int = 0
    webhook_url: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    adjustments: tuple[str, ...] = ()
    started_at: datetime | None = None
    completed_at: datetime | None = None
    result: VideoResult | None = None
    error: VideoError | None = None
    cost: Money = FREE
    attempts: int = 0
    origin: Origin | None = None
    deleted_at: datetime | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """What a client is to know of how it was made: what was changed, and how it was joined."""
        joined = None if self.result is None else self.result.joined
        return self.adjustments if joined is None else (*self.adjustments, joined)

    @property
    def seconds(self) -> float:
        """The length of the whole film: of an extension, that of the film it continues included."""
        before = 0.0 if self.origin is None else self.origin.seconds
        return round(before + self.request.seconds, 3)


@dataclass(frozen=True, slots=True)
class VideoFilter:
    """Narrow a list of videos; None means any."""

    status: VideoStatus | None = None
    batch_id: str | None = None
    model: str | None = None
    provider: str | None = None
    text: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
