"""Reflect the painted upper frame in rippled water."""

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, sample, texture
from filmgate.renderer.scale import Enlarger
from filmgate.renderer.stage import Stage


class Ripples:
    """Hold moving ripples on a water plane below a horizon given in v."""

    def __init__(self, stage: Stage, horizon: float, scale: float = 1.0) -> None:
        self._stage = stage
        self.top = int(np.clip(round(stage.row(horizon)), 2, stage.height - 2))
        rows = stage.height - self.top
        self.rows = rows
        self.below = np.maximum(stage.v[self.top :] - horizon, np.float32(0.5 / stage.unit))
        depth = 1.0 / (self.below + np.float32(0.028))
        half = max(8, stage.width // 2)
        u = np.linspace(-stage.side, stage.side, half, dtype=np.float32)[None, :]
        self._x = u * depth * np.float32(62 * scale)
        self._y = depth * np.float32(150 * scale)
        # Waves too small to see turn into an even sheen instead of sparkle noise.
        self.calm = np.clip(self.below * 9, 0.12, 1.0).astype(np.float32)
        self._enlarge = Enlarger(stage.width, rows)
        self._tile = texture(stage.rng, 512, 1.55, 0.32)
        self._shift = stage.rng.random(4) * 512

    def field(self, moment: Moment, lane: int, speed: float = 1.0) -> Field:
        """Return ripple heights of shape (rows, width), about unit deviation."""
        time = moment.time * speed
        s = self._shift
        slide = moment.view.x * 40
        x = self._x + np.float32(s[lane] + time * (5.0 if lane else -4.0) + slide)
        y = self._y + np.float32(s[lane + 2] + time * 13.0 + moment.view.ahead * 30)
        broad = sample(self._tile, x, y)
        fine = sample(self._tile, x * 2.7 - np.float32(time * 6), y * 2.3 + np.float32(time * 9))
        broad += fine * np.float32(0.42)
        return self._enlarge(broad)


class Mirror:
    """Hold still water that shows the world upside down."""

    def __init__(self, stage: Stage, horizon: float, rough: float = 1.0) -> None:
        self._stage = stage
        self._ripples = Ripples(stage, horizon)
        self._rough = rough
        light = stage.light
        self._deep = np.asarray(light.zenith * 0.22 + light.shade * 0.45 + light.low * 0.04, np.float32)

    def paint(self, image: Field, moment: Moment) -> None:
        """Fill everything below the horizon with the reflection."""
        stage, ripples = self._stage, self._ripples
        top, rows = ripples.top, ripples.rows
        wave = ripples.field(moment, 0) * ripples.calm
        unit = np.float32(stage.unit)
        below = ripples.below * unit
        stir = wave * (below * np.float32(0.085 * self._rough) + np.float32(0.002) * unit)
        column = np.arange(stage.width, dtype=np.float32)[None, :] + stir * np.float32(0.35)
        column = np.clip(column, 0, stage.width - 1).astype(np.intp)
        base = np.float32(top - 1) - below * np.float32(0.92)
        first = np.clip(base + stir, 0, top - 1).astype(np.intp) * stage.width + column
        second = np.clip(base - stir * np.float32(0.7) - below * np.float32(0.05), 0, top - 1)
        other = second.astype(np.intp) * stage.width + column
        far = ripples.below / (stage.bottom * 2)
        strength = np.clip(0.86 - far * 0.75, 0.3, 1.0) + wave * np.float32(0.035)
        for channel in range(3):
            above = image[channel, :top].ravel()
            shown = above.take(first, mode="clip")
            shown += above.take(other, mode="clip")
            shown *= np.float32(0.5)
            deep = self._deep[channel]
            shown -= deep
            shown *= strength
            shown += deep
            image[channel, top : top + rows] = shown
