"""Films are joined without loss where that is possible, and single frames are shown as they are seen."""

from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from filmgate.domain.errors import MediaUnreadable
from filmgate.infrastructure.media import Media, media_pool
from filmgate.renderer.film import render
from filmgate.renderer.request import RenderRequest

pytestmark = pytest.mark.anyio

RATE = 24


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def media(anyio_backend: str) -> AsyncIterator[Media]:
    pool = media_pool()
    yield Media(pool, timeout=60)
    await pool.close()


def rendered(
    path: Path,
    prompt: str = "a lake at sunset",
    *,
    size: tuple[int, int] = (320, 180),
    audio: bool = True,
    image: Path | None = None,
) -> Path:
    """Render one second of film."""
    request = RenderRequest(
        prompt, 1.0, *size, seed=7, audio=audio, image=None if image is None else str(image)
    )
    render(request, path, lambda _: None)
    return path


def webm(path: Path, frames: int = 30) -> Path:
    """Write a silent film in another container, another codec and at another rate."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libvpx", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(frames):
            picture = np.full((120, 160, 3), 60 + number * 4, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return path


def packets(path: Path, kind: str) -> list[av.Packet]:
    with av.open(str(path)) as file:
        streams = [stream for stream in file.streams if stream.type == kind]
        return [packet for packet in file.demux(streams) if packet.pts is not None] if streams else []


def frames(path: Path) -> Iterator[np.ndarray]:
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            yield np.asarray(frame.to_image(), np.float32)


def loudness(path: Path, begin: float, end: float) -> float:
    """Return how loud a film is between two moments, 0 for silence."""
    with av.open(str(path)) as file:
        parts = [
            frame.to_ndarray()
            for frame in file.decode(audio=0)
            if begin <= float(frame.pts * frame.time_base) < end
        ]
    return float(np.sqrt(np.mean(np.concatenate(parts, axis=1) ** 2))) if parts else 0.0


async def test_alike_films_are_joined_packet_by_packet(media: Media, tmp_path: Path) -> None:
    first = rendered(tmp_path / "first.mp4")
    last = tmp_path / "last.png"
    assert await media.frame(first, last, "last") == (320, 180)
    second = rendered(tmp_path / "second.mp4", "more of it", image=last)
    whole = tmp_path / "whole.mp4"
    assert await media.stitch(first, second, whole) is None
    probe = await media.probe(whole)
    assert (probe.frames, probe.seconds, probe.audio_codec) == (48, 2.0, "aac")
    pictures = list(frames(whole))
    assert [one.tobytes() for one in pictures] == [
        one.tobytes() for path in (first, second) for one in frames(path)
    ]
    assert abs(pictures[23] - pictures[24]).mean() < 6
    # Their bytes too are the old ones; only what an encoder sends ahead of its sound is left out.
    kept = {bytes(packet) for packet in packets(whole, "video")}
    assert kept == {bytes(one) for path in (first, second) for one in packets(path, "video")}
    heard = [len(packets(path, "audio")) for path in (first, second, whole)]
    assert heard[0] + heard[1] - heard[2] in {0, 1, 2}
    times = [Fraction(one.pts) * one.time_base for one in packets(whole, "audio")]
    assert all(0 < later - sooner < Fraction(3, 100) for sooner, later in pairwise(times))
    assert loudness(whole, 0.3, 0.7) > 0.005
    assert loudness(whole, 1.3, 1.7) > 0.005


@pytest.mark.parametrize(("first_sounds", "second_sounds"), [(True, False), (False, True), (False, False)])
async def test_sound_is_kept_where_only_one_part_has_it(
    media: Media, tmp_path: Path, first_sounds: bool, second_sounds: bool
) -> None:
    first = rendered(tmp_path / "first.mp4", audio=first_sounds)
    second = rendered(tmp_path / "second.mp4", audio=second_sounds)
    whole = tmp_path / "whole.mp4"
    assert await media.stitch(first, second, whole) is None
    probe = await media.probe(whole)
    assert (probe.frames, probe.seconds) == (48, 2.0)
    assert probe.has_audio is (first_sounds or second_sounds)
    if probe.has_audio:
        assert (loudness(whole, 0.3, 0.7) > 0.005) is first_sounds
        assert (loudness(whole, 1.3, 1.7) > 0.005) is second_sounds


async def test_films_of_different_sizes_are_encoded_anew_in_the_firsts(media: Media, tmp_path: Path) -> None:
    first = rendered(tmp_path / "first.mp4")
    second = rendered(tmp_path / "second.mp4", size=(240, 240))
    whole = tmp_path / "whole.mp4"
    assert await media.stitch(first, second, whole) == "their frames are 320x180 and 240x240"
    probe = await media.probe(whole)
    assert (probe.width, probe.height, probe.frames, probe.audio_codec) == (320, 180, 48, "aac")
    assert abs(probe.seconds - 2.0) < 0.05
    before, after = list(frames(first)), list(frames(whole))
    assert max(abs(one - other).mean() for one, other in zip(before, after, strict=False)) < 2.5
    assert loudness(whole, 1.3, 1.7) > 0.005


async def test_a_film_of_another_kind_is_encoded_anew_with_silence_where_it_had_none(
    media: Media, tmp_path: Path
) -> None:
    first, second = webm(tmp_path / "first.webm"), rendered(tmp_path / "second.mp4")
    whole = tmp_path / "whole.mp4"
    assert await media.stitch(first, second, whole) == "one of them is no mp4"
    probe = await media.probe(whole)
    assert (probe.video_codec, probe.audio_codec, probe.width) == ("h264", "aac", 160)
    assert abs(probe.seconds - 2.0) < 0.1
    assert loudness(whole, 0.1, 0.8) < 0.001
    assert loudness(whole, 1.3, 1.7) > 0.005


async def test_half_a_film_is_not_joined(media: Media, tmp_path: Path) -> None:
    first, second = rendered(tmp_path / "first.mp4"), tmp_path / "second.mp4"
    second.write_bytes(first.read_bytes()[:20_000])
    with pytest.raises(MediaUnreadable):
        await media.stitch(first, second, tmp_path / "whole.mp4")


async def test_a_turned_film_is_seen_upright(media: Media, tmp_path: Path) -> None:
    upright = rendered(tmp_path / "upright.mp4", audio=False)
    turned, picture = tmp_path / "turned.mp4", tmp_path / "picture.png"
    turned.write_bytes(_quarter_turned(upright.read_bytes()))
    assert await media.frame(turned, picture, "first") == (180, 320)
    straight = Image.fromarray(next(frames(upright)).astype(np.uint8))
    with Image.open(picture) as seen:
        turns = [np.asarray(straight.rotate(angle, expand=True), float) for angle in (90, -90)]
        assert min(abs(np.asarray(seen, float) - one).mean() for one in turns) < 3


def _quarter_turned(film_bytes: bytes) -> bytes:
    """Return a film whose header asks for a quarter turn: the matrix in its track header, as phones write."""
    one, zero, w = (1 << 16).to_bytes(4, "big"), bytes(4), (1 << 30).to_bytes(4, "big")
    straight = one + zero * 3 + one + zero * 3 + w
    minus = (0x1_0000_0000 - (1 << 16)).to_bytes(4, "big")
    turned = zero + one + zero + minus + zero * 4 + w
    header = film_bytes.index(b"tkhd")
    at = film_bytes.index(straight, header)
    return film_bytes[:at] + turned + film_bytes[at + len(straight) :]


async def test_a_picture_fills_its_size_and_a_black_beginning_is_passed_over(
    media: Media, tmp_path: Path
) -> None:
    path, picture = tmp_path / "dark.mp4", tmp_path / "picture.png"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(48):
            shade = 0 if number < 6 else 200
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), shade, np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    await media.frame(path, picture, "first", (100, 50))
    with Image.open(picture) as seen:
        assert seen.size == (100, 50)
        assert np.asarray(seen).mean() > 180


async def test_a_picture_that_cannot_be_read_is_named(media: Media, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    with pytest.raises(MediaUnreadable, match="a picture cannot be read"):
        await media.compose([broken], tmp_path / "out.png", (64, 64))
