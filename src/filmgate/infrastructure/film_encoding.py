"""Encode two films anew as one; only ever imported by a child process."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.error import FFmpegError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from filmgate.domain.errors import MediaUnreadable
from filmgate.infrastructure.film_frames import fitted, upright
from filmgate.infrastructure.media_film import Film, opened

_RATE: Final = 48_000
_BLOCK: Final = 1024
_FASTEST: Final = 60
_THREADS: Final = 2
# good enough that the seam, not the encoding, is what one would look for
_OPTIONS: Final = {"preset": "veryfast", "crf": "17"}

Sound = NDArray[np.float32]


class _Muxer(Protocol):
    """Say what is used of a container: PyAV's own types leave packets open."""

    def mux(self, packets: object) -> None: ...


class _Stream(Protocol):
    """Say what is used of a stream while encoding."""

    def encode(self, frame: object) -> object: ...


def encode_joined(first: Film, second: Film, out: Path) -> None:
    """Write the second film after the first, in the first's size and rate, with the sound of both."""
    try:
        with _Encoding(first, second, out) as encoding:
            encoding.run()
    except FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise MediaUnreadable(f"the films cannot be joined: {error.strerror}") from error


class _Encoding:
    """Encode one film from two."""

    def __init__(self, first: Film, second: Film, out: Path) -> None:
        self._films = ((first, 0.0), (second, first.seconds))
        self._rate = Fraction(min(first.fps, _FASTEST)).limit_denominator(1001)
        self._model = _first_frame(first)
        self._size = _even(_shown_size(self._model))
        self._sound = _sound_of(first, second)
        self._file = av.open(str(out), "w", format="mp4", options={"movflags": "+faststart"})
        self._muxer = cast("_Muxer", self._file)
        self._video = self._add_video()
        self._audio = None if self._sound is None else self._add_audio()
        self._last = -1
        self._heard = 0

    def __enter__(self) -> "_Encoding":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _add_video(self) -> _Stream:
        stream = self._file.add_stream(  # pyright: ignore[reportUnknownMemberType] - Packet is open
            "libx264", rate=self._rate
        )
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        stream.time_base = 1 / self._rate
        context, like = stream.codec_context, self._model
        context.thread_count = _THREADS
        context.colorspace, context.color_range = like.colorspace, like.color_range
        context.color_primaries, context.color_trc = like.color_primaries, like.color_trc
        stream.options = dict(_OPTIONS)
        return cast("_Stream", stream)

    def _add_audio(self) -> _Stream:
        stream = self._file.add_stream(  # pyright: ignore[reportUnknownMemberType] - Packet is open
            "aac", rate=_RATE
        )
        stream.codec_context.layout = "stereo"
        stream.codec_context.bit_rate = 192_000
        return cast("_Stream", stream)

    def run(self) -> None:
        """Encode all of it."""
        for film, begins in self._films:
            for frame, seconds in _frames(film):
                self._show(frame, round((begins + seconds) * self._rate))
        self._muxer.mux(self._video.encode(None))
        if self._audio is not None:
            self._play(None)
            self._muxer.mux(self._audio.encode(None))

    def _show(self, frame: VideoFrame, place: int) -> None:
        if place <= self._last:
            return
        self._last = place
        shown = self._in_shape(frame)
        shown.pts, shown.time_base = place, 1 / self._rate
        self._muxer.mux(self._video.encode(shown))
        self._play(round((place + 1) / self._rate * _RATE))

    def _in_shape(self, frame: VideoFrame) -> VideoFrame:
        if (frame.width, frame.height) == self._size and not frame.rotation:
            return self._coloured(frame)
        pixels = np.asarray(fitted(upright(frame), self._size))
        return self._coloured(VideoFrame.from_ndarray(pixels, format="rgb24"))

    def _coloured(self, frame: VideoFrame) -> VideoFrame:
        """Return a frame in the colours that the first film is written in."""
        like = self._model
        return frame.reformat(
            format="yuv420p", dst_colorspace=like.colorspace, dst_color_range=like.color_range
        )

    def _play(self, until: int | None) -> None:
        if self._sound is None or self._audio is None:
            return
        total = self._sound.shape[1]
        while self._heard < (total if until is None else min(until, total)):
            block = np.ascontiguousarray(self._sound[:, self._heard : self._heard + _BLOCK])
            frame = AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = _RATE, self._heard, Fraction(1, _RATE)
            self._heard += block.shape[1]
            self._muxer.mux(self._audio.encode(frame))


def _frames(film: Film) -> Iterator[tuple[VideoFrame, float]]:
    """Yield every frame with its time from the first one on."""
    with opened(film.path, film.container) as file:
        video = file.streams.video[0]
        video.thread_type, video.thread_count = "AUTO", _THREADS
        start: float | None = None
        for frame in file.decode(video):
            seconds = frame.time
            start = seconds if start is None else start
            yield frame, seconds - start


def _first_frame(film: Film) -> VideoFrame:
    for frame, _ in _frames(film):
        return frame
    raise MediaUnreadable("it has no frame that can be decoded")


def _shown_size(frame: VideoFrame) -> tuple[int, int]:
    turned = frame.rotation % 180 != 0
    return (frame.height, frame.width) if turned else (frame.width, frame.height)


def _even(size: tuple[int, int]) -> tuple[int, int]:
    return max(2, size[0] // 2 * 2), max(2, size[1] // 2 * 2)


def _sound_of(first: Film, second: Film) -> Sound | None:
    """Return the sound of both films at its place, silence in between; None where neither has any."""
    if first.audio_codec is None and second.audio_codec is None:
        return None
    seam = round(first.seconds * _RATE)
    sound = np.zeros((2, seam + round(second.seconds * _RATE)), np.float32)
    for film, begin, end in ((first, 0, seam), (second, seam, sound.shape[1])):
        if film.audio_codec is not None:
            _fill(sound[:, begin:end], film)
    return sound


def _fill(room: Sound, film: Film) -> None:
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=_RATE)
    position: int | None = None
    with opened(film.path, film.container) as file:
        for frame in _heard_frames(file.decode(file.streams.audio[0]), resampler):
            seconds = cast("float", frame.time)
            position = max(0, round(seconds * _RATE)) if position is None else position
            samples = cast("Sound", frame.to_ndarray())[:, : max(0, room.shape[1] - position)]
            room[:, position : position + samples.shape[1]] = samples
            position += samples.shape[1]


def _heard_frames(decoded: Iterator[AudioFrame], resampler: av.AudioResampler) -> Iterator[AudioFrame]:
    for frame in decoded:
        yield from resampler.resample(frame)
    yield from resampler.resample(None)
