"""The neon grid of the eighties: a sliced sun, wire mountains, a road of light."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, frac, strip
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.palette import table, tinted
from filmgate.renderer.points import Bloom, Stars
from filmgate.renderer.ridges import fade, fill, lookup
from filmgate.renderer.stage import Stage


class Grid:
    """Fly low over a glowing grid towards the sun."""

    detail: ClassVar[float] = 0.75
    sound: ClassVar[str] = "pad"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._bloom = Bloom(stage, 0.6, 0.3)
        self._horizon = stage.bottom * 0.12
        codes = ("#0a0320", "#2a0a52", "#8a1f7a", "#ff5fa2", "#ffd36e", "#ff2f8a", "#23d9ff")
        colours = [paint_light(code) for code in codes]
        tints = stage.direction.tints
        if tints:
            colours = [tinted(colour, tints[at % len(tints)], 0.7) for at, colour in enumerate(colours)]
        self._zenith, self._upper, self._low, self._pink, self._gold, self._line, self._cyan = colours
        self._disc = table([self._line, self._pink, self._gold], 256)
        self._stars = Stars(stage, 0.7)
        peaks = 1 - np.abs(strip(stage.rng, 4096, 1.4, 24))
        self._peaks = np.asarray(np.maximum(peaks, -0.2) * 0.075 + 0.05, np.float32)
        self._facet = strip(stage.rng, 4096, 0.9, 90)

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, horizon = self._stage, self._horizon
        sky = table([self._zenith, self._upper, self._low, self._pink], 512)
        place = np.clip((stage.v + stage.bottom) / (horizon + stage.bottom), 0, 1) ** 1.5
        image[:] = sky[:, (place * 430).astype(np.intp)]
        self._stars.paint(image, moment.time, 0.0, stage.row(horizon))
        self._sun(image, moment)
        self._mountains(image, moment)
        self._ground(image, moment)
        self._bloom.paint(image)

    def _sun(self, image: Field, moment: Moment) -> None:
        stage = self._stage
        radius = np.float32(0.17 * (1 + 0.25 * (moment.view.zoom - 1)))
        middle = self._horizon - float(radius) * 0.72
        u, v = stage.u + np.float32(moment.view.x * 0.12), stage.v - np.float32(middle)
        away = np.sqrt(u * u + v * v)
        cover = np.clip((radius - away) * np.float32(stage.unit) + 0.5, 0, 1)
        part = np.clip((v / radius + 1) * 0.5, 0, 1)
        # The slits widen downwards and creep, so the sun never stands still.
        phase = frac(part * 11 - np.float32(moment.time * 0.25))
        slit = np.clip((np.abs(phase - 0.5) - (0.5 - part * 0.3 + 0.06)) * 14, 0, 1)
        cover *= np.where(part > 0.42, 1 - slit, 1.0)
        halo = np.exp(-np.maximum(away - radius, 0) * 7) * np.float32(0.4)
        tone = self._disc[:, ((1 - part[:, 0]) * 255).astype(np.intp)][:, :, None] * np.float32(1.25)
        for channel in range(3):
            image[channel] += halo * self._line[channel] * 0.8
            image[channel] += (tone[channel] - image[channel]) * cover

    def _mountains(self, image: Field, moment: Moment) -> None:
        stage = self._stage
        u = stage.u[0] + np.float32(moment.view.x * 0.2)
        valley = np.clip((np.abs(u) - 0.14) * 3.2, 0.0, 1.25)
        height = lookup(self._peaks, u + 3, 420) * valley
        crest = stage.row(0.0) + (np.float32(self._horizon) - height) * np.float32(stage.unit)
        floor = int(np.clip(stage.row(self._horizon) + 2, 2, stage.height))
        dark = self._zenith * 0.8 + self._upper * 0.25
        body = fade(stage, dark, self._low * 0.5 + dark * 0.6, self._horizon - 0.12, self._horizon)
        fill(image, crest, body, floor)
        top = int(np.clip(crest.min() - 6, 0, floor))
        rows = np.arange(top, floor, dtype=np.float32)[:, None]
        line = np.exp(-(((rows - crest) / np.float32(max(0.9, stage.unit / 700))) ** 2)) * np.clip(
            height * 40, 0, 1
        )
        for channel in range(3):
            image[channel, top:floor] += line * self._cyan[channel] * np.float32(0.75)

    def _ground(self, image: Field, moment: Moment) -> None:
        stage, view = self._stage, moment.view
        top = int(np.clip(np.ceil(stage.row(self._horizon)), 1, stage.height - 1))
        below = np.maximum(stage.v[top:] - self._horizon, np.float32(0.4 / stage.unit))
        depth = np.float32(0.1) / below
        x = (stage.u + np.float32(view.x * 0.5)) * depth * 9
        along = depth * 9 - np.float32(0) + np.float32(moment.time * 1.5 + view.ahead * 3)
        pixel_x = depth * np.float32(9 / stage.unit)
        pixel_y = depth / below * np.float32(9 / stage.unit)
        across = np.abs(frac(x + 0.5) - 0.5)
        forward = np.abs(frac(along + 0.5) - 0.5)
        wide_x, wide_y = np.float32(0.022) + pixel_x * 0.8, np.float32(0.022) + pixel_y * 0.8
        line = np.exp(-((across / wide_x) ** 2)) * np.clip(0.04 / pixel_x, 0.12, 1)
        line = np.maximum(line, np.exp(-((forward / wide_y) ** 2)) * np.clip(0.04 / pixel_y, 0.04, 1))
        glow = np.exp(-across * 7) * 0.09 + np.exp(-forward * 7) * 0.09
        haze = np.exp(-below * 16)
        for channel in range(3):
            floor = self._zenith[channel] * 0.7 + self._upper[channel] * np.float32(0.18)
            tone = self._line[channel] * (1 - haze) * 0.75 + self._cyan[channel] * np.float32(0.22)
            body = floor + (line * 1.25 + glow) * tone
            image[channel, top:] = body + haze * (self._pink[channel] * np.float32(0.55) - body * 0.4)
