"""Build mountain ranges and tree lines that several scenes share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filmgate.renderer.camera import View
from filmgate.renderer.noise import Field, sample, smoothstep, strip, texture
from filmgate.renderer.palette import snowy, table
from filmgate.renderer.ridges import Plane, fill, lookup
from filmgate.renderer.stage import Stage

_RING = 8192
_PER_UNIT = 1024.0
_DEPTH = 256
_DEPTH_UNITS = 0.42


@dataclass(frozen=True, slots=True)
class Shape:
    """Say how a range looks: height, roughness, haze over it, snow and where it stands."""

    height: float
    near: float
    haze: float
    snow: float = 0.0
    base: float = 0.0
    sharp: float = 1.0


class Massif:
    """Hold one mountain range with lit and shaded faces."""

    def __init__(self, stage: Stage, shape: Shape, horizon: float, sun_side: float) -> None:
        self._stage = stage
        self._shape = shape
        self._plane = Plane(shape.near, horizon)
        rng = stage.rng
        broad = strip(rng, _RING, 2.3, 13)
        folds = strip(rng, _RING, 1.9, 46)
        fine = strip(rng, _RING, 1.3, 150)
        swell = strip(rng, _RING, 2.0, 5)
        peaks = 1.05 - np.abs(broad) * 0.62 + swell * 0.16
        rough = 0.15 * (1.0 - np.abs(folds)) + 0.018 * fine
        rolling = 0.3 + broad * 0.3 + folds * 0.07 + fine * 0.01
        outline = (peaks * 0.72 + rough) * shape.sharp + rolling * (1 - shape.sharp)
        self._crest = np.asarray(outline * shape.height, np.float32)
        self._faces = self._shade(sun_side)
        self._lut = self._colours()

    def _shade(self, sun_side: float) -> NDArray[np.uint8]:
        """Light the faces: diagonal facets run down from each peak, gullies run straighter."""
        rng = self._stage.rng
        crest = self._crest / max(self._shape.height, 1e-4)
        tilt = np.gradient(crest) * _PER_UNIT * 0.16
        kernel = np.hanning(41) / np.hanning(41).sum()
        ringed = np.concatenate((tilt[-40:], tilt, tilt[:40]))
        soft = np.asarray(np.convolve(ringed, kernel, "same")[40:-40], np.float32)
        column = np.arange(0, _RING, 2, dtype=np.float32)[None, :]
        depth = np.arange(_DEPTH, dtype=np.float32)[:, None] / _DEPTH
        grain = texture(rng, 512, 1.45, 0.5)
        x = column * 0.25
        y = depth * 260
        gully = sample(grain, x + y * 0.35 * np.float32(sun_side), y * 0.45)
        skew = depth * 120 + gully * 26 * (0.15 + depth)
        left = soft[(column + skew).astype(np.intp) & (_RING - 1)]
        right = soft[(column - skew + _RING).astype(np.intp) & (_RING - 1)]
        facing = np.tanh((left + right) * 0.55 * np.float32(-sun_side) + gully * 0.55)
        lit = np.clip(0.46 + 0.38 * facing + 0.05 * gully, 0, 1)
        altitude = crest[None, ::2] - depth * _DEPTH_UNITS / max(self._shape.height, 0.05)
        snow = smoothstep(0.0, 0.10, altitude - (1.02 - self._shape.snow) + gully * 0.09 + facing * 0.05)
        tone = lit * 0.42 * (1 - snow) + (0.5 + lit * 0.5) * snow
        return np.clip(tone * 255, 0, 255).astype(np.uint8)

    def _colours(self) -> Field:
        light, haze = self._stage.light, self._shape.haze
        ambient = light.upper * 0.5 + light.zenith * 0.5
        warm = light.glow * 0.45 + light.sun * (0.16 if light.moon else 0.3)
        rock_dark = light.shade * 0.8 + ambient * 0.1
        rock_lit = light.ground * 0.45 + warm * 0.22
        snow_dark = ambient * 0.75 + light.haze * 0.15
        snow_lit = warm * 0.95 + light.horizon * 0.3
        if self._stage.direction.time == "dusk":
            # The violet of dusk makes snow look like mud.
            snow_dark, snow_lit = snowy(snow_dark), snowy(snow_lit, 0.4)
        if light.moon:
            snow_dark, snow_lit = snow_dark * 0.7, snow_lit * 0.55
        stops = [
            rock_dark,
            rock_dark * 0.5 + rock_lit * 0.5,
            rock_lit,
            snow_dark,
            snow_dark * 0.4 + snow_lit * 0.6,
            snow_lit,
        ]
        veil = light.haze * 0.8 + light.low * 0.2
        return table([stop + (veil - stop) * haze for stop in stops], 256)

    def crest(self, view: View) -> Field:
        """Return the outline in pixel rows."""
        stage, plane = self._stage, self._plane
        height = lookup(self._crest, plane.u(stage, view) + 3.0, _PER_UNIT)
        foot = plane.horizon + self._shape.base
        return stage.row(0.0) + np.asarray(plane.v(foot - height, view), np.float32) * np.float32(stage.unit)

    def paint(self, image: Field, view: View, floor_v: float, mist: float = 0.5) -> None:
        """Paint the range down to v of its foot, mist gathering there."""
        stage, plane = self._stage, self._plane
        u = plane.u(stage, view)
        crest = self.crest(view)
        top = int(np.clip(np.floor(crest.min()) - 1, 0, stage.height))
        low = int(np.clip(np.ceil(stage.row(floor_v)), top, stage.height))
        if low <= top:
            return
        rows = np.arange(top, low, dtype=np.float32)[:, None]
        below = rows - crest[None, :]
        per_row = _DEPTH / _DEPTH_UNITS / stage.unit / plane.scale(view)
        depth = np.clip(below * np.float32(per_row), 0, _DEPTH - 1).astype(np.intp)
        column = np.mod((u.astype(np.float64) + 3.0) * _PER_UNIT, _RING).astype(np.intp)
        tone = self._faces.ravel().take(depth * (_RING // 2) + column[None, :] // 2, mode="clip")
        cover = np.clip(below + 0.5, 0, 1)
        light = stage.light
        veil = light.haze * 0.7 + light.low * 0.3
        span = max(0.02, self._shape.height * 0.8)
        part = np.clip((stage.v[top:low] - (floor_v - span)) / span, 0, 1)
        part = part * part * np.float32(mist)
        for channel in range(3):
            area = image[channel, top:low]
            body = self._lut[channel].take(tone, mode="clip")
            body += (veil[channel] - body) * part
            body -= area
            body *= cover
            area += body


def saddle(stage: Stage, ranges: Sequence[Massif], side: float) -> tuple[float, float]:
    """Find u and v of the lowest gap between peaks on one side of the frame, where a sun is best seen."""
    rest = View(0.0, 0.0, 1.0, 0.0, 0.0)
    skyline = np.min([rank.crest(rest) for rank in ranges], axis=0)
    wide = max(3, round(stage.unit * 0.09))
    # The sun needs room: the highest point under its disc counts.
    padded = np.pad(skyline, wide // 2, mode="edge")
    room = np.lib.stride_tricks.sliding_window_view(padded, wide).min(1)[: stage.width]
    u = stage.u[0]
    fits = (u * side > stage.side * 0.08) & (u * side < stage.side * 0.72)
    at = int(np.argmax(np.where(fits, room, -np.inf)))
    return float(u[at]), (float(skyline[at]) - stage.row(0.0)) / stage.unit


def tree_line(stage: Stage, size: float, density: float, ring: int = 8192) -> Field:
    """Make an outline of spruces as heights in units over a ring of `ring` columns, 1024 per unit."""
    rng = stage.rng
    outline = np.zeros(ring, np.float32)
    count = int(ring / _PER_UNIT / size * density)
    steps = np.arange(-int(size * _PER_UNIT * 0.3) - 2, int(size * _PER_UNIT * 0.3) + 3)
    for _ in range(count):
        tall = size * (0.45 + 0.75 * rng.random() ** 1.5)
        at = int(rng.integers(ring))
        away = np.abs(steps) / _PER_UNIT / tall
        slim = 4.2 + 1.8 * rng.random()
        tiers = 9 + int(rng.integers(5))
        fall = away * slim
        # Branch tips: the outline drops, then juts out again at each tier.
        jag = (fall**0.8 * tiers + rng.random()) % 1.0
        rough = np.asarray(rng.standard_normal(away.size), np.float32) * 0.012
        shape = np.asarray(tall * (1 - fall + 0.08 * (jag - 0.5) * (fall > 0.05) + rough), np.float32)
        where = (at + steps) % ring
        outline[where] = np.maximum(outline[where], shape)
    return outline


class Trees:
    """Hold one line of trees on rolling ground."""

    def __init__(self, stage: Stage, size: float, near: float, foot: float, density: float = 5.0) -> None:
        self._stage = stage
        self._plane = Plane(near, 0.0)
        self._foot = foot
        self._trees = tree_line(stage, size, density)
        self._ground = strip(stage.rng, _RING, 1.9, 5) * np.float32(size * 0.12)

    def crest(self, view: View) -> Field:
        """Return the outline in pixel rows."""
        stage, plane = self._stage, self._plane
        u = plane.u(stage, view) + np.float32(3.0)
        height = lookup(self._trees, u, _PER_UNIT) + lookup(self._ground, u, _PER_UNIT)
        return stage.row(0.0) + np.asarray(plane.v(self._foot - height, view), np.float32) * np.float32(
            stage.unit
        )

    def paint(self, image: Field, view: View, colour: Field, floor: int | None = None) -> None:
        """Paint the line and everything below it."""
        fill(image, self.crest(view), colour, floor)
