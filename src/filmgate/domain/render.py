"""Describe one job of the built-in renderer."""

from dataclasses import dataclass

from filmgate.domain.provider import JobState


@dataclass(frozen=True, slots=True)
class Render:
    """One job of the built-in renderer; ``body`` is the order as it was sent."""

    id: str
    body: bytes
    state: JobState
    frames_done: int
    frames: int
    tries: int
    asset: str | None
    code: str | None
    reason: str | None
