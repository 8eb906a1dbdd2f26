"""Describe what can be asked for: models, what each can do, and where it is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from filmgate.domain.money import Money


@dataclass(frozen=True, slots=True)
class Capability:
    """What one provider model can do and what it costs.

    ``sizes`` in pixels; ``seconds`` is the range of lengths, in steps of ``step`` where given.
    ``price`` is per second of film.
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


@dataclass(frozen=True, slots=True)
class Target:
    """A place where a video can be made: one model of one provider, through one lane."""

    lane: str
    capability: Capability


@dataclass(frozen=True, slots=True)
class Lane:
    """The limits of one provider account: videos at once, and sends a minute where that is limited."""

    name: str
    max_in_flight: int
    per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A name that clients may ask for, and the targets that serve it, best first."""

    name: str
    targets: tuple[Target, ...]
    alias: bool = False


Routes = Mapping[str, Route]
