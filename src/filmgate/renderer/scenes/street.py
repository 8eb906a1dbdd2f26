"""A street between house fronts, cars coming and going."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from filmgate.renderer.buildings import facade, front_colours, halve
from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, pick, sample, smoothstep, texture
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.points import Bloom, splat
from filmgate.renderer.sky import Sky
from filmgate.renderer.stage import Stage

_EYE = 0.13
_WALL = 0.46
_ROWS, _COLUMNS = 512, 4096
_TEXELS = 250.0


class _Front:
    """Hold one side of the street as a strip of houses along the depth axis."""

    def __init__(self, stage: Stage, lit: float) -> None:
        rng = stage.rng
        self.tops = np.zeros(_COLUMNS, np.float32)
        self._code = np.zeros((_ROWS, _COLUMNS), np.uint8)
        self.signs = np.zeros((_COLUMNS,), np.int32)
        at = 0
        while at < _COLUMNS:
            end = min(_COLUMNS, at + int(rng.integers(150, 480)))
            self.tops[at:end] = 0.5 + 1.25 * rng.random() ** 1.3
            cell = (int(rng.integers(20, 34)), int(rng.integers(16, 30)))
            self._code[:, at:end] = facade(rng, (_ROWS, end - at), cell, lit * (0.5 + float(rng.random())))
            self.signs[at:end] = int(rng.choice(5, p=(0.4, 0.3, 0.14, 0.09, 0.07)))
            at = end
        # Shop windows glow along the pavement.
        self._code[:30] = 30
        shops = facade(rng, (24, _COLUMNS), (24, 44), min(0.95, lit * 1.7))
        self._code[4:26] = np.maximum(shops[:22], 30)
        self._levels: list[NDArray[np.uint8]] = [self._code]
        for _ in range(3):
            self._levels.append(halve(self._levels[-1]))

    def read(self, along: Field, height: Field, level: int) -> NDArray[np.uint8]:
        """Read the coded front at depths (columns,) and heights (rows, columns)."""
        code = self._levels[level]
        rows, columns = code.shape
        scale = 1 / (1 << level)
        x = np.mod(along * np.float32(_TEXELS * scale), columns).astype(np.intp) % columns
        y = np.clip(height * np.float32(_TEXELS * scale), 0, rows - 1).astype(np.intp)
        return pick(code.ravel(), y * columns + x[None, :])


class Street:
    """One-point perspective: fronts, wet asphalt, head lamps and tail lamps."""

    detail: ClassVar[float] = 0.6
    sound: ClassVar[str] = "hum"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._bloom = Bloom(stage, 0.5 if stage.direction.time in ("night", "dusk") else 0.15, 0.4)
        rng = stage.rng
        told = stage.direction
        self._night = told.time in ("night", "dusk")
        lit = {"night": 0.5, "dusk": 0.45, "sunset": 0.25}.get(told.time, 0.08)
        self._vanish = stage.bottom * 0.16
        self._sky = Sky(stage, self._vanish, sun=told.time in ("sunset", "golden", "dawn"))
        self._sky.sun_u *= 0.15
        self._wet = 0.75 if told.weather & {"rain", "storm"} or told.mentions("puddles", "neon") else 0.38
        self._fronts = (_Front(stage, lit), _Front(stage, lit))
        self._tile = texture(rng, 512, 1.5, 0.5)
        self._cars(rng)
        light = stage.light
        veil = light.haze * 0.55 + light.horizon * 0.3
        self._veil = veil + (paint_light("#ff9a50") * 0.1 if self._night else 0.0)
        self._colours()

    def _colours(self) -> None:
        light = self._stage.light
        dark = light.shade * 0.8 + light.haze * 0.05
        wall = light.shade * 0.55 + light.haze * 0.3 + light.ground * 0.14
        lamps = ("#ecc088", "#f0dcb8", "#a8c8f0", "#e87aae", "#7fe0d8")
        power = 1.7 if self._night else 0.7
        tables = [front_colours(dark, wall, paint_light(code), power) for code in lamps]
        # One long table: house tint first, code second.
        self._lut = np.concatenate(tables, axis=1)

    def _cars(self, rng: np.random.Generator) -> None:
        count = 26
        self._lane = np.where(np.arange(count) % 2, 1.0, -1.0).astype(np.float32)
        self._inner = np.where(rng.random(count) < 0.5, 0.085, 0.2).astype(np.float32)
        self._place = np.sort(rng.random(count)).astype(np.float32) * 9
        self._speed = np.where(self._lane < 0, -1.35, 0.62).astype(np.float32) + rng.random(count) * 0.1

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage, view = self._stage, moment.view
        self._sky.paint(image, moment)
        zoom = np.float32(view.zoom)
        du = (stage.u[0] + np.float32(view.x * 0.5)) / zoom
        dv = (stage.v - np.float32(self._vanish + view.y * 0.5)) / zoom
        travel = moment.time * 0.16 + view.ahead * 0.7
        wall_z = np.float32(_WALL) / np.maximum(np.abs(du), 0.012)
        self._walls(image, du, dv, wall_z, travel)
        self._asphalt(image, (du, dv, wall_z), moment, travel)
        self._traffic(image, moment)
        self._bloom.paint(image)

    def _walls(self, image: Field, du: Field, dv: Field, wall_z: Field, travel: float) -> None:
        stage = self._stage
        fog = 1 - np.exp(-wall_z * np.float32(0.11))
        low_row = int(
            np.clip(
                np.ceil(stage.row(self._vanish) + _EYE / _WALL * stage.side * stage.unit * 1.5),
                1,
                stage.height,
            )
        )
        for side, front in enumerate(self._fronts):
            columns = np.nonzero((du < 0) if side == 0 else (du >= 0))[0]
            if columns.size == 0:
                continue
            start, end = int(columns[0]), int(columns[-1]) + 1
            z = wall_z[start:end]
            height = np.float32(_EYE) - dv[:low_row] * z
            along = z + np.float32(travel)
            ring = (np.mod(along * np.float32(_TEXELS), _COLUMNS)).astype(np.intp) % _COLUMNS
            code = np.empty(height.shape, np.int32)
            footprint = z * z / np.float32(_WALL) * np.float32(_TEXELS / stage.unit)
            level = np.clip(np.log2(np.maximum(footprint, 1.0)), 0, 3).astype(np.intp)
            for step in range(4):
                pick = np.nonzero(level == step)[0]
                if pick.size:
                    first, last = int(pick[0]), int(pick[-1]) + 1
                    code[:, first:last] = front.read(along[first:last], height[:, first:last], step)
            code += front.signs[ring][None, :] * 256
            pixel = z / np.float32(stage.unit)
            cover = np.clip((front.tops[ring] - height) / pixel + 0.5, 0, 1)
            cover *= np.clip(height / pixel + 0.5, 0, 1)
            shade = np.clip(1.25 - height * np.float32(0.45), 0.35, 1.3) if self._night else np.float32(1.0)
            part = fog[start:end]
            for channel in range(3):
                body = self._lut[channel].take(code, mode="clip") * shade
                body += (self._veil[channel] - body) * part
                area = image[channel, :low_row, start:end]
                area += (body - area) * cover

    def _asphalt(self, image: Field, view: tuple[Field, Field, Field], moment: Moment, travel: float) -> None:
        """Lay the street and mirror the fronts in it."""
        stage = self._stage
        du, dv, wall_z = view
        top = int(np.clip(np.ceil(stage.row(self._vanish + moment.view.y * 0.5)) + 1, 1, stage.height - 2))
        below = np.maximum(dv[top:], np.float32(1e-3))
        depth = np.float32(_EYE) / below
        x = du[None, :] * depth
        rough = sample(self._tile, x * 170, (depth + np.float32(travel)) * 110)
        contact = np.float32(_EYE) / wall_z
        ground = np.clip((below - contact) * np.float32(stage.unit) + 0.5, 0, 1)
        unit = np.float32(stage.unit * moment.view.zoom)
        blur = rough * (below * np.float32(0.16) + np.float32(0.004))
        vanish_row = np.float32(stage.row(self._vanish + moment.view.y * 0.5))
        columns = np.arange(stage.width, dtype=np.int32)[None, :]
        index: list[NDArray[np.int32]] = []
        for stretch, jitter in ((1.0, 0.6), (0.8, -1.0), (1.25, 1.3)):
            mirrored = (
                vanish_row + (2 * contact - below * np.float32(stretch) + blur * np.float32(jitter)) * unit
            )
            index.append(np.clip(mirrored, 0, stage.height - 1).astype(np.intp) * stage.width + columns)
        puddle = smoothstep(
            -0.6, 1.4, sample(self._tile, x * 40, (depth + np.float32(travel)) * 36) + rough * 0.25
        )
        shine = np.float32(self._wet) * (0.45 + 0.55 * puddle) * np.clip(1.05 - below * 0.9, 0.3, 1)
        mark = self._marks(x, depth, travel)
        light = stage.light
        base = light.shade * 0.5 + light.haze * 0.16 + light.ground * 0.05
        fog = 1 - np.exp(-depth * np.float32(0.11))
        for channel in range(3):
            flat = image[channel].ravel()
            mirror = (
                flat.take(index[0], mode="clip")
                + flat.take(index[1], mode="clip")
                + flat.take(index[2], mode="clip")
            ) * np.float32(1 / 3)
            body = base[channel] * (1 + rough * np.float32(0.07)) + mark * (base[channel] * 1.4 + 0.05)
            body += mirror * shine
            body += (self._veil[channel] - body) * fog
            area = image[channel, top:]
            area += (body - area) * ground

    def _marks(self, x: Field, depth: Field, travel: float) -> Field:
        """Return the dashed middle line and the kerbs."""
        width = np.float32(0.006) + depth * np.float32(0.6 / self._stage.unit)
        middle = np.exp(-((x / width) ** 2)) * (np.mod(depth + np.float32(travel), 0.5) < 0.26)
        kerb = np.exp(-(((np.abs(x) - np.float32(0.33)) / (width * 1.4)) ** 2)) * np.float32(0.5)
        return (middle + kerb) * np.float32(0.8)

    def _traffic(self, image: Field, moment: Moment) -> None:
        stage, view = self._stage, moment.view
        z = (self._place + moment.time * self._speed - view.ahead * 0.4) % 9.0 + np.float32(0.3)
        order = np.argsort(-z)
        unit = stage.unit * view.zoom
        column0 = stage.column(-view.x * 0.5 * view.zoom)
        row0 = stage.row(self._vanish + view.y * 0.5)
        for car in order:
            depth = float(z[car])
            fade = min(1.0, (9.3 - depth) / 2.0) * min(1.0, max(0.0, depth - 0.3) / 0.15)
            x = column0 + float(self._lane[car] * self._inner[car]) / depth * unit
            ground = row0 + _EYE / depth * unit
            self._car(image, (x, ground, unit / depth), float(self._lane[car]) < 0, fade)

    def _car(self, image: Field, place: tuple[float, float, float], coming: bool, fade: float) -> None:
        """Paint one car: dark body, two lamps, their streaks on the road."""
        x, ground, size = place
        wide, high = 0.046 * size, 0.062 * size
        if wide < 0.4 or fade <= 0.02:
            return
        self._body(image, (x, ground, wide, high), fade)
        lamp = paint_light("#fff3d8") * 1.5 if coming else paint_light("#ff2a1e") * 1.15
        power = np.float32((1.0 if self._night else 0.55) * fade)
        glow = max(0.55, size * 0.0062)
        tone = lamp * power
        # Lamps, the glow around them and their streaks in one go: a call costs more than a dot.
        steps = np.arange(1, 8, dtype=np.float32)
        lamps = ground - high * 0.42
        row = np.concatenate([[lamps, lamps], ground + high * 0.3 + steps * high * 0.42])
        reach = np.concatenate([[glow, glow * 3.2], np.full(7, glow * 1.5)])
        shine = np.concatenate([[1.6, 0.16], np.exp(-steps * 0.42) * (0.34 * self._wet)])
        splat(
            image,
            np.repeat(np.array([x - wide * 0.8, x + wide * 0.8], np.float32), 9),
            np.tile(row, 2).astype(np.float32),
            np.tile(reach, 2).astype(np.float32),
            (tone[:, None] * np.tile(shine, 2)[None, :]).astype(np.float32),
        )

    def _body(self, image: Field, box: tuple[float, float, float, float], fade: float) -> None:
        x, ground, wide, high = box
        _, rows, columns = image.shape
        left, right = int(max(0, x - wide * 1.5)), int(min(columns, x + wide * 1.5 + 2))
        top, low = int(max(0, ground - high * 1.2)), int(min(rows, ground + high * 0.3 + 2))
        if right - left < 2 or low - top < 2:
            return
        across = np.abs(np.arange(left, right, dtype=np.float32) - np.float32(x)) / np.float32(wide)
        up = (np.float32(ground) - np.arange(top, low, dtype=np.float32)) / np.float32(high)
        # The cabin narrows towards the roof; the shadow softens where the tyres stand.
        half = np.where(up > 0.5, 1.02 - (up - 0.5) * 0.62, 1.05)[:, None]
        cover = np.clip((half - across[None, :]) * np.float32(wide) + 0.5, 0, 1)
        cover *= np.clip((1.0 - up) * np.float32(high) + 0.5, 0, 1)[:, None]
        cover *= np.clip((up + 0.12) / 0.14, 0, 1)[:, None]
        cover *= np.float32(fade * 0.93)
        paint = self._stage.light.shade * 0.45 + self._stage.light.haze * 0.06
        glass = ((up > 0.56) & (up < 0.9))[:, None] * (across < 0.72)[None, :] * np.float32(0.5)
        for channel in range(3):
            tone = paint[channel] + glass * self._stage.light.haze[channel] * 0.35
            area = image[channel, top:low, left:right]
            area += (tone - area) * cover
