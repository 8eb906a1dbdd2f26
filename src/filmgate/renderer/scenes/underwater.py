"""Below the surface: light shafts, drifting motes, jellyfish and shoals."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, ring_at, sample, strip, texture
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.palette import table, tinted
from filmgate.renderer.points import Bloom, splat
from filmgate.renderer.ridges import fade, fill, lookup
from filmgate.renderer.stage import Stage


class Underwater:
    """Look towards the light from the deep."""

    detail: ClassVar[float] = 0.7
    sound: ClassVar[str] = "deep"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._bloom = Bloom(stage, 0.3, 0.5)
        rng = stage.rng
        told = stage.direction
        codes = ("#eafcf2", "#7fe0e4", "#1f9dc0", "#0d5f93", "#083a68", "#041d3d")
        dark = told.time == "night" or told.mentions("abyss", "deep")
        stops = [paint_light(code) * (0.3 if dark else 1.0) for code in codes]
        if told.tints:
            stops = [tinted(stop, told.tints[0], 0.6) for stop in stops]
        self._water = table(stops, 512)
        self._rays = [strip(rng, 2048, 1.2, 8) for _ in range(2)]
        self._tile = texture(rng, 512, 1.6, 0.4)
        self._soft = stage.coarse(3)
        self._motes = rng.random((4, 190)).astype(np.float32)
        self._reefs = [strip(rng, 4096, 1.35, low) for low in (5, 8, 11)]
        jelly = told.mentions("jellyfish", "jelly", "medusa", "abyss", "deep") or rng.random() < 0.25
        self._jelly = rng.random((6, 7 if jelly else 0)).astype(np.float32)
        self._fish = rng.random((5, 0 if jelly else 90)).astype(np.float32)
        self._glow = stage.ramp[:, int(stage.ramp.shape[1] * 0.72)]
        self._sun = (float(rng.random()) - 0.5) * stage.side

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, view = self._stage, moment.view
        soft = self._soft
        part = np.clip((soft.v + soft.bottom) / (2 * soft.bottom) + view.y * 0.3, 0, 1)
        side = np.abs(soft.u - np.float32(self._sun)) * np.float32(0.28)
        index = (np.clip(part * 0.86 + side + 0.06, 0, 1) * 511).astype(np.intp)
        shafts = self._shafts(moment)
        for channel in range(3):
            water = self._water[channel].take(index, mode="clip")
            water += shafts * (self._water[channel, 30] * np.float32(0.75))
            image[channel] = stage.enlarge(water)
        for place in range(3):
            self._reef(image, moment, place)
            if place == 1:
                self._swim(image, moment)
        self._drift(image, moment)
        self._bloom.paint(image)

    def _shafts(self, moment: Moment) -> Field:
        """Return the light that falls through the surface, at the size of the soft stage."""
        soft, time = self._soft, moment.time
        origin = np.float32(-soft.bottom * 1.75)
        angle = (soft.u - np.float32(self._sun - moment.view.x * 0.2)) / (soft.v - origin)
        first = ring_at(self._rays[0], angle * 330 + np.float32(time * 7))
        second = ring_at(self._rays[1], angle * 420 - np.float32(time * 9))
        depth = (soft.v + soft.bottom) / (2 * soft.bottom)
        ray = (
            np.clip(0.35 + 0.34 * first + 0.3 * second, 0, 2) ** 1.6
            * np.exp(-depth * 2.3)
            * np.exp(-(angle**2) * 3.2)
        )
        caustic = sample(self._tile, soft.u * 90 + time * 5, np.exp(-depth * 3.0) * 220 + time * 8)
        caustic -= sample(self._tile, soft.u * 90 - time * 6 + 200, np.exp(-depth * 3.0) * 220 - time * 5)
        surface = np.exp(-np.abs(caustic) * 3.4) * np.exp(-depth * 9)
        return np.asarray(ray * 0.55 + surface * 0.75, np.float32)

    def _reef(self, image: Field, moment: Moment, place: int) -> None:
        stage, view = self._stage, moment.view
        near = (0.3, 0.55, 1.0)[place]
        u = stage.u[0] + np.float32(view.x * near + 3)
        ridge = lookup(self._reefs[place], u, 512)
        height = stage.bottom * ((0.3, 0.2, 0.06)[place] + (0.13, 0.13, 0.15)[place] * ridge)
        crest = stage.row(0.0) + (np.float32(stage.bottom) - height) * np.float32(stage.unit)
        haze = (0.72, 0.4, 0.1)[place]
        far = self._water[:, 380]
        tone = self._water[:, 511] * 0.55 * (1 - haze) + far * haze
        fill(image, crest, fade(stage, tone, tone * 0.6, stage.bottom * 0.3, stage.bottom))

    def _swim(self, image: Field, moment: Moment) -> None:
        if self._jelly.shape[1]:
            for one in range(self._jelly.shape[1]):
                self._jellyfish(image, moment, self._jelly[:, one])
        if self._fish.shape[1]:
            self._shoal(image, moment)

    def _shoal(self, image: Field, moment: Moment) -> None:
        """Paint a shoal as slim dark bodies that turn together."""
        stage, time = self._stage, moment.time
        x, y, size, phase, lag = self._fish
        middle_u = np.sin(time * 0.16 + lag * 0.35) * stage.side * 0.55 - moment.view.x * 0.4
        middle_v = np.sin(time * 0.23 + 1 + lag * 0.3) * stage.bottom * 0.25 - stage.bottom * 0.1
        heading = np.sign(np.cos(time * 0.16 + lag * 0.35))
        u = middle_u + (x - 0.5) * 0.55 + np.sin(time * 1.3 + phase * 6) * 0.006
        v = middle_v + (y - 0.5) * 0.2 + np.sin(time * 0.9 + phase * 9) * 0.008
        length = (0.005 + 0.006 * size) * stage.unit
        tone = -np.float32(0.55) * self._water[:, 250][:, None]
        for segment in range(6):
            part = segment / 5
            thick = np.float32(0.28) * np.sin(np.pi * (0.16 + 0.76 * (1 - part))) + np.float32(0.05)
            wag = np.sin(time * 9 + phase * 6 - part * 2.5) * part * length * np.float32(0.16)
            column = stage.column(0.0) + u * stage.unit - heading * part * length * 2
            row = stage.row(0.0) + v * stage.unit + wag
            radius = np.maximum(length * thick, 0.45).astype(np.float32)
            shade = np.broadcast_to(tone, (3, u.size)) * np.float32(0.45)
            splat(image, column.astype(np.float32), row.astype(np.float32), radius, shade.astype(np.float32))
        np.maximum(image, 0.0, out=image)

    def _jellyfish(self, image: Field, moment: Moment, seed: Field) -> None:
        """Paint a glowing bell and its trailing arms."""
        stage, time = self._stage, moment.time
        near = 0.35 + 0.65 * float(seed[2]) ** 1.5
        beat = float(np.sin(time * (1.3 + seed[3]) + seed[4] * 6))
        u = (
            (float(seed[0]) * 2 - 1) * stage.side * 0.85
            + 0.03 * float(np.sin(time * 0.3 + seed[5] * 6))
            - moment.view.x * near
        )
        rise = (float(seed[1]) - time * 0.012 * near * 1.6 + beat * 0.006) % 1.3 - 0.15
        v = (rise * 2 - 1) * stage.bottom
        size = 0.075 * near
        self._bell(image, (u, v), size, beat, near)
        steps = np.linspace(0, 1, 34, dtype=np.float32)
        for arm in range(7):
            offset = (arm - 3) / 3.4
            trail = np.sin(steps * 7 - time * 1.7 + arm * 1.9 + seed[5] * 6) * steps * size * 0.3
            x = u + offset * size * (0.72 - 0.25 * steps) + trail
            y = v + size * 0.15 + steps * size * (2.0 + 0.9 * float(np.sin(arm * 2.4 + seed[4] * 9)))
            radius = np.maximum((1.15 - steps) * size * 0.035 * stage.unit, 0.45).astype(np.float32)
            tone = self._glow[:, None] * (1 - steps)[None] * np.float32(0.09 * near)
            column, row = stage.column(0.0) + x * stage.unit, stage.row(0.0) + y * stage.unit
            splat(image, column.astype(np.float32), row.astype(np.float32), radius, tone.astype(np.float32))

    def _bell(self, image: Field, place: tuple[float, float], size: float, beat: float, near: float) -> None:
        stage = self._stage
        u, v = place
        wide, high = size * (1 + 0.12 * beat), size * (0.82 - 0.1 * beat)
        left = int(np.clip(stage.column(u - wide * 1.6), 0, stage.width))
        right = int(np.clip(stage.column(u + wide * 1.6), 0, stage.width))
        top = int(np.clip(stage.row(v - high * 1.8), 0, stage.height))
        low = int(np.clip(stage.row(v + high * 0.9), 0, stage.height))
        if right - left < 2 or low - top < 2:
            return
        x = (stage.u[:, left:right] - np.float32(u)) / np.float32(wide)
        y = (stage.v[top:low] - np.float32(v)) / np.float32(high)
        hem = np.float32(0.24) + 0.06 * np.cos(x * 16)
        away = np.sqrt(x * x + np.where(y < 0, y, y * np.float32(2.2)) ** 2)
        inside = np.clip((1 - away) * np.float32(size * stage.unit * 0.5), 0, 1) * np.clip(
            (hem - y) * 9, 0, 1
        )
        rim = np.exp(-(((away - 0.9) / 0.12) ** 2)) * inside
        ribs = 0.72 + 0.28 * np.cos(np.arctan2(x, 1.4 - y) * 22)
        glow = inside * (0.16 + 0.2 * np.clip(-y, 0, 1) * ribs) + rim * 0.4 + np.exp(-away * 2.6) * 0.06
        for channel in range(3):
            image[channel, top:low, left:right] += glow * self._glow[channel] * np.float32(0.9 * near)

    def _drift(self, image: Field, moment: Moment) -> None:
        stage, time = self._stage, moment.time
        x, y, size, phase = self._motes
        u = (np.mod(x + time * 0.004 * (size - 0.5) - moment.view.x * (0.3 + size), 1.0) * 2 - 1) * stage.side
        v = (
            np.mod(y + np.sin(time * 0.3 + phase * 6) * 0.01 - time * 0.006 * size, 1.0) * 2 - 1
        ) * stage.bottom
        radius = (0.0008 + 0.0032 * size**4) * stage.unit
        power = (0.08 + 0.1 * phase) / (1 + radius * 0.6) * (0.7 + 0.3 * np.sin(time + phase * 20))
        tone = self._water[:, 60][:, None] * power[None]
        column, row = stage.column(0.0) + u * stage.unit, stage.row(0.0) + v * stage.unit
        splat(
            image,
            column.astype(np.float32),
            row.astype(np.float32),
            np.maximum(radius, 0.45).astype(np.float32),
            tone.astype(np.float32),
        )
