"""Northern lights over mountains and still water."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.mirror import Mirror
from filmgate.renderer.noise import Field, ring_at, strip
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.palette import tinted
from filmgate.renderer.points import Stars
from filmgate.renderer.ridges import fade
from filmgate.renderer.stage import Stage
from filmgate.renderer.terrain import Massif, Shape, Trees

_RING = 2048


class Aurora:
    """Three curtains of light that fold and shimmer."""

    detail: ClassVar[float] = 0.7
    sound: ClassVar[str] = "night"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        rng = stage.rng
        horizon = stage.bottom * 0.42
        self._horizon = horizon
        self._stars = Stars(stage, 1.1)
        self._soft = stage.coarse(2)
        self._folds = [strip(rng, _RING, 1.9, 3) for _ in range(6)]
        self._rays = [strip(rng, _RING, 0.75, 30) for _ in range(6)]
        self._glow = [strip(rng, _RING, 1.5, 4) for _ in range(3)]
        tall = 1.0 if stage.side > stage.bottom else 1.2
        self._range = Massif(stage, Shape(0.17 * tall, 0.2, 0.35, 0.5, -0.01), horizon, 1.0)
        self._shore = Trees(stage, 0.05, 0.5, horizon + 0.004, 6)
        self._mirror = Mirror(stage, horizon, 0.8)
        low, high = paint_light("#3df5a0"), paint_light("#9a4fe0")
        options = (
            (low, high),
            (paint_light("#5ff0c8"), paint_light("#d24fb0")),
            (low, paint_light("#4f8ff0")),
        )
        low, high = options[int(rng.integers(3))]
        tints = stage.direction.tints
        if tints:
            low = tinted(low, tints[0], 0.85)
            high = tinted(high, tints[-1], 0.75)
        self._low, self._high = low, high
        self._zenith, self._base = paint_light("#050a1c"), paint_light("#123049")

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, light = self._stage, self._stage.light
        image[:] = fade(stage, self._zenith, self._base, -stage.bottom, self._horizon)
        self._stars.paint(image, moment.time, -moment.view.x * 0.1, stage.row(self._horizon))
        self._curtains(image, moment)
        self._range.paint(image, moment.view, self._horizon + 0.01, 0.5)
        dark = light.shade * 0.6 + self._low * 0.015
        self._shore.paint(image, moment.view, fade(stage, dark, dark, 0.0, 1.0))
        self._mirror.paint(image, moment)

    def _curtains(self, image: Field, moment: Moment) -> None:
        soft = self._soft
        rows = int(np.clip(soft.row(self._horizon + 0.02), 4, soft.height))
        v = soft.v[:rows]
        u = soft.u[0] / np.float32(1 + (moment.view.zoom - 1) * 0.4) + np.float32(moment.view.x * 0.3)
        low = np.zeros((soft.height, soft.width), np.float32)
        high = np.zeros_like(low)
        span = self._horizon + self._stage.bottom
        for curtain in range(3):
            self._curtain(curtain, moment.time, u, v, (low[:rows], high[:rows], span))
        wide_low, wide_high = self._stage.enlarge(low), self._stage.enlarge(high)
        for channel in range(3):
            image[channel] += wide_low * self._low[channel]
            image[channel] += wide_high * self._high[channel]

    def _curtain(self, which: int, time: float, u: Field, v: Field, onto: tuple[Field, Field, float]) -> None:
        low, high, span = onto
        wave = ring_at(self._folds[which], (u * 210 + which * 500 + time * 6.0).astype(np.float64))
        sway = ring_at(self._folds[which + 3], (u * 330 - time * 9.0).astype(np.float64))
        # Where the curtain turns towards us it is seen edge on and shines brighter.
        steep = np.abs(np.gradient(wave + 0.5 * sway)) * np.float32(self._soft.unit)
        place = u * 420 + wave * 60 + time * 11
        rays = ring_at(self._rays[which], place.astype(np.float64))
        other = ring_at(self._rays[which + 3], (place * 1.3 - time * 22).astype(np.float64))
        foot = (
            self._horizon - span * (0.24 + 0.15 * which) + (wave * 0.085 + sway * 0.03 + rays * 0.02) * span
        )
        patch = ring_at(self._glow[which], (u * 160 + time * 5 + which * 700).astype(np.float64))
        bright = np.clip(0.36 + 0.15 * rays + 0.12 * other + 0.3 * patch, 0.02, 1.5) * (
            0.62 + 0.08 * np.minimum(steep, 9)
        )
        bright = bright * (1.0, 0.75, 0.5)[which]
        reach = span * (0.2 + 0.05 * np.clip(rays + patch, -1.5, 2.5)) * (1 + 0.2 * which)
        up = foot - v
        edge = np.clip(up / np.float32(0.085 * span) + 0.5, 0, 1)
        body = np.exp(-np.maximum(up, 0) / reach) * edge * edge * (bright * 1.0)
        veil = np.exp(-((up / (span * 0.3)) ** 2)) * (0.004 + bright * 0.008)
        low += body * np.exp(-np.maximum(up, 0) / (reach * 0.7)) + veil
        high += body * np.clip(np.maximum(up, 0) / reach, 0, 1.4) * 0.95
