"""Move a camera over an image reference."""

from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from filmgate.renderer.camera import Moment
from filmgate.renderer.noise import Field, smoothstep
from filmgate.renderer.request import ImageUnreadable
from filmgate.renderer.stage import Stage

_MARGIN = 1.3


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


class Parallax:
    """Slide and enlarge the image, its lower half a little faster than its upper half."""

    detail: ClassVar[float] = 1.0
    sound: ClassVar[str] = "pad"

    def __init__(self, stage: Stage, path: Path) -> None:
        self._stage = stage
        size = (round(stage.width * _MARGIN), round(stage.height * _MARGIN))
        picture = ImageOps.fit(_open(path), size, Image.Resampling.LANCZOS)
        shown = np.asarray(picture, np.float32) / 255
        # The tone curve must give the picture's own values back.
        scene = -np.log1p(-(np.minimum(shown, 0.996) ** 2))
        self._planes = [Image.fromarray(np.ascontiguousarray(scene[:, :, index])) for index in range(3)]
        self._side = 1.0 if stage.rng.random() < 0.5 else -1.0
        # Foregrounds usually lie low and central; the blend hides where the planes part.
        centre = np.exp(-((stage.u / (stage.side * 0.9)) ** 2))
        low = smoothstep(-stage.bottom * 0.5, stage.bottom, stage.v)
        self._front = np.asarray(0.35 * centre + 0.65 * low, np.float32)

    def _box(self, moment: Moment, strength: float) -> tuple[float, float, float, float]:
        stage, view = self._stage, moment.view
        wide, high = stage.width * _MARGIN, stage.height * _MARGIN
        sway = self._side * 0.02 * np.sin(moment.part * np.pi - np.pi / 2)
        zoom = 1.06 + (view.zoom - 1.0) * strength + 0.06 * moment.part * strength
        width, height = stage.width * 1.2 / zoom, stage.height * 1.2 / zoom
        x = (view.x * 0.22 + sway) * strength * stage.width
        y = -view.y * 0.35 * strength * stage.height
        left = float(np.clip((wide - width) / 2 + x, 0, wide - width - 1))
        top = float(np.clip((high - height) / 2 + y, 0, high - height - 1))
        return left, top, left + width, top + height

    def paint(self, image: Field, moment: Moment) -> None:
        """Paint one frame."""
        size = (self._stage.width, self._stage.height)
        back, front = self._box(moment, 0.8), self._box(moment, 1.0)
        for channel, plane in enumerate(self._planes):
            far = np.asarray(plane.resize(size, Image.Resampling.BILINEAR, box=back))
            near = np.asarray(plane.resize(size, Image.Resampling.BILINEAR, box=front))
            np.multiply(near - far, self._front, out=image[channel])
            image[channel] += far
