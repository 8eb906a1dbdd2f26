"""A city seen across the water."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.buildings import facade, front_colours
from filmgate.renderer.camera import Moment
from filmgate.renderer.mirror import Mirror
from filmgate.renderer.noise import Field
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.points import Bloom, splat
from filmgate.renderer.ridges import Plane, lookup
from filmgate.renderer.sky import Sky
from filmgate.renderer.stage import Stage

_RING = 4096
_PER_UNIT = 1024.0
_ROWS = 640


class _Row:
    """Hold one row of towers at one distance."""

    def __init__(self, stage: Stage, near: float, tall: float, haze: float, horizon: float) -> None:
        rng = stage.rng
        self._stage = stage
        self._plane = Plane(near, horizon)
        self._crest, walls = self._outline(stage, tall)
        night = {"night": 0.34, "dusk": 0.28, "sunset": 0.16, "dawn": 0.08}.get(stage.direction.time, 0.03)
        self._front = np.zeros((_ROWS, _RING), np.uint8)
        for start, end in walls:
            cell = (int(rng.integers(7, 11)), int(rng.integers(5, 9)))
            lit = night * (0.4 + 1.1 * float(rng.random()))
            self._front[:, start:end] = facade(rng, (_ROWS, end - start), cell, lit)
            # One side of every tower stands in its own shade.
            edge = start + (end - start) * 2 // 3
            side = self._front[:, edge:end]
            side[side < 90] = (side[side < 90] * 0.6).astype(np.uint8)
        # Two neighbours averaged keep the windows from crawling.
        self._front = (self._front >> 1) + (np.roll(self._front, -1, 1) >> 1)
        light = stage.light
        veil = light.haze * 0.6 + light.horizon * 0.4
        dark = light.shade * 0.75 + light.upper * 0.05
        lit_wall = light.shade * 0.7 + light.haze * 0.3 + light.glow * 0.06
        lamp = paint_light("#ecc898") * 0.85 + paint_light("#cfe2ff") * 0.1
        table = front_colours(dark, lit_wall, lamp, 1.9)
        self._lut = table + (veil[:, None] - table) * np.float32(haze)
        self._veil = veil

    def _outline(self, stage: Stage, tall: float) -> tuple[Field, list[tuple[int, int]]]:
        rng = stage.rng
        crest = np.zeros(_RING, np.float32)
        walls: list[tuple[int, int]] = []
        at = 0
        while at < _RING:
            wide = int(rng.integers(26, 88))
            end = min(_RING, at + wide)
            # Towers gather downtown and thin out at its edges.
            downtown = 0.5 + 0.5 * np.cos((at / _RING) * 4 * np.pi)
            height = tall * (0.22 + 0.3 * rng.random() + 0.75 * downtown * rng.random() ** 2.2)
            crest[at:end] = height
            style = rng.random()
            inset = max(2, (end - at) // 4)
            if style < 0.35 and end - at > 2 * inset + 6:
                crest[at + inset : end - inset] += tall * 0.07
            elif style < 0.5 and end - at > 12:
                middle = (at + end) // 2
                crest[middle - 1 : middle + 1] += tall * (0.1 + 0.16 * rng.random())
            walls.append((at, end))
            at = end
        return crest, walls

    def paint(self, image: Field, moment: Moment, foot: float) -> None:
        """Paint the row down to its foot."""
        stage, plane, view = self._stage, self._plane, moment.view
        u = plane.u(stage, view) + np.float32(1.9)
        height = lookup(self._crest, u, _PER_UNIT)
        unit = np.float32(stage.unit)
        crest = stage.row(0.0) + np.asarray(plane.v(foot - height, view), np.float32) * unit
        top = int(np.clip(np.floor(crest.min()) - 1, 0, stage.height))
        low = int(np.clip(np.ceil(stage.row(foot)) + 1, top, stage.height))
        if low <= top:
            return
        rows = np.arange(top, low, dtype=np.float32)[:, None]
        scale = np.float32(_PER_UNIT / stage.unit / plane.scale(view))
        ground = stage.row(float(plane.v(foot, view)))
        floor = np.clip((ground - rows) * scale, 0, _ROWS - 1).astype(np.intp)
        column = np.mod(u.astype(np.float64) * _PER_UNIT, _RING).astype(np.intp)[None, :]
        tone = self._front.ravel().take(floor * _RING + column, mode="clip").astype(np.intp)
        cover = np.clip(rows - crest[None, :] + 0.5, 0, 1)
        mist = np.clip(1 - (ground - rows) / (unit * 0.16), 0, 1) ** 2 * np.float32(0.35)
        clear = 1 - mist
        for channel in range(3):
            area = image[channel, top:low]
            body = self._lut[channel].take(tone, mode="clip")
            body *= clear
            body += mist * self._veil[channel]
            body -= area
            body *= cover
            area += body


class Skyline:
    """Three rows of towers, their lights doubled in the river, traffic along the quay."""

    detail: ClassVar[float] = 0.7
    sound: ClassVar[str] = "hum"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._bloom = Bloom(stage, 0.32, 0.45)
        rng = stage.rng
        horizon = stage.bottom * 0.34
        self._horizon = horizon
        self._sky = Sky(stage, horizon - 0.01)
        tall = 1.0 if stage.side > stage.bottom else 1.45
        self._rows = [
            _Row(stage, 0.16, 0.42 * tall, 0.6, horizon),
            _Row(stage, 0.26, 0.34 * tall, 0.22, horizon),
            _Row(stage, 0.4, 0.13 * tall, 0.02, horizon),
        ]
        self._mirror = Mirror(stage, horizon, 1.7)
        self._night = stage.direction.time in ("night", "dusk", "sunset")
        count = 46
        self._at = rng.random(count).astype(np.float32)
        self._speed = (0.012 + 0.03 * rng.random(count).astype(np.float32)) * np.where(
            np.arange(count) % 2, 1, -1
        )
        white, red = paint_light("#fff0d0"), paint_light("#ff4030")
        self._tone = np.where((np.arange(count) % 2)[None, :] > 0, red[:, None], white[:, None]).astype(
            np.float32
        )

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        self._sky.paint(image, moment)
        for row in self._rows:
            row.paint(image, moment, self._horizon)
        if self._night:
            self._traffic(image, moment)
        self._mirror.paint(image, moment)
        if self._night:
            self._bloom.paint(image)

    def _traffic(self, image: Field, moment: Moment) -> None:
        stage = self._stage
        x = (self._at + moment.time * self._speed - moment.view.x * 0.3) % 1.0
        column = (x * 1.06 - 0.03) * stage.width
        row = np.full_like(column, stage.row(self._horizon - 0.006))
        size = np.full_like(column, max(0.6, stage.unit * 0.0014))
        splat(image, column, row, size, self._tone * np.float32(1.3))
