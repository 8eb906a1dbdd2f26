"""Open, count and decode one video; only ever imported by a child process.

It trusts no file: the container is recognised by its first bytes and never guessed,
so that a playlist cannot make the decoder open other files or addresses, and size,
dimensions and frame count are limited.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Final

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from filmgate.domain.errors import MediaUnreadable

MAX_DIMENSION: Final = 8192
MAX_FRAMES: Final = 100_000
_THREADS: Final = 2
_GAP_SECONDS: Final = 0.25
_MP4_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp")
_STRANGERS: Final = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file (WebP, WAV or AVI)"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
)


@dataclass(slots=True)
class Survey:
    """Collect what one walk over all packets finds, without decoding."""

    pts: list[int] = field(default_factory=list[int])
    keyframes: list[int] = field(default_factory=list[int])
    counts: dict[int, int] = field(default_factory=dict[int, int])
    end: float = 0.0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Film:
    """Hold what is known about a file whose packets are all there."""

    path: Path
    container: str
    seconds: float
    width: int
    height: int
    fps: float
    video_codec: str
    audio_codec: str | None
    survey: Survey

    @property
    def frames(self) -> int:
        """Return how many frames are there."""
        return len(self.survey.pts)

    def at(self, fraction: float) -> int:
        """Return the index of the frame that far into the film."""
        return min(int(fraction * self.frames), self.frames - 1)

    def spread(self, count: int) -> list[int]:
        """Return evenly spaced indexes, each the middle of its share of the film."""
        return [self.at((share + 0.5) / count) for share in range(count)]


def recognised(path: Path, max_bytes: int) -> str:
    """Return the container a file's first bytes announce, or say what it is instead."""
    found = path.stat()
    if not S_ISREG(found.st_mode):
        raise MediaUnreadable("this is not a regular file")
    if found.st_size > max_bytes:
        raise MediaUnreadable(f"{found.st_size} bytes are more than the limit of {max_bytes}")
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise MediaUnreadable("0 bytes")
    if head[4:8] in _MP4_BOXES:
        return "mov" if head[8:12] == b"qt  " else "mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm" if b"webm" in head[:64] else "matroska"
    raise MediaUnreadable(f"this is {_stranger(head)}")


def _stranger(head: bytes) -> str:
    for magic, name in _STRANGERS:
        if head.startswith(magic):
            return f"{name}, not video"
    # a character may be cut at the end of what was read
    text = head.decode("utf-8", "ignore").strip()
    if len(text.encode()) < len(head.strip()) - 4 or not text.replace("\n", "").isprintable():
        return f"no mp4, mov, webm or matroska file: it starts with {head[:16].hex(' ')}"
    quoted = " ".join(text[:200].split())[:60]
    return f"{_language(text.lower())}, not video: {quoted}"


def _language(text: str) -> str:
    if text.startswith(("<!doctype html", "<html", "<head", "<body")):
        return "HTML"
    if text.startswith("<"):
        return "XML"
    return "JSON" if text.startswith(("{", "[")) else "text"


def inspect(path: Path, max_bytes: int) -> Film:
    """Recognise a file, walk over all its packets and compare with what it declares."""
    container = recognised(path, max_bytes)
    try:
        with opened(path, container) as file:
            video = _limited(file, container)
            survey = _surveyed(file, video)
            missing = _missing(file, video, survey)
            film = _described(path, container, video, survey)
        if missing and container in {"mp4", "mov"}:
            # an edit list may hide frames that are there: count again without it
            with opened(path, container, ignore_editlist="1") as file:
                video = _limited(file, container)
                missing = _missing(file, video, _surveyed(file, video))
    except FFmpegError as error:
        raise _judged(error, f"it cannot be opened as {container}") from error
    if missing:
        raise MediaUnreadable(missing)
    return film


def opened(path: Path, container: str, **options: str) -> InputContainer:
    """Open a file as the container it was recognised as, and as nothing else."""
    safe = {"protocol_whitelist": "file", "enable_drefs": "0", **options}
    return av.open(f"file:{path}", "r", format=container, options=safe)


def _limited(file: InputContainer, container: str) -> VideoStream:
    video = file.streams.best("video")
    if not isinstance(video, VideoStream):
        raise MediaUnreadable(f"there is no video stream in this {container} file of {file.size} bytes")
    if not 0 < video.width <= MAX_DIMENSION or not 0 < video.height <= MAX_DIMENSION:
        raise MediaUnreadable(f"{video.width}x{video.height} is not between 1 and {MAX_DIMENSION} pixels")
    if video.frames > MAX_FRAMES:
        raise MediaUnreadable(f"{video.frames} frames are more than the limit of {MAX_FRAMES}")
    return video


def _surveyed(file: InputContainer, video: VideoStream) -> Survey:
    survey = Survey()
    try:
        for packet in file.demux():
            if packet.is_corrupt:
                survey.failure = "a packet is cut short"
            elif packet.pts is not None:
                index, length = packet.stream.index, packet.duration or 0
                survey.counts[index] = survey.counts.get(index, 0) + 1
                survey.end = max(survey.end, float((packet.pts + length) * packet.time_base))
                if index == video.index:
                    _count(survey, packet.pts, packet.is_keyframe)
    except FFmpegError as error:
        survey.failure = str(_judged(error, "reading stops"))
    survey.pts.sort()
    survey.keyframes.sort()
    return survey


def _count(survey: Survey, pts: int, is_keyframe: bool) -> None:
    survey.pts.append(pts)
    if is_keyframe:
        survey.keyframes.append(pts)
    if len(survey.pts) > MAX_FRAMES:
        raise MediaUnreadable(f"there are more than {MAX_FRAMES} frames")


def _missing(file: InputContainer, video: VideoStream, survey: Survey) -> str | None:
    there = survey.counts.get(video.index, 0)
    if there < max(video.frames, 1):
        return f"{there} of {video.frames or 'an unknown number of'} frames are there"
    for audio in file.streams.audio:
        # encoder delay may take a packet or two
        if survey.counts.get(audio.index, 0) < audio.frames * 0.99 - 2:
            return f"{survey.counts.get(audio.index, 0)} of {audio.frames} audio packets are there"
    # webm declares no number of frames, only how long it is
    seconds = (file.duration or 0) / av.time_base
    if not video.frames and survey.end < seconds - max(_GAP_SECONDS, seconds * 0.01):
        return f"{survey.end:.2f} of {seconds:.2f} seconds are there"
    return survey.failure


def _described(path: Path, container: str, video: VideoStream, survey: Survey) -> Film:
    seconds = survey.end
    if video.duration is not None and video.time_base is not None:
        seconds = float(video.duration * video.time_base)
    fps = float(video.average_rate or video.guessed_rate or 0) or len(survey.pts) / (seconds or 1)
    audio = next(iter(video.container.streams.audio), None)
    return Film(
        path=path,
        container=container,
        seconds=seconds,
        width=video.width,
        height=video.height,
        fps=fps,
        video_codec=video.codec_context.name,
        audio_codec=audio.codec_context.name if audio else None,
        survey=survey,
    )


def decoded(film: Film, indexes: Sequence[int], *, whole: bool = False) -> Iterator[tuple[int, VideoFrame]]:
    """Yield the frames at these positions in order; if `whole`, decode all others too, to find faults."""
    with opened(film.path, film.container) as file:
        video = _limited(file, film.container)
        video.thread_type = "AUTO"
        video.thread_count = _THREADS
        yield from _walk(film, file, video, (sorted(set(indexes)), whole))


def _walk(
    film: Film, file: InputContainer, video: VideoStream, plan: tuple[Sequence[int], bool]
) -> Iterator[tuple[int, VideoFrame]]:
    wanted, whole = plan
    frames, frame = _frames(film, file, video), None
    for index in wanted:
        target = film.survey.pts[index]
        position = film.survey.pts[0] if frame is None or frame.pts is None else frame.pts
        if not whole and any(position < keyframe <= target for keyframe in film.survey.keyframes):
            frames.close()
            file.seek(target, stream=video)
            frames, frame = _frames(film, file, video), None
        frame = _reached(frames, frame, target)
        if frame is None:
            raise MediaUnreadable(f"frame {index + 1} of {film.frames} cannot be decoded")
        yield index, frame


def _reached(frames: Iterator[VideoFrame], frame: VideoFrame | None, target: int) -> VideoFrame | None:
    while frame is None or frame.pts is None or frame.pts < target:
        following = next(frames, None)
        if following is None:
            # a codec may keep an invisible frame to itself; the one before stands in
            break
        frame = following
    return frame


def _frames(film: Film, file: InputContainer, video: VideoStream) -> Generator[VideoFrame]:
    position = 0
    try:
        for packet in file.demux(video):
            position = packet.pts or position
            yield from packet.decode()
    except FFmpegError as error:
        seconds = float(position * (video.time_base or 0))
        raise _judged(error, f"it cannot be decoded near {seconds:.2f} of {film.seconds:.2f} s") from error


def _judged(error: FFmpegError, verdict: str) -> Exception:
    # a disk that cannot be read says nothing about the film
    return error if isinstance(error, OSError) else MediaUnreadable(f"{verdict}: {error.strerror}")
