"""Meadows with flowers and grass in the wind."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, ring_at, strip
from filmgate.renderer.palette import TINTS
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.points import splat
from filmgate.renderer.ridges import Plane, fade, fill, lookup
from filmgate.renderer.sky import Sky
from filmgate.renderer.stage import Stage
from filmgate.renderer.terrain import Trees

_RING = 8192
_PER_UNIT = 1024.0
_BLOOMS = {
    "poppies": ("#e2331f", "#f0562f"),
    "poppy": ("#e2331f", "#f0562f"),
    "lavender": ("#8a6fd8", "#a98be8"),
    "sunflower": ("#f7c21c", "#f2a60f"),
    "sunflowers": ("#f7c21c", "#f2a60f"),
    "tulips": ("#e8435a", "#f5b53c"),
    "wheat": ("#e8c070", "#d9a94f"),
    "blossom": ("#f7c0d4", "#fbe3ea"),
    "blossoms": ("#f7c0d4", "#fbe3ea"),
    "daisies": ("#fbfbf4", "#fff3b0"),
}


class _Grass:
    """Hold one depth of grass whose blades bend, with flowers among them."""

    def __init__(self, stage: Stage, rank: float, foot: float, blooms: list[Field]) -> None:
        rng = stage.rng
        self._stage, self._rank, self._foot = stage, rank, foot
        self._plane = Plane(0.2 + 1.0 * rank, foot)
        self._tall = 0.016 + 0.15 * rank**1.35
        self._blades = self._outline(rng)
        self._land = strip(rng, _RING, 2.0, 4) * np.float32(0.006 + 0.008 * rank)
        self._gust = strip(rng, 2048, 1.7, 6)
        count = int(210 - 120 * rank)
        self._x = rng.random(count).astype(np.float32) * np.float32(_RING / _PER_UNIT)
        self._up = (0.7 + 0.45 * rng.random(count)).astype(np.float32) * np.float32(self._tall)
        self._depth = rng.random(count).astype(np.float32)
        pick = rng.integers(0, len(blooms), count)
        self._tone = np.stack([blooms[int(at)] for at in pick], axis=1) * (0.75 + 0.35 * rng.random(count))
        self._size = (0.0022 + 0.0072 * rank**1.2) * (0.7 + 0.6 * rng.random(count)).astype(np.float32)

    def _outline(self, rng: np.random.Generator) -> Field:
        blades = np.zeros(_RING, np.float32)
        wide = max(2.2, self._tall * _PER_UNIT * 0.055)
        for _ in range(int(_RING / wide * 1.5)):
            at = int(rng.integers(_RING))
            tall = self._tall * (0.35 + 0.65 * rng.random())
            steps = np.arange(-int(wide) - 1, int(wide) + 2)
            shape = tall * (1 - (np.abs(steps) / wide) ** 0.8)
            where = (at + steps) % _RING
            blades[where] = np.maximum(blades[where], shape.astype(np.float32))
        return blades

    def _sway(self, u: Field, time: float) -> Field:
        gust = ring_at(self._gust, (u * 90 - time * 26).astype(np.float64))
        quick = np.sin(time * 2.3 + u * 21) * np.float32(0.25)
        return np.asarray((gust * 0.5 + quick + 0.35) * (self._tall * 0.4), np.float32)

    def paint(self, image: Field, moment: Moment, tip: Field, root: Field) -> None:
        """Paint the blades, then the flowers."""
        stage, plane, view = self._stage, self._plane, moment.view
        u = plane.u(stage, view) + np.float32(3)
        land = lookup(self._land, u, _PER_UNIT)
        base = np.asarray(plane.v(self._foot, view) - land, np.float32)
        scale = np.float32(plane.scale(view))
        sway = self._sway(u, moment.time)
        top = int(np.clip(stage.row(float(base.min() - self._tall * scale * 1.05)), 0, stage.height))
        low = int(np.clip(stage.row(float(base.max())) + 1, top, stage.height))
        if low > top:
            up = (base[None, :] - stage.v[top:low]) / scale
            part = np.clip(up / np.float32(self._tall), 0, 1.2)
            place = (u[None, :] - sway[None, :] * part * part) * np.float32(_PER_UNIT)
            at = place.astype(np.intp)
            height = self._blades.take(at & (_RING - 1), mode="clip")
            height += (self._blades.take((at + 1) & (_RING - 1), mode="clip") - height) * (place - at)
            sharp = np.float32(stage.unit * 0.55)
            cover = np.clip((height - up) * sharp * scale + 0.5, 0, 1)
            # Each blade catches the light near its tip.
            bright = part * np.float32(0.72) + (
                1 - np.clip((height - up) / np.float32(self._tall), 0, 1)
            ) * np.float32(0.3)
            for channel in range(3):
                tone = root[channel] + (tip[channel] - root[channel]) * bright
                area = image[channel, top:low]
                area += (tone - area) * cover
        fill(
            image,
            stage.row(0.0) + base * np.float32(stage.unit),
            np.broadcast_to(root[:, None, None], image.shape),
        )
        self._flowers(image, moment, float(scale))

    def _flowers(self, image: Field, moment: Moment, scale: float) -> None:
        stage, plane, view = self._stage, self._plane, moment.view
        middle = np.float32(view.x * plane.near + 3)
        span = np.float32(_RING / _PER_UNIT)
        x = np.mod(self._x - middle + span / 2, span) - span / 2
        sway = self._sway(self._x, moment.time)
        ring = lookup(self._land, self._x, _PER_UNIT)
        column = stage.column(0.0) + (x + sway) * np.float32(scale * stage.unit)
        foot = np.float32(float(plane.v(self._foot, view)))
        row = stage.row(0.0) + (
            foot - ring - self._up * scale + self._depth * 0.02 * self._rank
        ) * np.float32(stage.unit)
        seen = np.abs(x) < stage.side * 1.2
        if not seen.any():
            return
        size = (self._size * np.float32(scale * stage.unit))[seen]
        power = np.float32(0.55 if stage.light.moon else 1.0)
        light = stage.light.sun * 0.2 + stage.light.glow * 0.25 + stage.light.low * 0.35
        light = light / float(light.max()) * power
        tone = (self._tone * light[:, None])[:, seen].astype(np.float32)
        column, row = column[seen].astype(np.float32), row[seen].astype(np.float32)
        for petal in range(5):
            turn = petal * 1.2566 + 0.4
            dx, dy = np.float32(np.cos(turn) * 0.9), np.float32(np.sin(turn) * 0.62)
            splat(image, column + dx * size, row + dy * size, size * np.float32(0.62), tone * np.float32(0.5))
        heart = np.broadcast_to(paint_light("#f7d06a")[:, None] * np.float32(0.5) * power, tone.shape)
        splat(image, column, row, size * np.float32(0.4), heart.astype(np.float32))


class Meadow:
    """Hills, a line of trees, four depths of grass."""

    detail: ClassVar[float] = 0.66
    sound: ClassVar[str] = "wind"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        bottom = stage.bottom
        horizon = bottom * 0.16
        self._horizon = horizon
        self._sky = Sky(stage, horizon)
        self._hills = [strip(stage.rng, 4096, 2.1, 4) for _ in range(3)]
        self._trees = Trees(stage, 0.03, 0.3, bottom * 0.3, 3.5)
        blooms = self._choose()
        ranks = (0.0, 0.1, 0.22, 0.36, 0.54, 0.76, 1.0)
        feet = (0.33, 0.38, 0.46, 0.57, 0.73, 0.96, 1.28)
        self._grass = [
            _Grass(stage, rank, bottom * foot, blooms) for rank, foot in zip(ranks, feet, strict=True)
        ]

    def _choose(self) -> list[Field]:
        told = self._stage.direction
        codes = [code for word, pair in _BLOOMS.items() if word in told.words for code in pair]
        codes += [TINTS[tint] for tint in told.tints if tint not in ("green", "black", "blue")]
        if not codes:
            codes = ["#f4f1e6", "#f2c53d", "#e0568a", "#8f7ae0", "#e8452f"]
        return [paint_light(code) for code in codes]

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, light, bottom = self._stage, self._stage.light, self._stage.bottom
        self._sky.paint(image, moment)
        dry = stage.direction.mentions("wheat", "autumn", "prairie", "savanna")
        green = paint_light("#c9a552") if dry else paint_light("#6a9a34")
        lamp = light.sun * (0.12 if light.moon else 0.3) + light.glow * 0.3 + light.low * 0.2
        lamp = lamp / max(0.6, float(lamp.max())) * (0.32 if light.moon else 1.15)
        tip, root = green * lamp, (green * 0.24 + light.shade * 0.2) * lamp
        fog = light.haze * 0.6 + light.horizon * 0.4
        for place, hill in enumerate(self._hills):
            u = Plane(0.1 + 0.08 * place, self._horizon).u(stage, moment.view) + np.float32(3)
            height = lookup(hill, u, 512) * (0.022 - 0.003 * place) + 0.035 - 0.022 * place
            crest = stage.row(0.0) + (np.float32(self._horizon + 0.03 * place) - height) * np.float32(
                stage.unit
            )
            thick = np.float32(0.75 - 0.22 * place)
            tone = (tip * 0.6 + root * 0.4) * (1 - thick) + fog * thick
            fill(image, crest, fade(stage, tone, tone * 0.6 + fog * 0.4, self._horizon, self._horizon + 0.12))
        self._trees.paint(
            image, moment.view, fade(stage, root * 0.8 + fog * 0.25, tip * 0.6, bottom * 0.2, bottom * 0.36)
        )
        for depth, grass in enumerate(self._grass):
            thick = np.float32(0.42 * (1 - depth / 6) ** 1.8)
            shade = np.float32(1.0 - 0.28 * depth / 6)
            grass.paint(
                image, moment, tip * shade * (1 - thick) + fog * thick, root * (1 - thick) + fog * thick * 0.7
            )
