"""Add small lights to a frame: stars, flakes, sparks, lamps."""

import numpy as np

from filmgate.renderer.noise import Field
from filmgate.renderer.scale import Enlarger
from filmgate.renderer.stage import Stage

_LARGE = 3.2


def splat(image: Field, x: Field, y: Field, size: Field, colour: Field) -> None:
    """Add soft round dots at pixel places; size is their deviation in pixels, colour (3, count)."""
    x, y, size = (np.asarray(part, np.float32) for part in (x, y, size))
    large = size > _LARGE
    if large.any():
        for dot in np.nonzero(large)[0]:
            _glow(image, (float(x[dot]), float(y[dot])), float(size[dot]), colour[:, dot])
        small = ~large
        x, y, size, colour = x[small], y[small], size[small], colour[:, small]
    _, height, width = image.shape
    reach = max(1, int(np.ceil(float(size.max(initial=0.5)) * 2.4)))
    inside = (x > -reach) & (x < width + reach) & (y > -reach) & (y < height + reach)
    if not inside.any():
        return
    x, y, size, colour = x[inside], y[inside], size[inside], colour[:, inside]
    steps = np.arange(-reach, reach + 1, dtype=np.float32)
    column = np.rint(x)[None, :] + steps[:, None]
    row = np.rint(y)[None, :] + steps[:, None]
    spread = np.float32(-0.5) / (size * size)
    across = np.exp((column - x) ** 2 * spread) * ((column >= 0) & (column < width))
    down = np.exp((row - y) ** 2 * spread) * ((row >= 0) & (row < height))
    weight = down[:, None, :] * across[None, :, :]
    at_row = np.clip(row, 0, height - 1).astype(np.intp) * width
    place = at_row[:, None, :] + np.clip(column, 0, width - 1).astype(np.intp)[None, :, :]
    place = place.ravel()
    for channel in range(3):
        np.add.at(image[channel].reshape(-1), place, (weight * colour[channel]).ravel().astype(np.float32))


def _glow(image: Field, place: tuple[float, float], size: float, colour: Field) -> None:
    """Add one large soft dot."""
    _, height, width = image.shape
    x, y = place
    reach = size * 2.6
    left, right = int(np.clip(x - reach, 0, width)), int(np.clip(x + reach + 1, 0, width))
    top, low = int(np.clip(y - reach, 0, height)), int(np.clip(y + reach + 1, 0, height))
    if right <= left or low <= top:
        return
    spread = np.float32(-0.5 / size**2)
    across = np.exp((np.arange(left, right, dtype=np.float32) - np.float32(x)) ** 2 * spread)
    down = np.exp((np.arange(top, low, dtype=np.float32) - np.float32(y)) ** 2 * spread)
    patch = down[:, None] * across[None, :]
    for channel in range(3):
        image[channel, top:low, left:right] += patch * np.float32(colour[channel])


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

    def paint(self, image: Field, time: float, drift: float, floor: float, veil: Field | None = None) -> None:
        """Paint the stars above a row, fading out close to it and behind a veil of any size."""
        stage = self._stage
        x = (self._x + drift + stage.side * 1.25) % (stage.side * 2.5) - stage.side * 1.25
        column = stage.column(0.0) + x * stage.unit
        row = stage.row(0.0) + self._y * stage.unit
        fade = np.clip((floor - row) / (stage.height * 0.35), 0, 1)
        twinkle = 0.75 + 0.25 * np.sin(time * self._speed + self._phase)
        if veil is not None:
            rows, columns = veil.shape
            down = np.clip(row * (rows / stage.height), 0, rows - 1).astype(np.intp)
            along = np.clip(column * (columns / stage.width), 0, columns - 1).astype(np.intp)
            fade *= 1 - veil[down, along]
        seen = fade > 0.01
        light = (self._bright * twinkle * fade)[seen]
        splat(
            image, column[seen], row[seen], self._size[seen].astype(np.float32), self._tone[:, seen] * light
        )


class Bloom:
    """Let bright light spill over its surroundings, as a lens does."""

    def __init__(self, stage: Stage, amount: float, threshold: float = 0.5) -> None:
        self._stage = stage
        self._amount = np.float32(amount)
        self._threshold = np.float32(threshold)
        self._rows, self._columns = stage.height // 16 * 16, stage.width // 16 * 16
        self._grow = Enlarger(max(8, self._columns // 4), max(8, self._rows // 4))

    def paint(self, image: Field) -> None:
        """Add the spill to a frame."""
        rows, columns = self._rows, self._columns
        if rows < 64 or columns < 64:
            return
        for channel in range(3):
            small = _shrink(image[channel, :rows, :columns], 4)
            small -= self._threshold
            np.clip(small, 0.0, 4.0, out=small)
            wide = _soften(_shrink(small, 4))
            spill = self._grow(wide) * np.float32(0.8)
            spill += _soften(small) * np.float32(0.5)
            spill *= self._amount
            image[channel] += self._stage.enlarge(spill)


def _shrink(field: Field, step: int) -> Field:
    """Average blocks of step x step."""
    rows, columns = field.shape
    lines = field[0::step].copy()
    for offset in range(1, step):
        lines += field[offset::step]
    total = lines.reshape(rows // step, columns // step, step).sum(2)
    total *= np.float32(1 / step**2)
    return total


def _soften(field: Field) -> Field:
    """Blur with a small bell, twice."""
    for _ in range(2):
        edge = np.pad(field, 1, mode="edge")
        field = (edge[:-2] + edge[2:]) * np.float32(0.25) + edge[1:-1] * np.float32(0.5)
        field = (field[:, :-2] + field[:, 2:]) * np.float32(0.25) + field[:, 1:-1] * np.float32(0.5)
    return field
