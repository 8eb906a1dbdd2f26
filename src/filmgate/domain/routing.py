"""Describe what can be asked for: models, what each can do, and where it is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from filmgate.domain.money import Money
from filmgate.domain.video import VideoRequest


@dataclass(frozen=True, slots=True)
class Capability:
    """What one provider model can do and what it costs.

    ``sizes`` in pixels; ``seconds`` is the range of lengths, in steps of ``step`` where given.
    ``needs_image`` says that it makes nothing from words alone, ``always_sound`` that sound cannot be left
    out. ``price`` is per second of film; ``prices`` are those of sizes that cost something else, and
    ``silent_price`` that of a film without sound, where sound costs more.
    """

    provider: str
    model: str
    title: str
    sizes: tuple[tuple[int, int], ...]
    min_seconds: float
    max_seconds: float
    step: float | None
    image_input: bool
    audio: bool
    seed: bool
    negative_prompt: bool
    max_prompt: int
    price: Money
    price_source: str
    price_date: date
    retires_on: date | None = None
    needs_image: bool = False
    always_sound: bool = False
    prices: tuple[tuple[tuple[int, int], Money], ...] = ()
    silent_price: Money | None = None

    def price_at(self, size: tuple[int, int]) -> Money:
        """Return what a second of film of this size costs, with sound."""
        return next((price for priced, price in self.prices if priced == size), self.price)

    def price_of(self, request: VideoRequest) -> Money:
        """Return what a film costs."""
        silent = None if request.audio or self.always_sound else self.silent_price
        second = self.price_at((request.width, request.height)) if silent is None else silent
        return second.times(request.seconds)


@dataclass(frozen=True, slots=True)
class Target:
    """A place where a video can be made: one model of one provider, through one lane."""

    lane: str
    capability: Capability


@dataclass(frozen=True, slots=True)
class Lane:
    """The limits of one provider account: videos at once, and sends a minute where that is limited.

    ``firm`` limits replace those that are in force; others are only for a lane that has none yet.
    """

    name: str
    max_in_flight: int
    per_minute: int | None = None
    firm: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """A name that clients may ask for, and the targets that serve it, best first."""

    name: str
    targets: tuple[Target, ...]
    alias: bool = False


Routes = Mapping[str, Route]
