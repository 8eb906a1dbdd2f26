"""Describe what a client asked for, as written, before it is fitted to a target."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from filmgate.domain.money import Money
from filmgate.domain.origin import Origin
from filmgate.domain.video import Video, VideoFilter

__all__ = ["AskedVideo", "Cancelled", "Content", "Page", "VideoFilter"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AskedVideo:
    """One video as the client wrote it; None means the client left it to us.

    ``duration`` in seconds, ``resolution`` as ``1280x720`` or ``720p``, ``aspect_ratio`` as ``16:9``,
    ``input_reference`` as a ``data:`` URL of an image; ``max_cost`` is the most it may cost; ``origin`` says
    what it is made from, where that is another film. With ``sora`` the lengths and sizes that Sora made
    become the nearest that can be made, unless ``strict``.
    """

    prompt: str
    model: str | None = None
    duration: float | None = None
    resolution: str | None = None
    aspect_ratio: str | None = None
    seed: int | None = None
    negative_prompt: str | None = None
    audio: bool | None = None
    input_reference: str | None = None
    strict: bool = False
    priority: int = 0
    max_cost: Money | None = None
    webhook_url: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    origin: Origin | None = None
    sora: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, newest first; ``next_cursor`` is None on the last."""

    items: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The outcome of a cancel: the video as it now stands, and what that means in words."""

    video: Video
    message: str


@dataclass(frozen=True, slots=True)
class Content:
    """One stored file, to be served whole or in part.

    ``path`` is the local file where there is one; ``stream(start, stop)`` yields bytes otherwise.
    """

    size: int
    etag: str
    media_type: str
    filename: str
    modified_at: datetime
    path: Path | None
    asset: str
