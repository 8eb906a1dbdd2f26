"""Describe a character: somebody or something seen in a clip, to be seen again in other films."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Character:
    """One character as the database has it.

    ``asset`` is the key prefix under which the clip and a typical frame of it lie.
    """

    id: str
    project: str
    key_id: str
    name: str
    asset: str
    seconds: float
    width: int
    height: int
    size_bytes: int
    sha256: str
    created_at: datetime

    @property
    def clip(self) -> str:
        """The asset key of the clip."""
        return f"{self.asset}/clip"

    @property
    def frame(self) -> str:
        """The asset key of the picture that stands for it."""
        return f"{self.asset}/frame.png"
