"""Write frames and sound into an MP4 file."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from filmgate.renderer.noise import Field
from filmgate.renderer.request import RenderRequest

RATE = 48_000
_BLOCK = 1024


class Encoder:
    """Mux one film: H.264 4:2:0 in BT.709, optional AAC stereo, index in front."""

    def __init__(self, path: Path, request: RenderRequest) -> None:
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._video = self._container.add_stream("libx264", rate=request.fps)
        self._video.width = request.width
        self._video.height = request.height
        self._video.pix_fmt = "yuv420p"
        self._video.time_base = Fraction(1, request.fps)
        context = self._video.codec_context
        context.thread_count = 1
        context.gop_size = request.fps * 2
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        # aq-mode 3 spends bits on dark gradients, where bands show first.
        self._video.options = {
            "preset": "superfast",
            "crf": "21",
            "x264-params": "aq-mode=3:aq-strength=0.9:rc-lookahead=0:threads=1",
        }
        self._sound = None
        if request.audio:
            self._sound = self._container.add_stream("aac", rate=RATE)
            self._sound.codec_context.layout = "stereo"
            self._sound.codec_context.bit_rate = 128_000
        self._rate = request.fps
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def picture(self, frame: av.VideoFrame) -> None:
        """Add one frame."""
        frame.pts = self._count
        frame.time_base = Fraction(1, self._rate)
        self._count += 1
        self._container.mux(self._video.encode(frame))

    def sound(self, samples: Field) -> None:
        """Add sound of shape (2, count), values within -1 and 1."""
        if self._sound is None:
            return
        for start in range(0, samples.shape[1], _BLOCK):
            block = np.ascontiguousarray(samples[:, start : start + _BLOCK])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate = RATE
            frame.pts = start
            frame.time_base = Fraction(1, RATE)
            self._container.mux(self._sound.encode(frame))

    def finish(self) -> None:
        """Flush both streams."""
        self._container.mux(self._video.encode(None))
        if self._sound is not None:
            self._container.mux(self._sound.encode(None))
