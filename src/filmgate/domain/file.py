"""Describe a file that a client has uploaded, or that was written for one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from filmgate.domain.errors import FieldProblem, InvalidRequest

MAX_FILE_BYTES = 200 * 1024**2
SHORTEST_LIFE = timedelta(hours=1)
LONGEST_LIFE = timedelta(days=30)
# What OpenAI does with the input of batches; everything else stays until it is deleted.
BATCH_LIFE = timedelta(days=30)
_MAX_FILENAME = 255


class Purpose(StrEnum):
    """Say what a file is for; the words are OpenAI's."""

    ASSISTANTS = "assistants"
    BATCH = "batch"
    BATCH_OUTPUT = "batch_output"
    FINE_TUNE = "fine-tune"
    VISION = "vision"
    USER_DATA = "user_data"
    EVALS = "evals"


UPLOADABLE = tuple(purpose for purpose in Purpose if purpose is not Purpose.BATCH_OUTPUT)


@dataclass(frozen=True, slots=True)
class File:
    """One file; ``size`` in bytes, ``sha256`` in hexadecimal, ``asset`` its key in the asset store."""

    id: str
    project: str
    purpose: Purpose
    filename: str
    media_type: str
    size: int
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None

    @property
    def asset(self) -> str:
        """The key of its bytes in the asset store."""
        return f"files/{self.id}"


def read_purpose(text: str) -> Purpose:
    """Return the purpose that an upload names, or raise with those that can be named."""
    for purpose in UPLOADABLE:
        if purpose == text:
            return purpose
    names = ", ".join(UPLOADABLE)
    message = f'"{text[:60]}" is no purpose that a file can be uploaded for.'
    raise InvalidRequest(
        [FieldProblem("purpose", message, "invalid_value", f"Give one of {names}.", UPLOADABLE)]
    )


def life_of(field: str, anchor: object, seconds: object) -> timedelta:
    """Return for how long a file is to be kept, or raise with what is wrong with ``field``."""
    if anchor != "created_at":
        message = f"{field}[anchor] is not created_at, the only anchor there is."
        raise InvalidRequest([FieldProblem(f"{field}[anchor]", message, suggestion="Give created_at.")])
    count = _whole(seconds)
    if count is None or not SHORTEST_LIFE <= timedelta(seconds=count) <= LONGEST_LIFE:
        least, most = int(SHORTEST_LIFE.total_seconds()), int(LONGEST_LIFE.total_seconds())
        message = f"{field}[seconds] is not a whole number from {least} to {most}."
        mend = "Give the seconds from one hour to thirty days."
        raise InvalidRequest([FieldProblem(f"{field}[seconds]", message, "out_of_range", mend)])
    return timedelta(seconds=count)


def tidy_filename(name: str) -> str:
    """Return the last part of a file's name without what no name may hold, or ``upload``."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(character for character in last if character.isprintable()).strip()
    return kept.encode("utf-8", "replace").decode()[:_MAX_FILENAME] or "upload"


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 10**9 else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return None
