"""Sand dunes, wind over their crests."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment, View
from filmgate.renderer.noise import Field, between, sample, smoothstep, strip, texture
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.palette import table
from filmgate.renderer.ridges import Plane, lookup
from filmgate.renderer.sky import Sky
from filmgate.renderer.stage import Stage

_RING = 4096
_PER_UNIT = 512.0


class _Dune:
    """Hold one dune: a crest, a lit flank, a shaded flank, ripples in the sand."""

    def __init__(self, stage: Stage, rank: float, horizon: float, side: float) -> None:
        rng = stage.rng
        self._stage, self._side = stage, side
        self._plane = Plane(0.12 + 0.95 * rank, horizon)
        self._rank = rank
        tall = 0.035 + 0.13 * rank
        broad = strip(rng, _RING, 2.2, 3 + round(5 * (1 - rank)))
        second = strip(rng, _RING, 2.0, 9)
        self._crest = np.asarray((broad * 0.55 + 0.35 * (1 - np.abs(second)) * 0.5) * tall, np.float32)
        # The slope is taken over a stretch as long as a dune is tall, for the ridge itself has kinks.
        reach = max(16, round(tall * _PER_UNIT))
        bell = np.hanning(2 * reach + 1) / reach
        ringed = np.pad(np.gradient(self._crest) * _PER_UNIT, reach, mode="wrap")
        self._slope = np.asarray(np.convolve(ringed, bell, "valid"), np.float32)
        # The brink wanders below the outline and parts light from shade.
        brink = strip(rng, _RING, 1.9, 7)
        self._brink = np.asarray((brink * 0.9 + 0.15) * tall * 1.5, np.float32)
        self._shaded = smoothstep(-0.1, 0.5, self._brink * 12 + 0.3)
        self._foot = horizon + 0.015 + (stage.bottom * 0.9 - horizon) * rank**1.4
        self._tile = texture(rng, 512, 1.6, 0.5)
        self._lut = self._colours()
        self._seed = rng.random(4) * 500

    def _colours(self) -> Field:
        light = self._stage.light
        sand = paint_light("#e0a064") * 0.5 + light.ground * 0.5
        warm = light.glow * 0.5 + light.sun * (0.12 if light.moon else 0.3)
        lit = sand * (warm * 1.0 + 0.12) * 0.9 + warm * 0.12
        mid = sand * (warm * 0.4 + light.upper * 0.3 + 0.05)
        dark = light.shade * 0.55 + mid * 0.22
        veil = light.haze * 0.6 + light.horizon * 0.25
        haze = 0.62 * (1 - self._rank) ** 1.5 + 0.03
        stops = [dark, dark * 0.6 + mid * 0.4, mid, mid * 0.4 + lit * 0.6, lit, lit * 1.25]
        return table([stop + (veil - stop) * np.float32(haze) for stop in stops], 512)

    def crest(self, view: View) -> Field:
        """Return the outline in pixel rows."""
        stage, plane = self._stage, self._plane
        height = lookup(self._crest, plane.u(stage, view) + np.float32(2), _PER_UNIT)
        return stage.row(0.0) + np.asarray(plane.v(self._foot - height, view), np.float32) * np.float32(
            stage.unit
        )

    def paint(self, image: Field, moment: Moment, hidden: float) -> None:
        """Paint the dune down to the row where the next one hides it."""
        stage, plane, view = self._stage, self._plane, moment.view
        place = plane.u(stage, view) + np.float32(2)
        unit = np.float32(stage.unit)
        crest = self.crest(view)
        top = int(np.clip(np.floor(crest.min()) - 1, 0, stage.height))
        low = int(np.clip(np.ceil(hidden) + 2, top, stage.height))
        if low <= top:
            return
        rows = np.arange(top, low, dtype=np.float32)[:, None]
        below = (rows - crest) / (unit * np.float32(plane.scale(view)))
        tone = self._tone(below, place)
        cover = np.clip(rows - crest + 0.5, 0, 1)
        index = np.clip(tone * 511, 0, 511).astype(np.intp)
        for channel in range(3):
            area = image[channel, top:low]
            area += (self._lut[channel].take(index, mode="clip") - area) * cover

    def _tone(self, below: Field, place: Field) -> Field:
        """Light the sand: shade under the wandering brink, ripples along the lit flank."""
        rank = np.float32(0.25 + self._rank)
        brink = lookup(self._brink, place, _PER_UNIT)
        # Faces lean away from the sun as they run down; straight down they would show as bands.
        lean = place + below * np.float32(0.9 * self._side)
        lean = (lean * np.float32(_PER_UNIT)).astype(np.intp) & (_RING - 1)
        tilt = self._slope.take(lean, mode="clip")
        tilt *= np.exp(below * np.float32(-3))
        s = self._seed
        stretch = np.minimum(1.0 / (np.maximum(below, 0) * 6 + 0.25 * rank), 1.2)
        x = place * np.float32(150) / rank + np.float32(s[0])
        y = below * np.float32(420) / rank + np.float32(s[1])
        warp = between(sample(self._tile, x * 0.25, (y * 0.2)[::2]), below.shape[0])
        ripple = np.sin((below * 330 / rank - place * 70 / rank * np.float32(self._side)) + warp * 3.2)
        fine = sample(self._tile, x * 1.7 + warp * 4, y * 1.4)
        edge = below - brink + warp * np.float32(0.012) * rank
        soft = np.float32(0.006 + 0.02 * self._rank)
        shadow = smoothstep(-1.0, 1.0, edge / soft)
        shadow *= self._shaded.take(lean, mode="clip")
        side = np.float32(self._side)
        flank = 0.68 - tilt * side * np.float32(0.5) - below * np.float32(0.55)
        lit = flank + ripple * np.float32(0.035) * stretch + warp * 0.045 + fine * 0.02
        dark = 0.12 + ripple * np.float32(0.012) + warp * 0.02 + below * 0.12
        rim = np.exp(-below * np.float32(90) / rank) * np.float32(0.16)
        shadow -= 1
        shadow *= np.float32(-0.82)
        dark -= lit
        dark *= shadow
        dark += lit
        dark += rim
        return dark


class Dunes:
    """Six dunes from haze to foreground, a low sun, sand blowing."""

    detail: ClassVar[float] = 0.7
    sound: ClassVar[str] = "wind"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        horizon = stage.bottom * 0.12
        weather = stage.direction.weather
        clouds = None if weather & {"clouds", "storm", "rain"} else 0.22
        self._sky = Sky(stage, horizon, clouds)
        side = 1.0 if self._sky.sun_u > 0 else -1.0
        self._dunes = [_Dune(stage, rank, horizon, side) for rank in (0.0, 0.16, 0.36, 0.62, 1.0)]
        self._tile = texture(stage.rng, 256, 1.3, 0.4)
        self._soft = stage.coarse(4)

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        self._sky.paint(image, moment)
        hidden = [float(dune.crest(moment.view).max()) for dune in self._dunes[1:]]
        hidden.append(float(self._stage.height))
        for dune, row in zip(self._dunes, hidden, strict=True):
            dune.paint(image, moment, row)
        self._blow(image, moment)

    def _blow(self, image: Field, moment: Moment) -> None:
        """Veil the sand with low, fast streaks of dust."""
        soft, stage = self._soft, self._stage
        x = soft.u * np.float32(60) + np.float32(moment.time * 34)
        y = soft.v * np.float32(420) + np.sin(soft.u * 5) * np.float32(12)
        dust = sample(self._tile, x, y) + 0.6 * sample(
            self._tile, x * 1.9 + np.float32(moment.time * 21), y * 0.7
        )
        low = smoothstep(stage.bottom * 0.1, stage.bottom * 0.5, soft.v)
        veil = stage.enlarge(np.clip(dust * 0.5 - 0.15, 0, 1) * low * np.float32(0.24))
        tone = stage.light.haze * 0.5 + stage.light.horizon * 0.5
        for channel in range(3):
            image[channel] += (tone[channel] - image[channel]) * veil
