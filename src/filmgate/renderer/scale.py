"""Enlarge coarse fields quickly."""

from typing import cast

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from filmgate.renderer.noise import Field

_STEPS = 65_535


def words(plane: VideoPlane, height: int, width: int) -> NDArray[np.uint16]:
    """View a plane of 16-bit samples as an array."""
    # Planes are buffers, which PyAV's stubs do not say.
    pixels = np.frombuffer(cast("bytes", plane), np.uint16)
    return pixels[: height * plane.line_size // 2].reshape(height, plane.line_size // 2)[:, :width]


class Enlarger:
    """Scale fields to one size by bicubic filtering in 16 bits, far faster than in floats."""

    def __init__(self, width: int, height: int) -> None:
        self._width, self._height = width, height
        # One scaler per source size: changing the size of a scaler builds it anew.
        self._tools: dict[tuple[int, int], tuple[VideoReformatter, av.VideoFrame]] = {}

    def __call__(self, field: Field) -> Field:
        """Return the field at the target size."""
        height, width = field.shape
        tool = self._tools.get((width, height))
        if tool is None:
            tool = (VideoReformatter(), av.VideoFrame(width, height, "gray16le"))
            self._tools[width, height] = tool
        reformatter, source = tool
        low, high = float(field.min()), float(field.max())
        span = max(high - low, 1e-6)
        np.multiply(
            field - np.float32(low),
            _STEPS / span,
            out=words(source.planes[0], height, width),
            casting="unsafe",
        )
        frame = reformatter.reformat(
            source, self._width, self._height, "gray16le", interpolation=Interpolation.BICUBIC, threads=1
        )
        shown = np.multiply(
            words(frame.planes[0], self._height, self._width), np.float32(span / _STEPS), dtype=np.float32
        )
        shown += np.float32(low)
        return shown


def patch(field: Field, size: tuple[int, int], box: tuple[int, int, int, int]) -> Field:
    """Read the part (top, low, left, right) of a field as if it were enlarged to size (rows, columns)."""
    top, low, left, right = box
    rows = _along(field, field.shape[0] / size[0], (top, low))
    return _along(rows.T, field.shape[1] / size[1], (left, right)).T


def _along(field: Field, scale: float, reach: tuple[int, int]) -> Field:
    place = np.clip((np.arange(*reach) + 0.5) * scale - 0.5, 0, field.shape[0] - 1)
    first = place.astype(np.intp)
    part = (place - first).astype(np.float32)[:, None]
    second = np.minimum(first + 1, field.shape[0] - 1)
    return field[first] * (1 - part) + field[second] * part
