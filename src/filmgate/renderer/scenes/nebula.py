"""Nebulae, galaxies and star fields."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, sample, smoothstep, texture
from filmgate.renderer.points import splat
from filmgate.renderer.stage import Stage


class StarFlight:
    """Hold stars that drift towards the camera."""

    def __init__(self, stage: Stage, count: int = 620) -> None:
        rng = stage.rng
        self._stage = stage
        self._x = (rng.random(count) * 2 - 1).astype(np.float32)
        self._y = (rng.random(count) * 2 - 1).astype(np.float32)
        self._z = rng.random(count).astype(np.float32)
        self._bright = np.minimum(rng.pareto(1.5, count) * 0.16 + 0.07, 2.4).astype(np.float32)
        warmth = rng.random(count).astype(np.float32)
        self._tone = np.stack([0.75 + 0.4 * warmth, 0.85 + 0.04 * warmth, 1.2 - 0.45 * warmth])

    def paint(self, image: Field, moment: Moment, speed: float = 0.012) -> None:
        """Add the stars."""
        stage, view = self._stage, moment.view
        depth = np.mod(self._z - moment.time * speed - view.ahead * 0.12, 1.0) + np.float32(0.12)
        cos, sin = np.cos(view.roll * 0.4), np.sin(view.roll * 0.4)
        x = self._x / depth * np.float32(stage.side * 0.75) - np.float32(view.x * 0.3)
        y = self._y / depth * np.float32(stage.bottom * 0.75) + np.float32(view.y * 0.3)
        fade = np.clip((1.12 - depth) * 5, 0, 1) * np.clip((depth - 0.12) * 12, 0, 1)
        light = (
            self._bright
            * fade
            * (0.8 + 0.2 * np.sin(moment.time * 2 + self._z * 90))
            * np.float32(0.6)
            / depth**0.7
        )
        size = (0.42 + 0.3 * np.sqrt(self._bright)) * np.float32(max(0.75, stage.unit / 760)) / depth**0.25
        column = stage.column(0.0) + (x * cos - y * sin) * stage.unit
        row = stage.row(0.0) + (x * sin + y * cos) * stage.unit
        seen = (np.abs(column - stage.width / 2) < stage.width) & (light > 0.01)
        splat(
            image,
            column[seen],
            row[seen],
            size[seen].astype(np.float32),
            (self._tone * light)[:, seen].astype(np.float32),
        )


class Nebula:
    """Clouds of glowing gas with dust lanes, or a turning galaxy."""

    detail: ClassVar[float] = 0.6
    sound: ClassVar[str] = "deep"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        rng = stage.rng
        self._galaxy = stage.direction.mentions(
            "galaxy", "galaxies", "galaxie", "galassia", "spiral", "milkyway"
        )
        self._gas = texture(rng, 512, 1.75, 0.35)
        self._dust = texture(rng, 512, 1.5, 0.5)
        self._shift = rng.random(10) * 512
        self._stars = StarFlight(stage)
        self._soft = stage.coarse(1)
        self._turn = rng.random() * 6.28
        self._hue = rng.random()

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        if self._galaxy:
            self._spiral(image, moment)
        else:
            self._clouds(image, moment)
        self._stars.paint(image, moment)

    def _clouds(self, image: Field, moment: Moment) -> None:
        stage, view, s, time = self._stage, moment.view, self._shift, moment.time
        zoom = np.float32(125 / view.zoom / (1 + 0.012 * (time % 60)))
        turn = np.float32(view.roll * 0.5 + self._turn)
        cos, sin = np.cos(turn), np.sin(turn)
        u = (stage.u * cos - stage.v * sin + np.float32(view.x * 0.4)) * zoom
        v = (stage.u * sin + stage.v * cos - np.float32(view.y * 0.4)) * zoom
        bend = sample(self._gas, u * 0.7 + np.float32(s[0] + time * 0.8), v * 0.7 + np.float32(s[1]))
        gas = sample(
            self._gas, u + bend * 16 + np.float32(s[2]), v - bend * 11 + np.float32(s[3] + time * 0.7)
        )
        fine = sample(
            self._dust,
            u * 1.3 + bend * 22 + np.float32(s[4]),
            v * 1.3 + gas * 12 + np.float32(s[5] - time * 0.6),
        )
        body = smoothstep(-1.45, 2.3, gas + fine * 0.42 + bend * 0.25)
        dust = smoothstep(-0.2, 1.5, fine * 0.8 + bend - gas * 0.35)
        ramp = stage.ramp
        size = ramp.shape[1] - 1
        tone = np.clip(body * (1.05 - 0.55 * dust), 0, 1)
        first = (tone * size * 0.84).astype(np.intp)
        glow = body * body * np.clip(0.5 - 0.4 * bend, 0, 1) * (1 - dust * 0.6)
        other = ramp[:, ::-1][:, int(size * (0.35 + 0.2 * self._hue))][[2, 0, 1]]
        core = np.exp(-((stage.u * 1.6) ** 2 + (stage.v * 2.0) ** 2)) * tone
        for channel in range(3):
            image[channel] = ramp[channel].take(first, mode="clip") * (0.5 + 0.75 * tone)
            image[channel] += glow * other[channel] * np.float32(0.4)
            image[channel] += core * core * ramp[channel, -1] * np.float32(0.35)

    def _spiral(self, image: Field, moment: Moment) -> None:
        stage, view, s, time = self._stage, moment.view, self._shift, moment.time
        ramp = stage.ramp
        size = ramp.shape[1] - 1
        tilt = np.float32(2.1)
        turn = np.float32(self._turn * 0.1 + 0.35)
        zoom = np.float32(1 / view.zoom)
        u, v = (stage.u + np.float32(view.x * 0.4)) * zoom, (stage.v - np.float32(view.y * 0.4)) * zoom
        x = u * np.cos(turn) - v * np.sin(turn)
        y = (u * np.sin(turn) + v * np.cos(turn)) * tilt
        radius = np.sqrt(x * x + y * y) + np.float32(0.004)
        angle = np.arctan2(y, x)
        spin = np.float32(time * 0.035 + view.roll * 0.5)
        cos, sin = np.cos(spin), np.sin(spin)
        px, py = (x * cos + y * sin) * 210, (y * cos - x * sin) * 210
        gas = sample(self._gas, px + np.float32(s[0]), py + np.float32(s[1]))
        fine = sample(self._dust, px * 1.8 + np.float32(s[2]), py * 1.8 + np.float32(s[3]))
        wind = np.log(radius) * np.float32(3.3) - angle + spin + gas * np.float32(0.22)
        arm = 0.5 + 0.5 * np.cos(wind * 2)
        lane = 0.5 + 0.5 * np.cos(wind * 2 + np.float32(0.9))
        disc = np.exp(-radius * np.float32(4.4))
        body = disc * (0.22 + arm * arm * np.float32(1.25)) * (1 + 0.32 * fine + 0.2 * gas)
        body *= 1 - 0.5 * lane**4 * smoothstep(0.03, 0.12, radius) * np.clip(0.7 + 0.4 * fine, 0, 1)
        knots = np.clip(fine - 1.25, 0, 2) * arm * disc * np.float32(1.6)
        bulge = np.exp(-radius * 20) * np.float32(1.5) + np.exp(-radius * 8) * np.float32(0.35)
        index = (np.clip(body * 1.15, 0, 0.86) * size).astype(np.intp)
        for channel in range(3):
            image[channel] = ramp[channel].take(index, mode="clip") * np.clip(body * 1.6 + 0.25, 0, 1.3)
            image[channel] += knots * ramp[channel, int(size * 0.7)]
            image[channel] += bulge * (np.float32((1.25, 0.98, 0.66)[channel]) + ramp[channel, -1] * 0.2)
