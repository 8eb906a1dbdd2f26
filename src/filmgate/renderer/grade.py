"""Turn scene light into film frames: vignette, tone curve, grain, dither."""

from typing import cast

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.random import Generator
from numpy.typing import NDArray

from filmgate.renderer.noise import Field
from filmgate.renderer.scale import words
from filmgate.renderer.stage import Stage

VIGNETTE = 0.3
_SPARE = 64
_BAND = 36


class Grade:
    """Develop frames of scene light into 8-bit 4:2:0 pictures at the output size."""

    def __init__(
        self,
        stage: Stage,
        size: tuple[int, int],
        rng: Generator,
        grain: float = 1.0,
        vignette: float = VIGNETTE,
    ) -> None:
        self._size = size
        self._rng = rng
        corner = stage.side**2 + stage.bottom**2
        fall = (stage.u**2 + stage.v**2) / np.float32(corner)
        # Negative, as the tone curve 1 - exp(-light) wants it.
        self._vignette = np.asarray(vignette * fall**1.5 - 1.0, np.float32)
        self._source = av.VideoFrame(stage.width, stage.height, "gbrp16le")
        self._planes = [words(self._source.planes[index], stage.height, stage.width) for index in (2, 0, 1)]
        self._reformatter = VideoReformatter()
        width, height = size
        noise = rng.standard_normal((height + _SPARE, width + _SPARE)).astype(np.float32)
        # A little softness makes it film grain instead of sensor noise; it also dithers the skies.
        noise = noise + 0.35 * (np.roll(noise, 1, 0) + np.roll(noise, 1, 1))
        self._grain = (
            np.clip(noise * 256 * 0.55 * grain + 128, -2000, 2000).astype(np.int32).astype(np.uint16)
        )

    def develop(self, image: Field) -> av.VideoFrame:
        """Return the finished frame; the image is used up."""
        # A band of rows at a time stays in the processor's cache through all the steps.
        for channel, plane in enumerate(self._planes):
            for top in range(0, plane.shape[0], _BAND):
                rows = slice(top, top + _BAND)
                band = image[channel, rows]
                band *= self._vignette[rows]
                np.minimum(band, 0.0, out=band)
                np.exp(band, out=band)
                np.subtract(1.0, band, out=band)
                np.sqrt(band, out=band)
                np.multiply(band, 65535.0, out=plane[rows], casting="unsafe")
        width, height = self._size
        deep = self._reformatter.reformat(
            self._source,
            width,
            height,
            "yuv420p16le",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC,
            threads=1,
        )
        frame = av.VideoFrame(width, height, "yuv420p")
        x, y = (int(value) for value in self._rng.integers(0, _SPARE, 2))
        for index in range(3):
            high = height if index == 0 else height // 2
            wide = width if index == 0 else width // 2
            source = words(deep.planes[index], high, wide)
            # Unsigned wrap-around adds negative grain; video levels keep it away from the ends.
            mixed = np.add(source, self._grain[y : y + high, x : x + wide], out=source)
            mixed >>= 8
            _octets(frame.planes[index], high, wide)[:] = mixed
        return frame


def _octets(plane: VideoPlane, height: int, width: int) -> NDArray[np.uint8]:
    pixels = np.frombuffer(cast("bytes", plane), np.uint8)
    return pixels[: height * plane.line_size].reshape(height, plane.line_size)[:, :width]
