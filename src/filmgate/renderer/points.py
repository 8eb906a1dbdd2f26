"""Add small lights to a frame: stars, flakes, sparks, lamps."""

import numpy as np
from numpy.typing import NDArray

from filmgate.renderer.noise import Field
from filmgate.renderer.stage import Stage


def splat(image: Field, x: Field, y: Field, size: Field, colour: Field) -> None:
    """Add soft round dots at pixel places; size is their deviation in pixels, colour (3, count)."""
    _, height, width = image.shape
    reach = max(1, int(np.ceil(float(size.max(initial=0.5)) * 2.4)))
    inside = (x > -reach) & (x < width + reach) & (y > -reach) & (y < height + reach)
    if not inside.any():
        return
    x, y, size, colour = x[inside], y[inside], size[inside], colour[:, inside]
    steps = np.arange(-reach, reach + 1, dtype=np.int32)
    column = np.rint(x).astype(np.int32)[None, :] + steps[:, None]
    row = np.rint(y).astype(np.int32)[None, :] + steps[:, None]
    spread = np.float32(-0.5) / (size * size)
    across = np.exp((column - x) ** 2 * spread) * ((column >= 0) & (column < width))
    down = np.exp((row - y) ** 2 * spread) * ((row >= 0) & (row < height))
    weight = (down[:, None, :] * across[None, :, :]).ravel()
    place = np.clip(row, 0, height - 1)[:, None, :] * width + np.clip(column, 0, width - 1)[None, :, :]
    _scatter(image, place.ravel(), weight, colour, steps.size**2)


def _scatter(image: Field, place: NDArray[np.int32], weight: Field, colour: Field, copies: int) -> None:
    for channel in range(3):
        light = np.broadcast_to(colour[channel], (copies, colour.shape[1])).ravel() * weight
        np.add.at(image[channel].reshape(-1), place, light.astype(np.float32))


class Stars:
    """Hold a field of twinkling stars above a horizon."""

    def __init__(self, stage: Stage, amount: float = 1.0) -> None:
        rng = stage.rng
        count = int(520 * amount)
        reach = 1.25
        self._stage = stage
        self._x = (rng.random(count).astype(np.float32) * 2 - 1) * stage.side * reach
        self._y = (rng.random(count).astype(np.float32) * 2 - 1) * stage.bottom * reach
        bright = rng.pareto(1.6, count).astype(np.float32) * 0.14 + 0.05
        self._bright = np.minimum(bright, 2.2)
        warmth = rng.random(count).astype(np.float32)
        self._tone = np.stack([0.75 + 0.35 * warmth, 0.85 + 0.05 * warmth, 1.15 - 0.35 * warmth])
        self._phase = rng.random(count).astype(np.float32) * 6.28
        self._speed = rng.random(count).astype(np.float32) * 2.5 + 1.0
        self._size = (0.45 + 0.28 * np.sqrt(self._bright)) * np.float32(max(0.8, stage.unit / 700))

    def paint(self, image: Field, time: float, drift: float, floor: float) -> None:
        """Paint the stars above a row, fading out close to it."""
        stage = self._stage
        x = (self._x + drift + stage.side * 1.25) % (stage.side * 2.5) - stage.side * 1.25
        column = stage.column(0.0) + x * stage.unit
        row = stage.row(0.0) + self._y * stage.unit
        fade = np.clip((floor - row) / (stage.height * 0.35), 0, 1)
        twinkle = 0.75 + 0.25 * np.sin(time * self._speed + self._phase)
        seen = fade > 0.01
        light = (self._bright * twinkle * fade)[seen]
        splat(image, column[seen], row[seen], self._size[seen].astype(np.float32), self._tone[:, seen] * light)


def bloom(image: Field, stage: Stage, amount: float, threshold: float = 0.5) -> None:
    """Let bright light spill over its surroundings, as a lens does."""
    step = 4
    _, height, width = image.shape
    rows, columns = height // step, width // step
    if rows < 4 or columns < 4:
        return
    small = image[:, : rows * step, : columns * step].reshape(3, rows, step, columns, step).mean((2, 4))
    np.maximum(small - np.float32(threshold), 0.0, out=small)
    np.minimum(small, 4.0, out=small)
    narrow = _blur(small, max(1, round(stage.unit / 400)))
    wide = _blur(narrow, max(2, round(stage.unit / 110)))
    small = narrow * 0.6 + wide * 0.7
    for channel in range(3):
        image[channel] += stage.enlarge(small[channel]) * np.float32(amount)


def _blur(field: Field, radius: int) -> Field:
    """Blur with two box passes each way."""
    for axis in (1, 2, 1, 2):
        padding = [(0, 0)] * 3
        padding[axis] = (radius + 1, radius)
        total = np.cumsum(np.pad(field, padding, mode="edge"), axis=axis, dtype=np.float32)
        size = field.shape[axis]
        window = 2 * radius + 1
        high = np.take(total, np.arange(window, window + size), axis=axis)
        low = np.take(total, np.arange(size), axis=axis)
        field = (high - low) * np.float32(1 / window)
    return field
