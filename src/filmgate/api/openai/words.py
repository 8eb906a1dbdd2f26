"""Put our words into OpenAI's: statuses, codes, moments."""

from datetime import datetime, timedelta
from typing import Final, Literal

from filmgate.domain.errors import RefusalKind
from filmgate.domain.video import Video, VideoStatus

# A status that the SDKs do not know would end their polling, so a cancelled video is a failed one.
STATUS_WORDS: Final[dict[VideoStatus, Literal["queued", "in_progress", "completed", "failed"]]] = {
    VideoStatus.QUEUED: "queued",
    VideoStatus.IN_PROGRESS: "in_progress",
    VideoStatus.COMPLETED: "completed",
    VideoStatus.FAILED: "failed",
    VideoStatus.CANCELLED: "failed",
}
_MODERATION: Final = frozenset(
    {RefusalKind.PROMPT.value, RefusalKind.IMAGE.value, RefusalKind.OUTPUT.value, RefusalKind.POLICY.value}
)
MODERATION_CODE: Final = "moderation_blocked"
CANCELLED_CODE: Final = "cancelled"

_TELLING_PERCENT: Final = 10
_SHARE_OF_AGE: Final = 0.5
# The SDKs' polling keeps to the first answer it gets, so that must not be too long for the last stretch.
_SHARE_OF_REST: Final = 0.1
_SOONEST: Final = timedelta(milliseconds=500)
_LATEST: Final = timedelta(seconds=5)


def status_word(status: VideoStatus) -> Literal["queued", "in_progress", "completed", "failed"]:
    """Return OpenAI's word for a status."""
    return STATUS_WORDS[status]


def error_code(video: Video) -> str | None:
    """Return OpenAI's code for why a video has no film, None where there is none to tell."""
    if video.status is VideoStatus.CANCELLED:
        return CANCELLED_CODE
    if video.error is None:
        return None
    return MODERATION_CODE if video.error.code in _MODERATION else video.error.code


def error_message(video: Video) -> str:
    """Say why a video has no film."""
    if video.status is VideoStatus.CANCELLED:
        return "The video was cancelled."
    return "" if video.error is None else video.error.message


def unix_seconds(moment: datetime) -> int:
    """Return a moment as OpenAI writes it."""
    return int(moment.timestamp())


def poll_after(video: Video, now: datetime) -> timedelta:
    """Return when it is worth asking again: after a tenth of what is left, as far as that can be told."""
    left = (video.estimated_at - now).total_seconds()
    if video.started_at is not None and video.progress >= _TELLING_PERCENT:
        age = (now - video.started_at).total_seconds()
        left = age * (100 - video.progress) / video.progress
    elif left <= 0:
        # Later than foreseen: the longer it has taken, the longer it may.
        left = (now - video.created_at).total_seconds() * _SHARE_OF_AGE
    return min(max(timedelta(seconds=left * _SHARE_OF_REST), _SOONEST), _LATEST)
