"""Describe a batch that was asked for as a file: one request a line, the answers in files too."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

MAX_LINES = 50_000
ENDPOINT = "/v1/videos"
COMPLETION_WINDOWS: Mapping[str, timedelta] = {"24h": timedelta(hours=24)}

# Why a video of a batch was not made: its batch came to the end of its window, or was cancelled.
EXPIRED_CODE = "batch_expired"
CANCELLED_CODE = "batch_cancelled"


class FileBatchStatus(StrEnum):
    """Say where a batch stands; the words are OpenAI's."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing can change any more."""
        return self in _ENDED


_ENDED = frozenset(
    {
        FileBatchStatus.FAILED,
        FileBatchStatus.COMPLETED,
        FileBatchStatus.EXPIRED,
        FileBatchStatus.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True)
class FileFault:
    """What makes a file unusable as a whole; ``line`` counts from 1, None where no single one is at fault."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """How one line was refused: the HTTP status, and OpenAI's error object."""

    status: int
    error: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file: the video that it became, or its refusal. ``number`` counts from 1."""

    number: int
    custom_id: str
    video_id: str | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class FileBatch:
    """One batch as it was asked for and as it stands.

    Its videos are those of the batch with the same id. ``completed`` lines have a film; ``failed`` are those
    that will never have one.
    """

    id: str
    project: str
    key_id: str
    status: FileBatchStatus
    input_file_id: str
    completion_window: str
    created_at: datetime
    expires_at: datetime
    endpoint: str = ENDPOINT
    metadata: Mapping[str, str] | None = None
    output_life: timedelta | None = None
    model: str | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    errors: tuple[FileFault, ...] = ()
    output_file_id: str | None = None
    error_file_id: str | None = None
    in_progress_at: datetime | None = None
    finalizing_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    expired_at: datetime | None = None
    cancelling_at: datetime | None = None
    cancelled_at: datetime | None = None
