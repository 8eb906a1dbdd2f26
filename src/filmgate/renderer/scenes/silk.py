"""Folds of silk, ribbons and soft abstract shapes."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field
from filmgate.renderer.stage import Stage


class Silk:
    """Cloth whose folds slide over one another."""

    detail: ClassVar[float] = 0.6
    sound: ClassVar[str] = "pad"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        rng = stage.rng
        self._phase = rng.random(16) * 6.28
        self._freq = 0.85 + rng.random(16) * 0.4
        self._turn = rng.random() * 6.28
        shiny = stage.direction.mentions("satin", "chrome", "liquid", "metal", "metallic")
        self._shine = 0.9 if shiny else 0.55

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, view = self._stage, moment.view
        turn = self._turn + view.roll
        zoom = np.float32(3.4 / view.zoom)
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        u, v = stage.u * zoom + np.float32(view.x * 2.5), stage.v * zoom - np.float32(view.y * 2.5)
        x, y = u * cos - v * sin, u * sin + v * cos
        height = self._folds(x, y, moment.time * 0.34)
        self._shade(image, height)

    def _folds(self, x: Field, y: Field, time: float) -> Field:
        p, f = self._phase, self._freq
        for step in range(4):
            scale = np.float32(f[step] * (0.9 + 0.55 * step))
            push = np.float32(0.85 / (1 + 0.55 * step))
            x = x + push * np.sin(scale * y + np.float32(p[step] + time * (1 + 0.21 * step)))
            y = y + push * np.float32(0.8) * np.sin(
                scale * np.float32(1.13) * x + np.float32(p[step + 4] - time * (0.83 + 0.17 * step))
            )
        fold = np.sin(x * np.float32(1.9) + y * np.float32(0.55) + np.float32(p[8]))
        soft = np.sin(y * np.float32(1.1) - x * np.float32(0.4) + np.float32(p[9] + time * 0.7))
        fine = np.sin(x * np.float32(5.2) + y * np.float32(2.1) + np.float32(p[10]))
        return fold + soft * np.float32(0.55) + fine * np.float32(0.06)

    def _shade(self, image: Field, height: Field) -> None:
        stage = self._stage
        unit = np.float32(stage.unit / 9.0)
        slope_x = np.empty_like(height)
        slope_x[:, 1:] = (height[:, 1:] - height[:, :-1]) * unit
        slope_x[:, 0] = slope_x[:, 1]
        slope_y = np.empty_like(height)
        slope_y[1:] = (height[1:] - height[:-1]) * unit
        slope_y[0] = slope_y[1]
        normal = 1.0 / np.sqrt(slope_x * slope_x + slope_y * slope_y + np.float32(0.55))
        facing = (slope_x * np.float32(-0.52) + slope_y * np.float32(-0.62) + np.float32(0.5)) * normal
        body = np.clip(facing * np.float32(0.5) + np.float32(0.36) + height * np.float32(0.075), 0, 1)
        tone = (body * body * (3 - 2 * body)) * np.float32(0.86)
        index = (tone * np.float32(stage.ramp.shape[1] - 1)).astype(np.intp)
        half = (slope_x * np.float32(-0.38) + slope_y * np.float32(-0.3) + np.float32(0.62)) * normal
        gloss = np.clip(half, 0, 1)
        gloss = gloss * gloss
        gloss = gloss * gloss
        gloss = gloss * gloss * gloss * np.float32(self._shine)
        bright = stage.ramp[:, -1]
        for channel in range(3):
            image[channel] = stage.ramp[channel].take(index, mode="clip")
            image[channel] += gloss * bright[channel] * np.float32(0.35)
