"""Move a camera over an image reference."""

from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field
from filmgate.renderer.request import ImageUnreadable
from filmgate.renderer.stage import Stage

_MARGIN = 1.3
_CELLS = (16, 10)
# The film begins with the image itself; over this part of it the camera moves in and wins room to travel.
_OPENING = 0.3
_CLOSER = 1.148


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except FileNotFoundError as error:
        raise ImageUnreadable("The image reference is missing: send the image again.") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageUnreadable(
            "The image reference cannot be read: send a whole PNG, JPEG or WebP file."
        ) from error


def _eased(part: float) -> float:
    """Go from 0 to 1 without a jerk, and stay there."""
    part = min(1.0, max(0.0, part))
    return part * part * (3 - 2 * part)


class Parallax:
    """Slide and enlarge the image, what lies low and central a little faster than the rest."""

    # The picture is read a little coarser than it is shown anyway: the camera stands back.
    detail: ClassVar[float] = 0.88
    sound: ClassVar[str] = "pad"

    def __init__(self, stage: Stage, path: Path) -> None:
        self._stage = stage
        size = (round(stage.width * _MARGIN), round(stage.height * _MARGIN))
        self._picture = ImageOps.fit(_open(path), size, Image.Resampling.LANCZOS)
        # The tone curve must give the picture's own values back.
        shown = np.minimum(np.arange(256, dtype=np.float32) / 255, 0.996)
        self._light = np.asarray(-np.log1p(-(shown**2)), np.float32)
        self._side = 1.0 if stage.rng.random() < 0.5 else -1.0
        self._across = np.linspace(0, 1, _CELLS[0] + 1)[None, :]
        self._down = np.linspace(0, 1, _CELLS[1] + 1)[:, None]
        # Nearness changes smoothly over the frame, so the image bends and never shows double.
        centre = np.exp(-(((self._across - 0.5) * 2.2) ** 2))
        self._near = 0.35 * centre + 0.65 * self._down**2 * (3 - 2 * self._down)
        self._cells = self._lay_cells()

    def _lay_cells(self) -> list[tuple[int, int, int, int]]:
        """Divide the frame into cells, row by row."""
        columns = [round(self._stage.width * cell / _CELLS[0]) for cell in range(_CELLS[0] + 1)]
        rows = [round(self._stage.height * cell / _CELLS[1]) for cell in range(_CELLS[1] + 1)]
        return [(left, top, right, low) for top, low in pairwise(rows) for left, right in pairwise(columns)]

    def _box(self, moment: Moment, strength: float) -> tuple[float, float, float, float]:
        stage, view = self._stage, moment.view
        wide, high = stage.width * _MARGIN, stage.height * _MARGIN
        sway = self._side * 0.02 * np.sin(moment.part * np.pi - np.pi / 2)
        opened = _eased(moment.part / _OPENING)
        closer = _CLOSER + (view.zoom - 1.0) * strength + 0.06 * moment.part * strength
        zoom = 1.0 + opened * (closer - 1.0)
        width, height = wide / zoom, high / zoom
        x = (view.x * 0.22 + sway) * strength * opened * stage.width
        y = -view.y * 0.35 * strength * opened * stage.height
        left = float(np.clip((wide - width) / 2 + x, 0, max(0.0, wide - width)))
        top = float(np.clip((high - height) / 2 + y, 0, max(0.0, high - height)))
        return left, top, left + width, top + height

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        back, front = self._box(moment, 0.7), self._box(moment, 1.0)
        far_x, far_y = (
            back[0] + (back[2] - back[0]) * self._across,
            back[1] + (back[3] - back[1]) * self._down,
        )
        near_x = front[0] + (front[2] - front[0]) * self._across
        near_y = front[1] + (front[3] - front[1]) * self._down
        x = far_x + (near_x - far_x) * self._near
        y = far_y + (near_y - far_y) * self._near
        # A quad lists its corners as upper left, lower left, lower right, upper right.
        corners = (
            x[:-1, :-1],
            y[:-1, :-1],
            x[1:, :-1],
            y[1:, :-1],
            x[1:, 1:],
            y[1:, 1:],
            x[:-1, 1:],
            y[:-1, 1:],
        )
        quads = np.stack(corners, axis=-1).reshape(-1, 8)
        mesh = [(cell, tuple(quad)) for cell, quad in zip(self._cells, quads.tolist(), strict=True)]
        size = (self._stage.width, self._stage.height)
        moved = self._picture.transform(size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
        shown = np.asarray(moved)
        for channel in range(3):
            self._light.take(shown[:, :, channel].astype(np.intp), out=image[channel], mode="clip")
