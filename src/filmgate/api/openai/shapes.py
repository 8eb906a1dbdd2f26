"""Write down OpenAI's objects: every key present, null where there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from filmgate.api.openai.words import error_code, error_message, status_word, unix_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from filmgate.domain.video import Video

VideoStatusWord = Literal["queued", "in_progress", "completed", "failed"]


class VideoTrouble(Struct):
    """Why a video failed."""

    code: str
    message: str


class VideoObject(Struct, kw_only=True):
    """One video as OpenAI's SDKs know it."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: VideoStatusWord
    progress: Annotated[int, Meta(ge=0, le=100)]
    created_at: Annotated[int, Meta(description="Unix seconds.")]
    completed_at: int | None
    expires_at: Annotated[int | None, Meta(description="Always null: what is made here is kept.")]
    prompt: str | None
    size: str
    seconds: Annotated[str, Meta(description="Text, as OpenAI has it; of an extension the whole film.")]
    remixed_from_video_id: str | None
    error: VideoTrouble | None


class VideoObjectList(Struct, kw_only=True):
    """One page of videos."""

    object: Literal["list"] = "list"
    data: tuple[VideoObject, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeleted(Struct, kw_only=True):
    """A video that is no longer there."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


class ModelObject(Struct, kw_only=True):
    """One name that can be asked for."""

    id: str
    object: Literal["model"] = "model"
    created: Annotated[int, Meta(description="Unix seconds: the day that its entry here is of.")]
    owned_by: str


class ModelObjectList(Struct, kw_only=True):
    """Every name that can be asked for."""

    object: Literal["list"] = "list"
    data: tuple[ModelObject, ...]


def video_object(video: Video) -> VideoObject:
    """Return a video as OpenAI's SDKs know it."""
    code = error_code(video)
    return VideoObject(
        id=video.id,
        model=video.model,
        status=status_word(video.status),
        progress=video.progress,
        created_at=unix_seconds(video.created_at),
        completed_at=None if video.completed_at is None else unix_seconds(video.completed_at),
        expires_at=None,
        prompt=video.request.prompt,
        size=video.request.size,
        seconds=f"{video.seconds:g}",
        remixed_from_video_id=None if video.origin is None else video.origin.remixed,
        error=None if code is None else VideoTrouble(code, error_message(video)),
    )


def video_list(videos: Sequence[Video], *, more: bool) -> VideoObjectList:
    """Return one page of videos."""
    return VideoObjectList(
        data=tuple(map(video_object, videos)),
        first_id=videos[0].id if videos else None,
        last_id=videos[-1].id if videos else None,
        has_more=more,
    )
