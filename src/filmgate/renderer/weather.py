"""Let rain, snow, fog and lightning fall on any scene."""

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, sample, texture
from filmgate.renderer.points import splat
from filmgate.renderer.stage import Stage

# Scenes that bring these of their own, or where they make no sense.
_DRY = frozenset({"silk", "ink", "tunnel", "nebula", "planet", "grid", "fire", "underwater"})


class Weather:
    """Hold the weather between camera and scene."""

    def __init__(self, stage: Stage) -> None:
        weather = stage.direction.weather if stage.direction.scene not in _DRY else frozenset[str]()
        self._stage = stage
        scene = stage.direction.scene
        self._rain = Streaks(stage) if weather & {"rain", "storm"} and scene != "rain" else None
        self._snow = Flakes(stage) if "snow" in weather else None
        self._fog = Drift(stage) if "fog" in weather and scene != "forest" else None
        self._storm = "storm" in weather
        self._strikes = stage.rng.random(4) * 9

    def paint(self, image: Field, moment: Moment) -> None:
        """Add the weather to a finished frame."""
        if self._storm:
            self._lightning(image, moment.time)
        if self._fog is not None:
            self._fog.paint(image, moment)
        if self._rain is not None:
            self._rain.paint(image, moment)
        if self._snow is not None:
            self._snow.paint(image, moment)

    def _lightning(self, image: Field, time: float) -> None:
        flash = sum(max(0.0, 1 - ((time - at) % 9.0) * 7) * 0.5 for at in self._strikes[:2])
        flash += sum(max(0.0, 1 - ((time - at - 0.21) % 9.0) * 9) * 0.4 for at in self._strikes[:2])
        if flash > 0:
            image *= np.float32(1 + flash * 1.1)
            image[2] += np.float32(flash * 0.05)


class Streaks:
    """Hold falling rain at three distances."""

    def __init__(self, stage: Stage, amount: float = 1.0) -> None:
        rng = stage.rng
        self._stage = stage
        self._layers: list[tuple[Field, float, float]] = []
        for layer, (count, length, light) in enumerate(((420, 9, 0.09), (230, 18, 0.12), (90, 34, 0.15))):
            self._layers.append(
                (self._tile(int(count * amount), length, light), 1.5 + layer * 0.8, rng.random())
            )

    def _tile(self, count: int, length: int, bright: float) -> Field:
        stage, rng = self._stage, self._stage.rng
        scale = stage.unit / 700
        height, width = stage.height, stage.width
        tile = np.zeros((3, height, width), np.float32)
        steps = max(4, round(length * scale * 1.6))
        x = rng.random(count) * width
        y = rng.random(count) * height
        power = (rng.random(count) * 0.8 + 0.4) * bright
        for step in range(steps):
            part = step / steps
            shape = np.float32(np.sin(np.pi * part))
            px = ((x - part * length * scale * 0.16) % width).astype(np.float32)
            py = ((y + part * length * scale * 1.6) % height).astype(np.float32)
            size = np.full(count, max(0.42, 0.5 * scale), np.float32)
            splat(tile, px, py, size, np.stack([power * shape] * 3).astype(np.float32))
        return tile[0].copy()

    def paint(self, image: Field, moment: Moment) -> None:
        """Add the streaks, tinted by the haze."""
        stage = self._stage
        tone = stage.light.haze * 0.6 + np.float32(0.35)
        total = np.zeros((stage.height, stage.width), np.float32)
        for tile, speed, offset in self._layers:
            fall = (moment.time * speed + offset) * stage.unit
            down = int(fall) % stage.height
            across = int(-fall * 0.1) % stage.width
            total += np.roll(tile, (down, across), (0, 1))
        for channel in range(3):
            image[channel] += total * tone[channel]


class Flakes:
    """Hold falling snow, near flakes large and soft."""

    def __init__(self, stage: Stage, count: int = 620) -> None:
        rng = stage.rng
        self._stage = stage
        near = rng.random(count).astype(np.float32) ** 3
        self._near = near
        self._x = rng.random(count).astype(np.float32)
        self._y = rng.random(count).astype(np.float32)
        self._phase = rng.random(count).astype(np.float32) * 6.28
        scale = stage.unit / 700
        self._size = (0.65 + near * 4.2) * np.float32(scale)
        self._power = (0.55 + 0.3 * rng.random(count).astype(np.float32)) / (1 + near * 3.2)
        self._groups = [near < 0.12, (near >= 0.12) & (near < 0.5), near >= 0.5]

    def paint(self, image: Field, moment: Moment) -> None:
        """Add the flakes."""
        stage, view = self._stage, moment.view
        speed = 0.055 + self._near * 0.17
        sway = np.sin(moment.time * 0.9 + self._phase) * (0.006 + 0.012 * self._near)
        x = (self._x + sway - moment.time * speed * 0.25 - view.x * (0.3 + self._near)) % 1.0
        y = (self._y + moment.time * speed * 1.3) % 1.0
        column = (x * 1.1 - 0.05) * stage.width
        row = (y * 1.1 - 0.05) * stage.height
        tone = np.minimum(stage.light.horizon * 0.5 + stage.light.haze * 0.4 + np.float32(0.12), 1.6)
        for group in self._groups:
            light = tone[:, None] * self._power[group][None]
            splat(image, column[group], row[group], self._size[group], light.astype(np.float32))


class Drift:
    """Hold fog that drifts across the lower frame."""

    def __init__(self, stage: Stage, amount: float = 0.62) -> None:
        self._stage = stage
        self._soft = stage.coarse(6)
        self._tile = texture(stage.rng, 256, 1.9, 0.2)
        self._amount = amount
        middle = np.exp(-(((self._soft.v - stage.bottom * 0.25) / (stage.bottom * 0.62)) ** 2))
        self._where = np.asarray(middle, np.float32)

    def paint(self, image: Field, moment: Moment) -> None:
        """Veil the frame."""
        soft = self._soft
        x = soft.u * np.float32(70) + np.float32(moment.time * 3.2 + moment.view.x * 60)
        y = soft.v * np.float32(170)
        veil = (
            sample(self._tile, x, y)
            + sample(self._tile, x * 0.5 - np.float32(moment.time * 2.1), y * 0.6) * 0.8
        )
        cover = np.clip((veil * 0.22 + 0.62) * self._where * self._amount, 0, 0.94)
        wide = self._stage.enlarge(cover.astype(np.float32))
        tone = self._stage.light.haze * 0.6 + self._stage.light.horizon * 0.4
        for channel in range(3):
            image[channel] += (tone[channel] - image[channel]) * wide
