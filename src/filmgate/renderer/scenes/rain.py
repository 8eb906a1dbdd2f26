"""Rain on a window, lights out of focus behind it."""

from typing import ClassVar

import numpy as np

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, sample, texture
from filmgate.renderer.palette import light as paint_light
from filmgate.renderer.palette import table
from filmgate.renderer.stage import Stage
from filmgate.renderer.weather import Streaks

_LAMPS = ("#ffb45c", "#ffd9a0", "#ff5a4a", "#7fc4ff", "#ff86b8", "#6fe8c8", "#fff0d8")


class _Drop:
    """Hold one drop on the pane: place, size, pace."""

    def __init__(self, stage: Stage, runner: bool) -> None:
        rng = stage.rng
        self.x = float(rng.random())
        self.y = float(rng.random())
        small = 0.0026 + 0.0095 * float(rng.random()) ** 3.0
        self.radius = (0.011 + 0.006 * float(rng.random()) if runner else small) * stage.unit
        self.pace = 0.05 + 0.11 * float(rng.random()) if runner else 0.0
        self.phase = float(rng.random()) * 6.28


class Rain:
    """Bokeh of a wet evening seen through drops that bend it."""

    detail: ClassVar[float] = 0.7
    sound: ClassVar[str] = "rain"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        rng = stage.rng
        light = stage.light
        self._day = stage.direction.time in ("noon", "dawn", "golden")
        self._soft = stage.coarse(3)
        count = 54
        self._at = rng.random((2, count)).astype(np.float32)
        self._size = (0.018 + 0.04 * rng.random(count)).astype(np.float32)
        self._power = ((0.25 + 0.75 * rng.random(count) ** 2) * (0.4 if self._day else 1.0)).astype(
            np.float32
        )
        self._tint = np.stack(
            [paint_light(_LAMPS[int(rng.integers(len(_LAMPS)))]) for _ in range(count)], axis=1
        )
        self._phase = rng.random(count).astype(np.float32) * 6.28
        self._speed = ((rng.random(count) - 0.5) * 0.02 * (rng.random(count) < 0.4)).astype(np.float32)
        self._tile = texture(rng, 256, 1.9, 0.2)
        dim = 1.0 if self._day else 0.8
        dark = light.shade * 0.7 + light.zenith * 0.3
        glow = paint_light("#a8602c") * (0.08 if self._day else 0.35)
        self._sky = table(
            [
                light.upper * 0.8 * dim,
                light.low * 0.7 * dim + glow * 0.35,
                light.haze * 0.55 * dim + glow,
                dark + glow * 0.3,
                dark * 0.7,
            ],
            512,
        )
        self._still = [_Drop(stage, runner=False) for _ in range(420)]
        self._runners = [_Drop(stage, runner=True) for _ in range(20)]
        shape = (stage.height, stage.width)
        self._bend_x, self._bend_y = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._gain = np.ones(shape, np.float32)
        for drop in self._still:
            self._press(
                (self._bend_x, self._bend_y, self._gain),
                drop.x * stage.width,
                drop.y * stage.height,
                drop.radius,
            )
        self._streaks = Streaks(stage, 0.6)

    def _press(self, maps: tuple[Field, Field, Field], x: float, y: float, radius: float) -> None:
        """Press a drop into the maps: it shows the world upside down, dark at its rim."""
        bend_x, bend_y, gain = maps
        stage = self._stage
        left, right = int(max(0, x - radius - 1)), int(min(stage.width, x + radius + 2))
        top, low = int(max(0, y - radius * 1.25 - 1)), int(min(stage.height, y + radius * 1.25 + 2))
        if right - left < 1 or low - top < 1:
            return
        dx = (np.arange(left, right, dtype=np.float32)[None, :] - np.float32(x)) / np.float32(radius)
        dy = (np.arange(top, low, dtype=np.float32)[:, None] - np.float32(y)) / np.float32(radius * 1.15)
        away = dx * dx + dy * dy
        inside = np.clip((1 - np.sqrt(away)) * np.float32(radius) + 0.5, 0, 1)
        lens = inside * np.float32(stage.unit * 0.19)
        keep = 1 - inside
        bend_x[top:low, left:right] = bend_x[top:low, left:right] * keep - dx * lens
        bend_y[top:low, left:right] = bend_y[top:low, left:right] * keep - dy * lens
        rim = (
            1.12 - 0.62 * np.clip(away, 0, 1) ** 2 + 0.5 * np.exp(-((dx + 0.35) ** 2 + (dy + 0.42) ** 2) * 14)
        )
        gain[top:low, left:right] += (rim - gain[top:low, left:right]) * inside

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        stage = self._stage
        soft = self._view(moment)
        maps = (self._bend_x.copy(), self._bend_y.copy(), self._gain.copy())
        for drop in self._runners:
            self._run(maps, drop, moment.time)
        rows = np.arange(stage.height, dtype=np.float32)[:, None]
        columns = np.arange(stage.width, dtype=np.float32)[None, :]
        behind = [stage.enlarge(soft[channel]) for channel in range(3)]
        y = np.clip(rows + maps[1], 0, stage.height - 1).astype(np.intp)
        x = np.clip(columns + maps[0], 0, stage.width - 1).astype(np.intp)
        index = y * stage.width + x
        for channel in range(3):
            np.multiply(behind[channel].ravel().take(index, mode="clip"), maps[2], out=image[channel])
        self._streaks.paint(image, moment)

    def _run(self, maps: tuple[Field, Field, Field], drop: _Drop, time: float) -> None:
        """Let a heavy drop slide, pausing and hurrying, its trail beading behind it."""
        stage = self._stage
        pace = time * drop.pace
        fall = drop.y + pace + 0.05 * np.sin(time * 0.8 + drop.phase)
        y = (fall % 1.25 - 0.12) * stage.height
        wander = 0.006 * np.sin(fall * 23 + drop.phase) + 0.003 * np.sin(fall * 51)
        x = (drop.x + wander) * stage.width
        for bead in range(1, 6):
            past = fall - bead * 0.028
            trail = 0.006 * np.sin(past * 23 + drop.phase) + 0.003 * np.sin(past * 51)
            small = drop.radius * (0.42 - 0.06 * bead)
            self._press(maps, (drop.x + trail) * stage.width, y - bead * 0.028 * stage.height, small)
        self._press(maps, x, y, drop.radius)

    def _view(self, moment: Moment) -> Field:
        """Paint the world behind the pane, out of focus."""
        soft, view = self._soft, moment.view
        place = np.clip((soft.v + soft.v[-1]) / (2 * soft.v[-1]), 0, 1)
        u, v = soft.u * 60 + np.float32(moment.time * 0.8), soft.v * 90
        murk = sample(self._tile, u, v) * np.float32(0.05)
        index = (np.clip(place + murk, 0, 1) * 511).astype(np.intp)
        back = self._sky[:, index]
        x = ((self._at[0] + moment.time * self._speed - view.x * 0.25) % 1.1 - 0.05) * soft.width
        y = (0.34 + self._at[1] * 0.5) * soft.height
        power = self._power * (0.8 + 0.2 * np.sin(moment.time * 0.9 + self._phase))
        for lamp in range(x.size):
            self._disc(
                back,
                (float(x[lamp]), float(y[lamp])),
                float(self._size[lamp]),
                self._tint[:, lamp] * power[lamp],
            )
        return np.asarray(back, np.float32)

    def _disc(self, back: Field, place: tuple[float, float], size: float, tone: Field) -> None:
        """Add one lamp as a lens draws it: an even disc, a brighter rim."""
        soft = self._soft
        x, y = place
        radius = size * soft.unit
        left, right = int(max(0, x - radius - 2)), int(min(soft.width, x + radius + 3))
        top, low = int(max(0, y - radius - 2)), int(min(soft.height, y + radius + 3))
        if right - left < 1 or low - top < 1:
            return
        away = np.hypot(
            np.arange(left, right, dtype=np.float32)[None, :] - np.float32(x),
            np.arange(top, low, dtype=np.float32)[:, None] - np.float32(y),
        )
        shape = np.clip((np.float32(radius) - away) * 0.6 + 0.5, 0, 1) * (
            0.55 + 0.4 * (away / np.float32(radius)) ** 4
        )
        back[:, top:low, left:right] += tone[:, None, None] * shape[None] * np.float32(0.62)
