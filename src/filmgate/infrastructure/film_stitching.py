"""Join two films into one, packet by packet where that is possible; only ever imported by a child process."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol, cast

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from filmgate.domain.errors import MediaUnreadable
from filmgate.infrastructure.film_encoding import encode_joined
from filmgate.infrastructure.media_film import Film, opened

_COPIED: Final = frozenset({"mp4", "mov"})


class _Cannot(Exception):
    """The packets of the two films cannot stand in one file; the message says why."""


class _Muxer(Protocol):
    """Say what is used of a container: PyAV's own types leave packets open."""

    def mux(self, packets: object) -> None: ...


@dataclass(slots=True)
class _Track:
    """Follow one stream of the new film: what is written last, and where it ends, in seconds."""

    stream: Stream
    last: Fraction | None = None
    end: Fraction = field(default_factory=Fraction)


def join(first: Film, second: Film, out: Path) -> str | None:
    """Write the second film after the first; return None if no frame was encoded anew, else why."""
    try:
        _copy(first, second, out)
    except _Cannot as obstacle:
        with suppress(FileNotFoundError):
            out.unlink()
        encode_joined(first, second, out)
        return str(obstacle)
    return None


def _copy(first: Film, second: Film, out: Path) -> None:
    if not {first.container, second.container} <= _COPIED:
        raise _Cannot("one of them is no mp4")
    try:
        with opened(first.path, first.container) as head, opened(second.path, second.container) as tail:
            _check_alike(head, tail)
            with av.open(str(out), "w", format="mp4", options={"movflags": "+faststart"}) as file:
                _Copy(file, head, tail).run()
    except FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise MediaUnreadable(f"the films cannot be joined: {error.strerror}") from error


def _check_alike(head: InputContainer, tail: InputContainer) -> None:
    one, other = head.streams.video[0], tail.streams.video[0]
    if (one.width, one.height) != (other.width, other.height):
        raise _Cannot(f"their frames are {one.width}x{one.height} and {other.width}x{other.height}")
    if one.codec_context.name != other.codec_context.name:
        raise _Cannot(f"their pictures are {one.codec_context.name} and {other.codec_context.name}")
    if one.codec_context.extradata != other.codec_context.extradata:
        raise _Cannot("their pictures were encoded with different settings")
    if not head.streams.audio or not tail.streams.audio:
        return
    loud, after = head.streams.audio[0].codec_context, tail.streams.audio[0].codec_context
    if (loud.name, loud.sample_rate, loud.layout.name) != (after.name, after.sample_rate, after.layout.name):
        raise _Cannot("their sounds were encoded with different settings")
    if loud.extradata != after.extradata:
        raise _Cannot("their sounds were encoded with different settings")


class _Copy:
    """Copy the packets of two films into one file, the second's moved to where the first ends."""

    def __init__(self, file: OutputContainer, head: InputContainer, tail: InputContainer) -> None:
        self._head, self._tail = head, tail
        self._muxer = cast("_Muxer", file)
        self._tracks: dict[str, _Track] = {"video": _Track(_copied_stream(file, head.streams.video[0]))}
        audio = next(iter((*head.streams.audio, *tail.streams.audio)), None)
        if audio is not None:
            self._tracks["audio"] = _Track(_copied_stream(file, audio))

    def run(self) -> None:
        """Copy all of it."""
        for packet in _packets(self._head):
            self._write(packet, Fraction(0))
        seam = self._tracks["video"].end
        start = Fraction(self._tail.streams.video[0].start_time or 0) * _base(self._tail.streams.video[0])
        sound_until = self._tracks["audio"].end if "audio" in self._tracks else seam
        for packet in _packets(self._tail):
            moved = _time(packet.pts, packet) + seam - start
            # What an encoder sends ahead of its sound, and what would be heard twice, is left out.
            if packet.stream.type == "audio" and (
                packet.is_discard or moved + _time(packet.duration, packet) / 2 < max(sound_until, seam)
            ):
                continue
            self._write(packet, seam - start)

    def _write(self, packet: "Packet[Stream]", shift: Fraction) -> None:
        track = self._tracks[packet.stream.type]
        base = Fraction(packet.time_base)
        if packet.stream.type == "video" and packet.is_discard:
            raise _Cannot("one of them hides some of its frames")
        steps = round(shift / base)
        packet.pts, packet.dts = (packet.pts or 0) + steps, (packet.dts or 0) + steps
        at = packet.dts * base
        if track.last is not None and at <= track.last:
            raise _Cannot("their frames follow each other in different orders")
        track.last = at
        track.end = max(track.end, _time(packet.pts, packet) + _time(packet.duration, packet))
        packet.stream = track.stream
        self._muxer.mux(packet)


def _copied_stream(file: OutputContainer, template: Stream) -> Stream:
    return file.add_stream_from_template(template)  # pyright: ignore[reportUnknownMemberType] - options are open


def _packets(file: InputContainer) -> "Iterator[Packet[Stream]]":
    kept = [file.streams.video[0], *file.streams.audio[:1]]
    for packet in file.demux(kept):
        if packet.dts is not None and packet.pts is not None:
            yield packet


def _base(stream: Stream) -> Fraction:
    return Fraction(stream.time_base or 1)


def _time(ticks: int | None, packet: "Packet[Stream]") -> Fraction:
    return (ticks or 0) * Fraction(packet.time_base)
