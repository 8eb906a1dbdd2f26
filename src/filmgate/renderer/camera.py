"""Move the camera as the prompt says."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from filmgate.renderer.noise import Field, ring_at, strip


@dataclass(frozen=True, slots=True)
class View:
    """Hold where the camera is: x and y in frame units, zoom as a factor, roll in radians."""

    x: float
    y: float
    zoom: float
    roll: float
    ahead: float


class Camera:
    """Turn camera words into a view for each moment of the film."""

    def __init__(self, moves: tuple[str, ...], seconds: float, rng: Generator) -> None:
        self._moves = moves or ("drift",)
        self._seconds = max(seconds, 0.05)
        self._side = 1.0 if rng.random() < 0.5 else -1.0
        self._shake: tuple[Field, ...] = tuple(strip(rng, 1024, 1.6, 24) for _ in range(3))

    def view(self, time: float) -> View:
        """Return the view at a time in seconds."""
        part = time / self._seconds
        # Long films travel further, short ones never hurry.
        reach = min(1.0, 0.35 + self._seconds / 12)
        eased = part * part * (3 - 2 * part) * 0.5 + part * 0.5
        x = y = roll = ahead = 0.0
        zoom = 1.0
        for move in self._moves[:3]:
            dx, dy, dz, dr, da = self._step(move, eased, time, reach)
            x, y, zoom, roll, ahead = x + dx, y + dy, zoom * math.exp(dz), roll + dr, ahead + da
        return View(x, y, zoom, roll, ahead)

    def _step(self, move: str, part: float, time: float, reach: float) -> tuple[float, ...]:
        centred = part - 0.5
        swing = {
            "drift": (self._side * 0.1 * centred * reach, 0.0, 0.07 * part * reach, 0.0, 0.3 * part),
            "static": (0.0, 0.0, 0.0, 0.0, 0.0),
            "pan_left": (-0.55 * centred * reach, 0.0, 0.02, 0.0, 0.0),
            "pan_right": (0.55 * centred * reach, 0.0, 0.02, 0.0, 0.0),
            "push": (0.0, 0.0, 0.34 * part * reach, 0.0, 1.0 * part * reach),
            "pull": (0.0, 0.0, 0.34 * (1 - part) * reach, 0.0, 1.0 * (1 - part) * reach),
            "zoom": (0.0, 0.0, 0.5 * part * reach, 0.0, 0.4 * part * reach),
            "crane": (0.04 * centred, -0.16 * centred * reach, 0.03 * part, 0.0, 0.2 * part),
            "drone": (
                self._side * 0.12 * centred,
                -0.1 * centred * reach,
                0.2 * part * reach,
                0.0,
                0.8 * part,
            ),
            "orbit": (self._side * 0.4 * centred * reach, 0.0, 0.03, self._side * 0.5 * part * reach, 0.1),
        }
        if move == "handheld":
            at = np.array([time * 9.0], np.float32)
            sway = [float(ring_at(ring, at)[0]) for ring in self._shake]
            return sway[0] * 0.006, sway[1] * 0.005, 0.03, sway[2] * 0.003, 0.2 * part
        return swing.get(move, swing["drift"])


@dataclass(frozen=True, slots=True)
class Moment:
    """Hold one frame's time: seconds of the scene's own clock, part of the film, and view."""

    time: float
    part: float
    view: View
