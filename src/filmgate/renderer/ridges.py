"""Paint ridges: everything whose outline is one height per column."""

from dataclasses import dataclass

import numpy as np

from filmgate.renderer.camera import View
from filmgate.renderer.noise import Field, ring_at
from filmgate.renderer.stage import Stage


@dataclass(frozen=True, slots=True)
class Plane:
    """Hold a distance: how far the camera's moves shift and enlarge what stands there."""

    near: float
    horizon: float

    def u(self, stage: Stage, view: View) -> Field:
        """Return the world place of each column, shape (width,)."""
        zoom = 1.0 + (view.zoom - 1.0) * self.near
        return stage.u[0] / np.float32(zoom) + np.float32(view.x * self.near)

    def v(self, height: Field | float, view: View) -> Field | float:
        """Return the screen height of a world height."""
        zoom = 1.0 + (view.zoom - 1.0) * self.near
        return self.horizon + (height - self.horizon) * zoom - view.y * self.near

    def scale(self, view: View) -> float:
        """Return the enlargement at this distance."""
        return 1.0 + (view.zoom - 1.0) * self.near


def lookup(ring: Field, place: Field, per_unit: float) -> Field:
    """Read a ring at world places, per_unit entries to one unit."""
    return ring_at(ring, place.astype(np.float64) * per_unit)


def fill(image: Field, crest: Field, colour: Field, floor: int | None = None) -> None:
    """Paint below a crest given in pixel rows, with a soft edge; colour is (3, height, 1 or width)."""
    _, height, _ = image.shape
    last = height if floor is None else min(height, floor)
    top = int(np.clip(np.floor(crest.min()) - 1, 0, last))
    low = int(np.clip(np.ceil(crest.max()) + 2, top, last))
    if low > top:
        rows = np.arange(top, low, dtype=np.float32)[:, None]
        cover = np.clip(rows - crest[None, :].astype(np.float32) + 0.5, 0, 1)
        for channel in range(3):
            area = image[channel, top:low]
            area += (colour[channel, top:low] - area) * cover
    image[:, low:last] = colour[:, low:last]


def fade(stage: Stage, top: Field, low: Field, start: float, end: float) -> Field:
    """Make a vertical gradient between two colours from v start to v end, shape (3, height, 1)."""
    part = np.clip((stage.v - start) / max(1e-4, end - start), 0, 1)
    part = part * part * (3 - 2 * part)
    return top[:, None, None] + (low - top)[:, None, None] * part[None]
