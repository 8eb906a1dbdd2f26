"""A film that shows nothing is told from a dark one, on real films: only the first is refused."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from filmgate.infrastructure.media import Media, Probe, media_pool

pytestmark = pytest.mark.anyio

WIDTH, HEIGHT, FRAMES = 320, 180, 48
Picture = NDArray[np.uint8]
Draw = Callable[[int], Picture]
CHANCE = np.random.default_rng(7)
STARS = [
    (int(x), int(y)) for x, y in zip(CHANCE.integers(0, 320, 40), CHANCE.integers(0, 180, 40), strict=True)
]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def media(anyio_backend: str) -> AsyncIterator[Media]:
    pool = media_pool()
    yield Media(pool, timeout=60)
    await pool.close()


def black(_: int = 0) -> Picture:
    return np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def noise_of_a_sensor(_: int) -> Picture:
    return CHANCE.integers(0, 4, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def stars(_: int) -> Picture:
    picture = black()
    for x, y in STARS:
        picture[y, x] = 200
    return picture


def a_distant_lamp(number: int) -> Picture:
    picture = black()
    picture[90:93, 20 + number : 23 + number] = (70, 60, 30)
    return picture


def a_wood_by_moonlight(number: int) -> Picture:
    picture = black()
    for trunk in range(0, WIDTH, 24):
        picture[40:, (trunk + number // 4) % WIDTH : (trunk + number // 4) % WIDTH + 8] = 22
    return picture


def one_flash_between_the_samples(number: int) -> Picture:
    return np.full((HEIGHT, WIDTH, 3), 180, np.uint8) if number == 9 else black()


def a_fade_from_black(number: int) -> Picture:
    return np.full((HEIGHT, WIDTH, 3), number, np.uint8)


def a_photograph(_: int) -> Picture:
    return np.tile(np.linspace(20, 220, WIDTH).astype(np.uint8)[None, :, None], (HEIGHT, 1, 3))


def a_drifting_cloud(number: int) -> Picture:
    return np.roll(a_photograph(number), number, axis=1)


def filmed(path: Path, draw: Draw, pixels: str = "yuv420p") -> Path:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        for number in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw(number), format="rgb24")))
        container.mux(stream.encode())
    return path


async def developed(media: Media, folder: Path, draw: Draw, pixels: str = "yuv420p") -> Probe:
    film = filmed(folder / "film.mp4", draw, pixels)
    return await media.develop(film, folder / "t.webp", folder / "s.webp")


@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv420p10le"])
@pytest.mark.parametrize("draw", [black, noise_of_a_sensor], ids=lambda draw: draw.__name__)
async def test_a_film_that_shows_nothing_is_black(
    media: Media, tmp_path: Path, draw: Draw, pixels: str
) -> None:
    probe = await developed(media, tmp_path, draw, pixels)
    assert probe.black
    assert probe.luma < 4


@pytest.mark.parametrize(
    "draw",
    [stars, a_distant_lamp, a_wood_by_moonlight, one_flash_between_the_samples, a_fade_from_black],
    ids=lambda draw: draw.__name__,
)
async def test_a_dark_film_is_not_black(media: Media, tmp_path: Path, draw: Draw) -> None:
    probe = await developed(media, tmp_path, draw)
    assert not probe.black
    assert probe.frames == FRAMES


@pytest.mark.parametrize(
    ("draw", "still"),
    [(a_photograph, True), (stars, True), (a_drifting_cloud, False), (a_distant_lamp, False)],
    ids=["photograph", "stars", "cloud", "lamp"],
)
async def test_a_film_that_stands_still_is_told(
    media: Media, tmp_path: Path, draw: Draw, still: bool
) -> None:
    assert (await developed(media, tmp_path, draw)).still is still
