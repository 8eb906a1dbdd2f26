"""Flight above a sea of clouds."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, sample, smoothstep, strip, texture
from filmgate.renderer.ridges import Plane, lookup
from filmgate.renderer.sky import Sky
from filmgate.renderer.stage import Stage

_RING = 4096
_PER_UNIT = 512.0


class _Bank:
    """Hold one bank of cloud with a puffy upper edge."""

    def __init__(self, stage: Stage, rank: float, horizon: float) -> None:
        rng = stage.rng
        self._stage, self._rank = stage, rank
        self._plane = Plane(0.1 + 0.9 * rank, horizon)
        tall = 0.02 + 0.085 * rank
        broad = strip(rng, _RING, 1.9, 4)
        puffs = [np.abs(strip(rng, _RING, 2.2, low)) for low in (14, 34, 80)]
        outline = broad * 0.42 + puffs[0] * 0.5 + puffs[1] * 0.24 + puffs[2] * 0.11 - 0.35
        self._crest = np.asarray(outline * tall, np.float32)
        self._foot = horizon + 0.01 + (stage.bottom * 0.98 - horizon) * rank**1.35
        self._tile = texture(rng, 512, 1.6, 0.4)
        self._shift = rng.random(2) * 512
        light = stage.light
        haze = np.float32(0.7 * (1 - rank) ** 1.4)
        veil = light.haze * 0.5 + light.horizon * 0.5
        power = 0.45 if light.moon else 1.0
        top = light.horizon * 0.42 * power + light.glow * 0.42 * power + light.sun * 0.12 * power
        low = light.upper * 0.52 + light.zenith * 0.3 + light.haze * 0.14
        self._top = np.asarray(top + (veil - top) * haze, np.float32)
        self._low = np.asarray(low + (veil - low) * haze, np.float32)

    def paint(self, image: Field, moment: Moment, sun_u: float) -> None:
        """Paint the bank and all below it."""
        stage, plane, view, rank = self._stage, self._plane, moment.view, self._rank
        u = plane.u(stage, view) + np.float32(moment.time * (0.004 + 0.02 * rank))
        height = lookup(self._crest, u, _PER_UNIT)
        unit = np.float32(stage.unit)
        crest = stage.row(0.0) + np.asarray(plane.v(self._foot - height, view), np.float32) * unit
        top = int(np.clip(np.floor(crest.min()) - unit * 0.02, 0, stage.height))
        if top >= stage.height:
            return
        rows = np.arange(top, stage.height, dtype=np.float32)[:, None]
        below = (rows - crest) / unit
        scale = np.float32(0.4 + 0.9 * rank)
        x = u * np.float32(240) / scale + np.float32(self._shift[0])
        y = below * np.float32(330) / scale + np.float32(self._shift[1] - moment.time * 1.5)
        billow = sample(self._tile, x, y)
        frayed = below + billow * np.float32(0.007) * scale
        soft = np.float32(0.004 + 0.008 * rank)
        cover = smoothstep(-1.0, 1.0, frayed / soft)
        lit = np.exp(-np.maximum(below, 0) / (np.float32(0.045) * scale))
        lit = lit * 0.85 + np.clip(billow * 0.14 + 0.1, -0.1, 0.4)
        near_sun = np.exp(-(((stage.u - sun_u) / 0.45) ** 2)) * np.float32(0.35) + np.float32(0.75)
        lit = np.clip(lit * near_sun, 0, 1.35)
        for channel in range(3):
            area = image[channel, top:]
            tone = self._low[channel] + (self._top[channel] - self._low[channel]) * lit
            area += (tone - area) * cover


class Clouds:
    """Banks of cloud under an open sky."""

    detail: ClassVar[float] = 0.6
    sound: ClassVar[str] = "wind"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        horizon = stage.bottom * 0.08
        weather = stage.direction.weather
        self._sky = Sky(stage, horizon, 0.12 if "clear" in weather else 0.34)
        self._banks = [_Bank(stage, rank, horizon) for rank in (0.0, 0.12, 0.27, 0.46, 0.7, 1.0)]

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        self._sky.paint(image, moment)
        sun_u, _ = self._sky.sun_place(moment)
        for bank in self._banks:
            bank.paint(image, moment, sun_u)
