"""Open sea and still lakes."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.mirror import Mirror, Ripples
from filmgate.renderer.noise import Field, smoothstep
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.ridges import fade
from filmgate.renderer.sky import Sky
from filmgate.renderer.stage import Stage
from filmgate.renderer.terrain import Massif, Shape, Trees, saddle


class Sea:
    """Waves to the horizon with the sun's road on them."""

    detail: ClassVar[float] = 0.7
    sound: ClassVar[str] = "surf"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        horizon = -stage.bottom * 0.04
        self._horizon = horizon
        self._sky = Sky(stage, horizon)
        self._rough = 1.5 if stage.direction.weather & {"storm", "wind"} else 1.0
        self._ripples = Ripples(stage, horizon, 0.8 if self._rough > 1 else 1.0)
        light = stage.light
        water = paint_light("#0f4f6a") * (0.25 if light.moon else 0.8)
        self._deep = np.asarray(light.zenith * 0.3 + water * 0.55 + light.shade * 0.12, np.float32)

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, ripples = self._stage, self._ripples
        self._sky.paint(image, moment)
        top = ripples.top
        wave = ripples.field(moment, 0)
        slope = np.empty_like(wave)
        slope[1:] = wave[1:] - wave[:-1]
        slope[0] = slope[1]
        # Rows crowd together towards the horizon, so the slope is taken per distance, not per row.
        slope *= np.float32(stage.unit / 220) / (0.35 + 2.2 * ripples.below)
        slope = np.clip(slope * np.float32(self._rough), -2.0, 2.0)
        below = ripples.below
        seen = np.clip(below * 0.75 + 0.05 + slope * 0.17 * ripples.calm, 0.005, 2.0)
        fresnel = np.clip(0.9 - below * 1.15 - slope * 0.28 * ripples.calm, 0.14, 0.97)
        mirrored = self._sky.colour_at(seen)
        swell = np.clip(1.0 + wave * 0.16, 0.4, 1.6)
        area = image[:, top:]
        for channel in range(3):
            deep = swell * self._deep[channel]
            area[channel] = deep + (mirrored[channel] - deep) * fresnel
        if self._sky.sun:
            self._glitter(area, moment, wave, slope)
        if self._rough > 1:
            foam = smoothstep(1.5, 2.5, wave + slope * 0.4) * np.clip(below * 5, 0, 0.75)
            tone = stage.light.horizon * 0.7 + stage.light.haze * 0.3
            for channel in range(3):
                area[channel] += (tone[channel] - area[channel]) * foam
        self._soften(image, top)

    def _glitter(self, area: Field, moment: Moment, wave: Field, slope: Field) -> None:
        stage, light, below = self._stage, self._stage.light, self._ripples.below
        sun_u, sun_v = self._sky.sun_place(moment)
        wide = 0.035 + below * 0.3 + 0.06 * max(0.0, self._horizon - sun_v)
        across = (stage.u - sun_u) / wide
        road = np.exp(-across * across)
        spark = smoothstep(0.15, 1.5, slope + wave * 0.35) + 0.14
        shine = road * spark * np.float32(0.55 if light.moon else 1.25) / (0.75 + below * 2.0)
        tone = light.glow * 0.55 + light.sun * 0.45
        for channel in range(3):
            area[channel] += shine * tone[channel]

    def _soften(self, image: Field, top: int) -> None:
        """Let the horizon melt a little, as air does."""
        reach = max(2, round(self._stage.unit * 0.006))
        for offset in range(reach):
            part = np.float32(0.5 * (1 - offset / reach))
            row = min(top + offset, self._stage.height - 1)
            image[:, row] += (image[:, max(0, top - 2)] - image[:, row]) * part


class Lake:
    """Mountains and woods doubled in still water."""

    detail: ClassVar[float] = 0.7
    sound: ClassVar[str] = "wind"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        told = stage.direction
        horizon = stage.bottom * 0.2
        self._horizon = horizon
        self._sky = Sky(stage, horizon - 0.02)
        side = 1.0 if self._sky.sun_u > 0 else -1.0
        tall = 1.0 if stage.side > stage.bottom else 1.3
        snow = 0.75 if told.mentions("snow", "snowy", "alps", "alpine", "winter", "glacier") else 0.35
        low = not told.mentions("mountain", "mountains", "alps", "alpine", "peaks", "fjord", "peak")
        size = 0.6 if low and stage.rng.random() < 0.5 else 1.0
        self._ranges = [
            Massif(stage, Shape(0.34 * tall * size, 0.14, 0.5, snow, -0.012), horizon, side),
            Massif(stage, Shape(0.25 * tall * size, 0.26, 0.24, snow * 0.8, -0.008, 0.9), horizon, side),
            Massif(stage, Shape(0.075 * tall, 0.42, 0.22, 0.0, 0.0, 0.4), horizon, side),
        ]
        self._sky.move_sun(*saddle(stage, self._ranges, side))
        self._shore = Trees(stage, 0.032, 0.5, horizon + 0.004, 7)
        rough = 1.8 if told.mentions("river", "stream", "fluss") or told.weather & {"wind", "storm"} else 1.0
        self._mirror = Mirror(stage, horizon, rough)
        self._near = Trees(stage, 0.3, 1.3, stage.bottom * 1.12, 0.9)

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, light = self._stage, self._stage.light
        self._sky.paint(image, moment)
        for place, rank in enumerate(self._ranges):
            rank.paint(image, moment.view, self._horizon + 0.01, (0.75, 0.6, 0.45)[place])
        dark = light.shade * 0.8 + light.haze * 0.14
        tone = fade(stage, dark, dark * 0.8 + light.haze * 0.3, self._horizon - 0.04, self._horizon)
        self._shore.paint(image, moment.view, tone)
        self._mirror.paint(image, moment)
