"""What is delivered may differ from what was asked by so much and no more."""

import pytest

from filmgate.domain.errors import MediaUnreadable
from filmgate.domain.video import VideoRequest
from filmgate.infrastructure.media import Probe
from filmgate.services.judging import check_film


def probe(width: int = 1280, height: int = 720, seconds: float = 5.0, *, black: bool = False) -> Probe:
    return Probe(
        seconds=seconds,
        width=width,
        height=height,
        fps=24,
        frames=round(seconds * 24),
        video_codec="h264",
        audio_codec=None,
        container="mp4",
        has_audio=False,
        luma=0 if black else 90,
        black=black,
        still=True,
    )


def asked(
    width: int = 1280, height: int = 720, seconds: float = 5.0, image: str | None = None
) -> VideoRequest:
    return VideoRequest("A kite", seconds, width, height, 1, input_reference=image)


@pytest.mark.parametrize(
    ("wanted", "came"),
    [
        (5.0, 5.0),
        (5.0, 5.167),  # whole blocks of 17 frames and 5 more
        (5.0, 4.5),
        (15.0, 13.6),
        (2.0, 2.5),
        (1.0, 0.71),
    ],
)
def test_a_length_that_was_rounded_passes(wanted: float, came: float) -> None:
    check_film(probe(seconds=came), asked(seconds=wanted))


@pytest.mark.parametrize(("wanted", "came"), [(5.0, 4.4), (5.0, 2.5), (15.0, 13.4), (1.0, 0.6), (4.0, 8.0)])
def test_another_length_is_refused(wanted: float, came: float) -> None:
    with pytest.raises(MediaUnreadable, match=rf"it is {came:.2f} s long where {wanted:g} s were asked"):
        check_film(probe(seconds=came), asked(seconds=wanted))


@pytest.mark.parametrize(
    ("wanted", "came"),
    [
        ((1280, 720), (1280, 720)),
        ((1280, 720), (1280, 704)),
        ((1280, 720), (1344, 768)),
        ((1280, 720), (1920, 1080)),
        ((854, 480), (864, 496)),
        ((1920, 1080), (1920, 1088)),
        ((720, 1280), (704, 1280)),
    ],
)
def test_a_size_that_was_rounded_passes(wanted: tuple[int, int], came: tuple[int, int]) -> None:
    check_film(probe(*came), asked(*wanted))


@pytest.mark.parametrize(
    ("wanted", "came"),
    [
        ((1280, 720), (640, 360)),
        ((1280, 720), (854, 480)),
        ((1920, 1080), (1280, 720)),
        ((1280, 720), (720, 1280)),
        ((1280, 720), (960, 960)),
    ],
)
def test_another_size_is_refused(wanted: tuple[int, int], came: tuple[int, int]) -> None:
    refused = f"it is {came[0]}x{came[1]} where {wanted[0]}x{wanted[1]} was asked"
    with pytest.raises(MediaUnreadable, match=refused):
        check_film(probe(*came), asked(*wanted))


def test_a_film_from_an_image_may_have_its_shape_but_not_half_the_pixels() -> None:
    check_film(probe(960, 960), asked(image="references/one.png"))
    with pytest.raises(MediaUnreadable, match="it is 480x480"):
        check_film(probe(480, 480), asked(image="references/one.png"))


def test_a_black_film_is_refused_and_a_still_one_is_not() -> None:
    check_film(probe(), asked())
    with pytest.raises(MediaUnreadable, match="it is black from start to end, all 120 frames of it"):
        check_film(probe(black=True), asked())
