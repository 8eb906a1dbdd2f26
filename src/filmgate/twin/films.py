"""Render the films: real H.264 in mp4, of the size and length asked, with as little work as possible.

One second is encoded and its packets repeated, so that length costs nothing. What was rendered is kept.
"""

import asyncio
import io
import struct
import tempfile
from collections import OrderedDict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Protocol, cast

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

FRAMES_PER_SECOND: Final = 24
MAX_SECONDS: Final = 150
MAX_PIXELS: Final = 4096 * 2304
_KEPT_BYTES: Final = 192 * 1024**2
_CODEC: Final = {"preset": "ultrafast", "tune": "zerolatency", "crf": "36"}
_THUMBNAIL_WIDTH: Final = 320
_SHEET: Final = (4, 4)


class _Muxer(Protocol):
    """Say what is used of a container: PyAV's own types leave packets open."""

    def mux(self, packets: object) -> None: ...


class _Encoder(Protocol):
    """Say what is used of a stream while encoding."""

    def encode(self, frame: VideoFrame | None) -> "list[Packet[Any]]": ...


@dataclass(frozen=True, slots=True)
class Look:
    """Say how a film looks: width and height in pixels, length in seconds, black or not."""

    width: int
    height: int
    seconds: float
    black: bool = False


_KEPT: Final = OrderedDict[Look, bytes]()


@dataclass(slots=True)
class Films:
    """Render each look once, in a thread, and keep the youngest."""

    _kept: OrderedDict[Look, bytes] = field(default_factory=lambda: _KEPT)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def film(self, look: Look) -> bytes:
        """Return a film; its size is made even, as the codec wants it."""
        async with self._lock:
            film = self._kept.pop(look, None) or await asyncio.to_thread(render, look)
            self._kept[look] = film
            while sum(map(len, self._kept.values())) > _KEPT_BYTES and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return film


def signed(film: bytes, owner: str) -> bytes:
    """Return the film with its job's name in a box that players skip, so that no two films are alike."""
    name = owner.encode()
    return film + struct.pack(">I", 8 + len(name)) + b"free" + name


def render(look: Look) -> bytes:
    """Render a film."""
    width, height = _even(look.width), _even(look.height)
    frames = max(1, round(min(look.seconds, MAX_SECONDS) * FRAMES_PER_SECOND))
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        with av.open(file.name, "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream(  # pyright: ignore[reportUnknownMemberType] - Packet is open
                "libx264", rate=FRAMES_PER_SECOND, options=_CODEC
            )
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.thread_count = 1
            second = _encoded(stream, min(frames, FRAMES_PER_SECOND), black=look.black)
            muxer = cast("_Muxer", container)
            for index in range(frames):
                muxer.mux(_copied(second[index % len(second)], index, stream))
        return file.read()


def thumbnail(look: Look) -> bytes:
    """Return a small picture of the film, as WebP."""
    return _saved(_small(look, 0.5), "WEBP")


def spritesheet(look: Look) -> bytes:
    """Return sixteen small pictures of the film on one sheet, as JPEG."""
    columns, rows = _SHEET
    cell = _small(look, 0.0)
    sheet = Image.new("RGB", (cell.width * columns, cell.height * rows))
    for place in range(columns * rows):
        picture = _small(look, place / (columns * rows))
        sheet.paste(picture, (place % columns * cell.width, place // columns * cell.height))
    return _saved(sheet, "JPEG")


def _even(length: int) -> int:
    return max(16, length - length % 2)


def _encoded(stream: VideoStream, frames: int, *, black: bool) -> "list[Packet[Any]]":
    packets: list[Packet[Any]] = []
    encoder = cast("_Encoder", stream)
    for index in range(frames):
        frame = _frame(stream.width, stream.height, index / FRAMES_PER_SECOND, black=black)
        frame.pts = index
        packets += encoder.encode(frame)
    return packets + encoder.encode(None)


def _frame(width: int, height: int, moment: float, *, black: bool) -> VideoFrame:
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = 16 if black else _wave(width, moment)
    if not black:
        # the two planes of colour lie one after the other below the brightness
        planes[height : height + height // 4] = 160
    return VideoFrame.from_ndarray(planes, format="yuv420p")


def _wave(width: int, moment: float) -> NDArray[np.uint8]:
    angle = 2 * np.pi * (np.arange(width) / width + moment)
    return (128 + 90 * np.sin(angle)).astype(np.uint8)


def _copied(packet: "Packet[Any]", index: int, stream: VideoStream) -> "Packet[Any]":
    copy: Packet[Any] = Packet(bytes(packet))
    copy.pts = copy.dts = index
    copy.duration = 1
    copy.time_base = Fraction(1, FRAMES_PER_SECOND)
    copy.stream = stream
    copy.is_keyframe = packet.is_keyframe
    return copy


def _small(look: Look, moment: float) -> Image.Image:
    height = max(2, round(look.height * _THUMBNAIL_WIDTH / look.width))
    row = np.zeros(_THUMBNAIL_WIDTH, np.uint8) if look.black else _wave(_THUMBNAIL_WIDTH, moment)
    return Image.fromarray(np.tile(row, (height, 1))).convert("RGB")


def _saved(picture: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue()
