"""Describe what a video was made from, where that was more than words."""

from dataclasses import dataclass
from enum import StrEnum


class OriginKind(StrEnum):
    """Say how a video came from another film."""

    REMIX = "remix"
    EDIT = "edit"
    EXTENSION = "extension"
    CHARACTERS = "characters"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a video was made from.

    ``video_id`` names the source where it is a video of ours, not a file; ``how`` says in words what was
    taken from it, ``notes`` what had to be changed. An extension continues the film under the asset key
    ``film``, which is ``seconds`` long.
    """

    kind: OriginKind
    how: str
    video_id: str | None = None
    film: str | None = None
    seconds: float = 0.0
    characters: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """What a client is to know of it."""
        return (self.how, *self.notes)

    @property
    def remixed(self) -> str | None:
        """The video that this one shows anew, None where it shows no other."""
        return self.video_id if self.kind in {OriginKind.REMIX, OriginKind.EDIT} else None
