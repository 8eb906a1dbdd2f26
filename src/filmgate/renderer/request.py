"""Describe one film to render and the ways rendering can fail."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """Say which film to render; equal requests give equal pictures."""

    prompt: str
    seconds: float
    width: int
    height: int
    seed: int
    audio: bool = True
    image: str | None = None
    fps: int = 24

    @property
    def frames(self) -> int:
        """Count the frames of the film, never fewer than one."""
        return max(1, round(self.seconds * self.fps))


class RenderError(Exception):
    """The film could not be rendered."""

    kind: ClassVar[str] = "internal"


class ImageUnreadable(RenderError):
    """The image reference cannot be read as a picture."""

    kind = "image_unreadable"


class NoSpace(RenderError):
    """The disk is full."""

    kind = "no_space"
