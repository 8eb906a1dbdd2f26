"""Write frames and sound into an MP4 file."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, cast

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from filmgate.renderer.noise import Field
from filmgate.renderer.request import RenderRequest

RATE = 48_000
_BLOCK = 1024


class _Muxer(Protocol):
    """Say what is used of a container: PyAV's own types leave packets open."""

    def mux(self, packets: object) -> None: ...


class _Stream(Protocol):
    """Say what is used of a stream while encoding."""

    def encode(self, frame: object) -> object: ...


class Encoder:
    """Mux one film: H.264 4:2:0 in BT.709, optional AAC stereo, index in front."""

    def __init__(self, path: Path, request: RenderRequest, sound: Field | None = None) -> None:
        """Open the file; sound has shape (2, samples), values within -1 and 1."""
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._muxer = cast("_Muxer", self._container)
        self._video = self._add_video(request)
        self._sound = sound
        self._audio = None if sound is None else self._add_audio()
        self._rate = request.fps
        self._count = 0
        self._heard = 0

    def _add_video(self, request: RenderRequest) -> _Stream:
        stream = self._container.add_stream(  # pyright: ignore[reportUnknownMemberType] - Packet is open
            "libx264", rate=request.fps
        )
        stream.width, stream.height = request.width, request.height
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, request.fps)
        context = stream.codec_context
        context.thread_count = 1
        context.gop_size = request.fps * 2
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        # aq-mode 3 spends bits on dark gradients, where bands show first; a film is one shot,
        # so x264 need not look for cuts, fades or the best place for a B-frame.
        stream.options = {
            "preset": "superfast",
            "crf": "21",
            "x264-params": "aq-mode=3:aq-strength=0.9:rc-lookahead=0:threads=1"
            ":b-adapt=0:scenecut=0:weightp=0:subme=0",
        }
        return cast("_Stream", stream)

    def _add_audio(self) -> _Stream:
        stream = self._container.add_stream(  # pyright: ignore[reportUnknownMemberType] - Packet is open
            "aac", rate=RATE
        )
        stream.codec_context.layout = "stereo"
        stream.codec_context.bit_rate = 128_000
        # The default coder searches far longer for what a quiet ambience does not need.
        stream.options = {"aac_coder": "fast"}
        return cast("_Stream", stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def picture(self, frame: av.VideoFrame) -> None:
        """Add one frame, and the sound that plays with it."""
        frame.pts = self._count
        frame.time_base = Fraction(1, self._rate)
        self._count += 1
        self._muxer.mux(self._video.encode(frame))
        self._play(self._count * RATE // self._rate)

    def _play(self, until: int) -> None:
        if self._sound is None or self._audio is None:
            return
        total = self._sound.shape[1]
        while self._heard < min(until, total):
            block = np.ascontiguousarray(self._sound[:, self._heard : self._heard + _BLOCK], np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate = RATE
            frame.pts = self._heard
            frame.time_base = Fraction(1, RATE)
            self._heard += block.shape[1]
            self._muxer.mux(self._audio.encode(frame))

    def finish(self) -> None:
        """Flush both streams."""
        self._muxer.mux(self._video.encode(None))
        if self._audio is not None:
            self._muxer.mux(self._audio.encode(None))
