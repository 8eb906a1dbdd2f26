"""Hold what every scene needs to paint: size, coordinates, light and chance."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.random import Generator

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field
from filmgate.renderer.palette import Light
from filmgate.renderer.prompt import Direction
from filmgate.renderer.scale import Enlarger


@dataclass(frozen=True, slots=True)
class Stage:
    """Hold the canvas of a film; u and v are centred, one unit is sqrt(width x height)."""

    width: int
    height: int
    direction: Direction
    light: Light
    ramp: Field
    rng: Generator
    u: Field
    v: Field
    unit: float
    seconds: float
    enlarge: Enlarger

    @property
    def bottom(self) -> float:
        """Return v of the lower edge."""
        return self.height / 2 / self.unit

    @property
    def side(self) -> float:
        """Return u of the right edge."""
        return self.width / 2 / self.unit

    def row(self, v: float) -> float:
        """Return the pixel row of a height v."""
        return v * self.unit + self.height / 2 - 0.5

    def column(self, u: float) -> float:
        """Return the pixel column of a place u."""
        return u * self.unit + self.width / 2 - 0.5

    def coarse(self, factor: int) -> "Stage":
        """Return the same stage at a fraction of the size, for soft fields."""
        width, height = max(8, self.width // factor), max(8, self.height // factor)
        return make_stage((width, height), self.direction, self.light, self.ramp, self.rng, self.seconds)


def make_stage(
    size: tuple[int, int], direction: Direction, light: Light, ramp: Field, rng: Generator, seconds: float
) -> Stage:
    """Lay out the coordinates of a canvas."""
    width, height = size
    unit = float(np.sqrt(width * height))
    u = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / unit)[None, :].astype(np.float32)
    v = ((np.arange(height, dtype=np.float32) + 0.5 - height / 2) / unit)[:, None].astype(np.float32)
    return Stage(width, height, direction, light, ramp, rng, u, v, unit, seconds, Enlarger(width, height))


class Painter(Protocol):
    """Paint frames."""

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame as scene light into an array of shape (3, height, width)."""
        ...


class Scene(Painter, Protocol):
    """Paint one family of films."""

    detail: ClassVar[float]
    sound: ClassVar[str]

    def __init__(self, stage: Stage) -> None:
        """Prepare everything that does not change from frame to frame."""
        ...
