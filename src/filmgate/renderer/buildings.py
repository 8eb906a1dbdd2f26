"""Draw house fronts with lit windows."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from filmgate.renderer.noise import Field

# A front is coded in one byte: below LIT the wall by its light, above it a lit window.
LIT = 96


def facade(rng: Generator, size: tuple[int, int], cell: tuple[int, int], lit: float) -> NDArray[np.uint8]:
    """Make a front of size (rows, columns) with windows in cells of (rows, columns) texels."""
    rows, columns = size
    high, wide = cell
    floors, bays = rows // high + 1, columns // wide + 1
    on = rng.random((floors, bays)) < lit
    # Whole floors are often dark or lit together.
    on &= rng.random((floors, 1)) < 0.8
    on |= rng.random((floors, 1)) < 0.06 * lit
    power = LIT + 40 + rng.random((floors, bays)) ** 1.6 * (255 - LIT - 40)
    wall = 24 + rng.random((floors, bays)) * 10
    pane = np.where(on, power, wall * 0.45)
    y, x = np.arange(rows), np.arange(columns)
    inside = (((y % high) >= max(1, high // 4)) & ((y % high) < high - max(0, high // 5)))[:, None] & (
        ((x % wide) >= max(1, wide // 4)) & ((x % wide) < wide - max(0, wide // 5))
    )[None, :]
    blown = np.where(inside, pane[(y // high)][:, x // wide], 34.0)
    return blown.astype(np.uint8)


def halve(front: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average a front down to half its size, for what stands far away."""
    rows, columns = front.shape[0] // 2 * 2, front.shape[1] // 2 * 2
    block = front[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2)
    return block.mean((1, 3)).astype(np.uint8)


def front_colours(wall_dark: Field, wall_lit: Field, lamp: Field, power: float) -> Field:
    """Make the table of 256 colours for a coded front."""
    part = np.clip(np.arange(256, dtype=np.float32) / LIT, 0, 1)
    glow = np.clip((np.arange(256, dtype=np.float32) - LIT) / (255 - LIT), 0, 1)
    walls = wall_dark[:, None] + (wall_lit - wall_dark)[:, None] * part
    return np.asarray(walls + lamp[:, None] * glow**1.3 * np.float32(power), np.float32)
