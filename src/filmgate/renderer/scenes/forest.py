"""Spruce forests in fog, and the same woods under snow."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, sample, smoothstep, texture
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.palette import snowy
from filmgate.renderer.ridges import fade
from filmgate.renderer.sky import Sky
from filmgate.renderer.stage import Stage
from filmgate.renderer.terrain import Massif, Shape, Trees


class _Veil:
    """Hold fog that hangs between two rows of trees."""

    def __init__(self, stage: Stage, height: float, depth: float) -> None:
        self._stage = stage
        self._soft = stage.coarse(5)
        self._tile = texture(stage.rng, 256, 1.8, 0.25)
        self._where = np.exp(-(((self._soft.v - height) / depth) ** 2)).astype(np.float32)
        self._shift = stage.rng.random(2) * 256
        ends = [int(np.clip(stage.row(height + side * 2.1 * depth), 0, stage.height)) for side in (-1, 1)]
        self._rows = slice(ends[0], ends[1])

    def paint(self, image: Field, moment: Moment, tone: Field, amount: float) -> None:
        """Veil what has been painted so far."""
        soft = self._soft
        x = soft.u * np.float32(55) + np.float32(self._shift[0] + moment.time * 2.6 + moment.view.x * 40)
        y = soft.v * np.float32(190) + np.float32(self._shift[1])
        cloud = sample(self._tile, x, y) + 0.5 * sample(
            self._tile, x * 2.3 + np.float32(moment.time * 1.7), y * 1.7
        )
        cover = np.clip((cloud * 0.34 + 0.5) * self._where * np.float32(amount), 0, 0.96)
        wide = self._stage.enlarge(cover)[self._rows]
        for channel in range(3):
            area = image[channel, self._rows]
            area += (tone[channel] - area) * wide


class Forest:
    """Rows of spruces paling into fog."""

    detail: ClassVar[float] = 0.72
    sound: ClassVar[str] = "wind"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        bottom = stage.bottom
        self._sky = Sky(stage, bottom * 0.3, clouds=0.15)
        rows = 6
        self._soft = stage.coarse(5)
        self._rows: list[Trees] = []
        self._veils: list[_Veil] = []
        for row in range(rows):
            part = row / (rows - 1)
            size = 0.075 + 0.3 * part**1.6
            foot = -bottom * 0.12 + bottom * 1.42 * part**1.15
            self._rows.append(
                Trees(stage, size, 0.16 + 1.1 * part**1.4, foot + size * 0.25, 6.0 - 2.8 * part)
            )
            self._veils.append(_Veil(stage, foot + size * 0.3, 0.1 + 0.12 * part))
        light = stage.light
        green = paint_light("#16302a") * (0.3 if light.moon else 0.75) + light.shade * 0.25
        fog = light.haze * 0.55 + light.horizon * 0.45
        self._fog = np.asarray(fog, np.float32)
        self._tones: list[Field] = []
        for row in range(rows):
            depth = 1 - row / (rows - 1)
            thick = 0.86 * depth**1.15
            self._tones.append(
                np.asarray(green * (1 - thick) * 0.7 + (fog * 0.9 + light.low * 0.1) * thick, np.float32)
            )

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, bottom = self._stage, self._stage.bottom
        self._sky.paint(image, moment)
        last = len(self._rows) - 1
        for row, (trees, veil, tone) in enumerate(zip(self._rows, self._veils, self._tones, strict=True)):
            part = row / last
            start = -bottom * 0.3 + bottom * 1.1 * part
            low = tone + (self._fog - tone) * np.float32(0.7 * (1 - part) ** 1.4 + 0.03)
            trees.paint(image, moment.view, fade(stage, tone, low, start, start + 0.35))
            if row == last - 2:
                self._shafts(image, moment)
            if row < last:
                veil.paint(image, moment, self._fog, 0.72 - 0.42 * part)

    def _shafts(self, image: Field, moment: Moment) -> None:
        """Let the low sun reach into the fog."""
        if not self._sky.sun or self._stage.light.moon:
            return
        u, v = self._sky.sun_place(moment)
        soft = self._soft
        away = np.hypot(soft.u - u, soft.v - v)
        angle = np.arctan2(soft.v - v, soft.u - u)
        ray = 0.6 + 0.4 * np.sin(angle * 23 + moment.time * 0.15) * np.sin(angle * 41 - moment.time * 0.1)
        glow = self._stage.enlarge((np.exp(-away * 3.4) * ray * 0.34).astype(np.float32))
        for channel in range(3):
            image[channel] += glow * self._stage.light.glow[channel]


class Snow:
    """Snowfields, white woods, falling flakes."""

    detail: ClassVar[float] = 0.66
    sound: ClassVar[str] = "wind"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        bottom = stage.bottom
        self._horizon = bottom * 0.28
        self._sky = Sky(stage, self._horizon, clouds=0.5)
        side = 1.0 if self._sky.sun_u > 0 else -1.0
        self._range = Massif(stage, Shape(0.24, 0.15, 0.45, 0.95, -0.01), self._horizon, side)
        self._rows = [
            Trees(stage, 0.06, 0.3, bottom * 0.36, 7),
            Trees(stage, 0.11, 0.5, bottom * 0.52, 4),
            Trees(stage, 0.22, 0.85, bottom * 0.8, 1.6),
        ]
        self._tile = texture(stage.rng, 512, 2.0, 0.2)
        self._soft = stage.coarse(4)
        light = stage.light
        white = (
            light.horizon * 0.3
            + light.haze * 0.3
            + (light.upper * 0.4 + light.sun * 0.25) * (0.6 if light.moon else 1)
        )
        blue = light.upper * 0.55 + light.haze * 0.45
        if stage.direction.time == "dusk":
            white, blue = snowy(white) * 1.1, snowy(blue, 0.5)
        self._white = np.asarray(white * (0.95 if light.moon else 1.0), np.float32)
        self._blue = np.asarray(blue, np.float32)

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, light, bottom = self._stage, self._stage.light, self._stage.bottom
        self._sky.paint(image, moment)
        self._range.paint(image, moment.view, self._horizon + 0.06, 0.9)
        fog = light.haze * 0.6 + light.horizon * 0.4
        for row, trees in enumerate(self._rows):
            thick = (0.72, 0.42, 0.12)[row]
            tone = (light.shade * 0.9 + self._blue * 0.12) * (1 - thick) + fog * thick
            start = (0.2, 0.3, 0.45)[row] * bottom
            foot = (0.36, 0.52, 0.8)[row] * bottom
            snow = self._white * (0.8 - 0.1 * row) + fog * 0.2
            floor = int(np.clip(stage.row(foot + 0.08), 0, stage.height))
            trees.paint(image, moment.view, fade(stage, tone, tone * 0.7 + snow * 0.3, start, foot), floor)
            self._field(image, moment, foot - (0.012, 0.016, 0.03)[row], snow)

    def _field(self, image: Field, moment: Moment, foot: float, snow: Field) -> None:
        """Cover the feet of the trees with a soft snowfield."""
        stage = self._stage
        soft = self._soft
        near = np.float32(0.4 + foot / stage.bottom)
        x = soft.u * 60 * np.float32(1 / near) + np.float32(moment.view.x * 60 + foot * 900)
        y = (soft.v - foot) * 190
        drift = sample(self._tile, x, y)
        shape = sample(self._tile, x * 0.6, np.zeros_like(x) + np.float32(foot * 500))
        cover = smoothstep(0.0, 0.05, soft.v - foot - shape * np.float32(0.012))
        lit = np.clip(0.72 + drift * 0.16, 0, 1.15)
        cover, lit = stage.enlarge(cover), stage.enlarge(lit)
        for channel in range(3):
            tone = self._blue[channel] * 0.7 + (snow[channel] - self._blue[channel] * 0.7) * lit
            image[channel] += (tone - image[channel]) * cover
