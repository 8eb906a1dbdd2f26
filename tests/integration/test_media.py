"""Only a whole film passes, anything else is named, and pictures show what they should."""

import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from filmgate.domain.errors import MediaUnreadable, StorageFull, StorageUnavailable
from filmgate.infrastructure.children import ChildDied, ChildPool
from filmgate.infrastructure.media import Media, MediaSlow, media_pool

pytestmark = pytest.mark.anyio

FAST = {"libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def media(anyio_backend: str) -> AsyncIterator[Media]:
    pool = media_pool()
    yield Media(pool, timeout=30)
    await pool.close()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def film(films: Path) -> Path:
    return filmed(films / "film.mp4", sound=True)


def pictures(source: str) -> Iterator[av.VideoFrame]:
    graph = av.filter.Graph()
    ends = [graph.add(*source.split("=", 1))]
    ends += [graph.add("format", "yuv420p"), graph.add("buffersink")]
    graph.link_nodes(*ends).configure()
    while True:
        try:
            yield graph.vpull()
        except av.error.EOFError:
            return


def filmed(
    path: Path,
    *sources: str,
    sound: bool = False,
    codec: str = "libx264",
    movflags: str = "+faststart",
    size: tuple[int, int] = (160, 90),
) -> Path:
    sources = sources or (f"testsrc2=size={size[0]}x{size[1]}:rate=24:duration=4",)
    options = {"movflags": movflags} if movflags and path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as file:
        video = file.add_stream(codec, rate=24, options=FAST.get(codec, {}))
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = file.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=48000) if sound else None
        frames = (frame for source in sources for frame in pictures(source))
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, Fraction(1, 24)
            file.mux(video.encode(frame))
            if audio:
                file.mux(audio.encode(silence(number)))
        file.mux(video.encode(None))
        if audio:
            file.mux(audio.encode(None))
    return path


def silence(number: int) -> av.AudioFrame:
    frame = av.AudioFrame("fltp", "stereo", 2000)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.sample_rate, frame.pts = 48000, number * 2000
    return frame


def cut(film: Path, share: float) -> Path:
    content = film.read_bytes()
    path = film.with_name(f"cut-{share}{film.suffix}")
    path.write_bytes(content[: int(len(content) * share)])
    return path


def spoiled(film: Path) -> Path:
    content = bytearray(film.read_bytes())
    start = len(content) // 2
    content[start : start + 4096] = random.Random(7).randbytes(4096)
    path = film.with_name("garbage.mp4")
    path.write_bytes(content)
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_a_whole_film_is_described(media: Media, film: Path) -> None:
    probe = await media.probe(film)
    assert (probe.width, probe.height, probe.frames, probe.fps) == (160, 90, 96, 24)
    assert probe.seconds == pytest.approx(4, abs=0.01)
    assert (probe.container, probe.video_codec, probe.audio_codec) == ("mp4", "h264", "aac")
    assert probe.has_audio
    assert not probe.black
    assert probe.luma > 50


@pytest.mark.parametrize(
    ("name", "codec", "movflags", "container"),
    [
        ("slow.mp4", "libx264", "", "mp4"),
        ("fragmented.mp4", "libx264", "frag_keyframe+empty_moov", "mp4"),
        ("film.mov", "libx264", "", "mov"),
        ("vp9.webm", "libvpx-vp9", "", "webm"),
        ("film.mkv", "libx264", "", "matroska"),
    ],
)
async def test_other_films_pass_too(
    media: Media, films: Path, name: str, codec: str, movflags: str, container: str
) -> None:
    path = filmed(films / name, codec=codec, movflags=movflags)
    probe = await media.probe(path)
    assert (probe.frames, probe.container, probe.fps) == (96, container, 24)
    assert probe.seconds == pytest.approx(4, abs=0.1)
    assert probe.audio_codec is None
    assert not probe.has_audio


@pytest.mark.parametrize(
    ("share", "evidence"),
    [
        (0.9, r"^8\d of 96 frames are there$"),
        (0.5, r"^4\d of 96 frames are there$"),
        (0.1, r"^\d of 96 frames are there$"),
        (0.001, r"mp4"),
    ],
)
async def test_a_truncated_film_says_how_much_is_there(
    media: Media, film: Path, share: float, evidence: str
) -> None:
    with pytest.raises(MediaUnreadable, match=evidence):
        await media.probe(cut(film, share))


async def test_a_film_without_its_end_and_index_is_refused(media: Media, films: Path) -> None:
    path = filmed(films / "late.mp4", movflags="")
    with pytest.raises(MediaUnreadable, match=r"cannot be opened as mp4|no video stream"):
        await media.probe(cut(path, 0.9))


async def test_a_truncated_webm_says_how_long_it_is(media: Media, films: Path) -> None:
    path = filmed(films / "cut.webm", codec="libvpx-vp9", sound=True)
    with pytest.raises(MediaUnreadable, match=r"^[12]\.\d\d of 4\.\d\d seconds are there$"):
        await media.probe(cut(path, 0.5))


async def test_garbage_in_the_middle_is_found(media: Media, film: Path) -> None:
    with pytest.raises(MediaUnreadable, match=r"decoded near \d\.\d\d of 4\.00 s|frames are there"):
        await media.probe(spoiled(film))


@pytest.mark.parametrize(
    ("content", "evidence"),
    [
        (b"", "^0 bytes$"),
        (b"<!DOCTYPE html>\n<html><body>502 Bad Gateway", "^this is HTML, not video: <!DOCTYPE html> <html>"),
        (b"  <html>", "this is HTML"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied', "this is XML, not video: .*AccessDenied"),
        (b'{"error": {"code": "expired"}}', 'this is JSON, not video: {"error"'),
        (b"#EXTM3U\n#EXTINF:4,\nfile:///etc/passwd\n", "this is text, not video"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "this is text, not video"),
        ("nicht gefunden: schöner Film".encode() * 300, "this is text, not video: nicht gefunden"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "this is a PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "this is a JPEG image"),
        (b"\x1f\x8b\x08" + bytes(100), "this is gzip data"),
        (bytes(range(128, 256)) * 40, "it starts with 80 81 82"),
        (bytes(4096), "it starts with 00 00 00"),
        (b"\0\0\0\x20ftypisom" + bytes(100), "mp4"),
        (b"\x1a\x45\xdf\xa3" + bytes(100), "matroska"),
    ],
)
async def test_what_is_no_video_is_named(media: Media, tmp_path: Path, content: bytes, evidence: str) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaUnreadable, match=evidence):
        await media.develop(path, tmp_path / "t.webp", tmp_path / "s.webp")
    assert names(tmp_path) == ["video.mp4"]


async def test_a_pipe_does_not_hold_the_child(media: Media, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "video.mp4")
    with pytest.raises(MediaUnreadable, match="not a regular file"):
        await media.probe(tmp_path / "video.mp4")


async def test_a_file_beyond_the_limit_is_not_opened(media: Media, film: Path) -> None:
    with pytest.raises(MediaUnreadable, match="more than the limit of 1000"):
        await Media(media.pool, max_bytes=1000).probe(film)


async def test_a_picture_too_large_is_refused(media: Media, films: Path) -> None:
    path = filmed(films / "wide.mp4", "color=black:size=8208x16:rate=24:duration=0.1", size=(8208, 16))
    with pytest.raises(MediaUnreadable, match="8208x16 is not between 1 and 8192"):
        await media.probe(path)


async def test_a_missing_file_is_the_fault_of_the_store(media: Media, tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="No such file"):
        await media.probe(tmp_path / "nothing.mp4")


async def test_a_black_film_is_told(media: Media, films: Path, tmp_path: Path) -> None:
    path = filmed(films / "black.mp4", "color=black:size=160x90:rate=24:duration=1")
    probe = await media.develop(path, tmp_path / "t.webp", tmp_path / "s.webp")
    assert probe.black
    assert probe.luma < 2
    assert names(tmp_path) == ["s.webp", "t.webp"]


async def test_a_dark_film_with_a_light_is_not_black(media: Media, films: Path) -> None:
    frames = "testsrc2=size=160x90:rate=24:duration=0.2"
    path = filmed(films / "dark.mp4", "color=black:size=160x90:rate=24:duration=1", frames)
    assert not (await media.probe(path)).black


async def test_the_thumbnail_skips_black_frames(media: Media, films: Path, tmp_path: Path) -> None:
    black = "color=black:size=160x90:rate=24:duration=2"
    path = filmed(films / "late.mp4", black, "color=red:size=160x90:rate=24:duration=2")
    await media.thumbnail(path, tmp_path / "alone.webp")
    await media.develop(path, tmp_path / "t.webp", tmp_path / "s.webp")
    for name in ("alone.webp", "t.webp"):
        with Image.open(tmp_path / name) as image:
            red, green, blue = image.convert("RGB").getpixel((80, 45))
        assert red > 200
        assert green < 60
        assert blue < 60


async def test_pictures_have_their_shapes(media: Media, films: Path, tmp_path: Path) -> None:
    source = "testsrc2=size=1280x720:rate=24:duration=0.5"
    path = filmed(films / "large.mp4", source, size=(1280, 720))
    await media.develop(path, tmp_path / "t.webp", tmp_path / "s.webp")
    await media.thumbnail(path, tmp_path / "narrow.webp", width=100)
    await media.spritesheet(path, tmp_path / "six.webp", frames=6, tile_width=64)
    await media.last_frame(path, tmp_path / "last.png")
    shapes = {}
    for name in names(tmp_path):
        with Image.open(tmp_path / name) as image:
            shapes[name] = (image.format, image.size)
    assert shapes == {
        "last.png": ("PNG", (1280, 720)),
        "narrow.webp": ("WEBP", (100, 56)),
        "s.webp": ("WEBP", (1024, 432)),
        "six.webp": ("WEBP", (256, 72)),
        "t.webp": ("WEBP", (640, 360)),
    }


async def test_the_sheet_and_the_last_frame_follow_the_film(
    media: Media, films: Path, tmp_path: Path
) -> None:
    colours = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255)}
    sources = [f"color={colour}:size=160x90:rate=24:duration=1" for colour in colours]
    path = filmed(films / "flag.mp4", *sources)
    await media.spritesheet(path, tmp_path / "s.webp")
    await media.last_frame(path, tmp_path / "last.png")
    with Image.open(tmp_path / "s.webp") as image:
        rows = [image.convert("RGB").getpixel((80, 45 + 90 * row)) for row in range(3)]
    with Image.open(tmp_path / "last.png") as image:
        rows.append(image.getpixel((80, 45)))
    for seen, meant in zip(rows, [*colours.values(), (0, 0, 255)], strict=True):
        assert all(abs(one - other) < 40 for one, other in zip(seen, meant, strict=True))


async def test_a_film_of_one_frame_is_developed(media: Media, films: Path, tmp_path: Path) -> None:
    path = filmed(films / "one.mp4", "testsrc2=size=160x90:rate=24:duration=0.04")
    probe = await media.develop(path, tmp_path / "t.webp", tmp_path / "s.webp")
    assert probe.frames == 1
    assert names(tmp_path) == ["s.webp", "t.webp"]


async def test_no_room_for_pictures_is_told_apart(media: Media, film: Path, tmp_path: Path) -> None:
    (tmp_path / "t.webp").symlink_to("/dev/full")
    with pytest.raises(StorageFull):
        await media.develop(film, tmp_path / "t.webp", tmp_path / "s.webp")
    assert names(tmp_path) == []


async def test_no_time_does_not_condemn_the_film(media: Media, film: Path) -> None:
    with pytest.raises(MediaSlow, match=r"longer than 0\.0001 seconds"):
        await Media(media.pool, timeout=0.0001).probe(film)
    assert (await media.probe(film)).frames == 96


@pytest.mark.parametrize(("end", "outcome"), [("11", MediaUnreadable), ("9", ChildDied)])
async def test_only_a_crash_of_the_decoder_condemns_the_film(
    film: Path, end: str, outcome: type[Exception]
) -> None:
    code = f"import os, sys; sys.stdin.readline(); os.kill(os.getpid(), {end})"
    pool = ChildPool([sys.executable, "-c", code], 1)
    with pytest.raises(outcome):
        await Media(pool).probe(film)
    await pool.close()


def test_importing_media_loads_no_decoder() -> None:
    code = "import sys, filmgate.infrastructure.media; print({'av', 'PIL'} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert result.stdout == "set()\n"
