"""The renderer writes whole films, and its child process keeps to its protocol."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from filmgate.renderer.film import render
from filmgate.renderer.request import ImageUnreadable, RenderRequest


def film(path: Path, **changes: object) -> RenderRequest:
    asked = {"prompt": "sea at sunset", "seconds": 1.0, "width": 160, "height": 90, "seed": 5, **changes}
    request = RenderRequest(**asked)  # type: ignore[arg-type] # the tests vary single fields
    render(request, path, lambda _: None)
    return request


def pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


def boxes(path: Path) -> list[bytes]:
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        names.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4], "big")
    return names


@pytest.mark.parametrize(("seconds", "size"), [(1.0, (160, 90)), (1.49, (90, 160)), (2.0, (128, 128))])
def test_a_film_has_the_length_size_and_streams_asked_for(
    tmp_path: Path, seconds: float, size: tuple[int, int]
) -> None:
    path = tmp_path / "film.mp4"
    request = film(path, seconds=seconds, width=size[0], height=size[1])
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height) == size
        assert (audio.codec_context.name, audio.codec_context.channels) == ("aac", 2)
        assert video.codec_context.colorspace == 1
        assert container.duration is not None
        assert abs(container.duration / 1e6 - seconds) <= 1 / 24 + 0.001
        assert sum(1 for _ in container.decode(video=0)) == round(seconds * 24) == request.frames
    names = boxes(path)
    assert names.index(b"moov") < names.index(b"mdat")
    assert not list(tmp_path.glob("*.part"))


def test_the_sound_is_quiet(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    film(path)
    with av.open(str(path)) as container:
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    level = 20 * np.log10(np.sqrt(np.mean(sound**2)))
    assert -40 < level < -22


def test_a_film_without_sound_has_no_audio_track(tmp_path: Path) -> None:
    film(tmp_path / "film.mp4", audio=False)
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert not container.streams.audio


def test_equal_requests_give_equal_frames(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4")
    film(tmp_path / "b.mp4")
    film(tmp_path / "c.mp4", seed=6)
    first = pictures(tmp_path / "a.mp4")
    assert np.array_equal(first, pictures(tmp_path / "b.mp4"))
    assert np.abs(first.astype(int) - pictures(tmp_path / "c.mp4")).mean() > 2


def picture_file(path: Path) -> Path:
    x = np.linspace(0, 255, 200)[None, :].repeat(140, 0)
    Image.fromarray(np.stack([x, x[::-1], 255 - x], -1).astype(np.uint8)).save(path)
    return path


def test_a_film_from_an_image_begins_with_that_image(tmp_path: Path) -> None:
    picture = picture_file(tmp_path / "still.png")
    film(tmp_path / "film.mp4", image=str(picture), prompt="slow push in", seconds=2.0)
    with av.open(str(tmp_path / "film.mp4")) as container:
        first, *_, last = (np.asarray(one.to_image(), float) for one in container.decode(video=0))
    with Image.open(picture) as image:
        wanted = np.asarray(ImageOps.fit(image, (160, 90), Image.Resampling.LANCZOS), float)
    assert np.abs(first - wanted).mean() < 4
    assert np.abs(last - wanted).mean() > 8


@pytest.mark.parametrize("name", ["still.png", "still.jpg", "still.webp"])
def test_an_image_reference_becomes_the_film(tmp_path: Path, name: str) -> None:
    image = picture_file(tmp_path / name)
    film(tmp_path / "film.mp4", image=str(image), prompt="slow push in")
    shown = pictures(tmp_path / "film.mp4").astype(int)
    assert shown.shape == (24, 90, 160)
    assert np.abs(shown[0] - shown[-1]).mean() > 0.5
    assert shown[0].std() > 15


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n broken"])
def test_a_broken_image_reference_says_so(tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(content)
    with pytest.raises(ImageUnreadable, match="image reference"):
        film(tmp_path / "film.mp4", image=str(broken))
    assert not (tmp_path / "film.mp4").exists()


def child() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "filmgate.renderer"]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def line(path: Path, **changes: object) -> str:
    asked = {"prompt": "silk", "seconds": 1.0, "width": 64, "height": 64, "seed": 1, "audio": True}
    return json.dumps({**asked, "image": None, "fps": 24, "output": str(path), **changes}) + "\n"


def test_the_child_serves_requests_in_a_row_and_ends_with_its_input(tmp_path: Path) -> None:
    asked = line(tmp_path / "a.mp4") + "\n" + line(tmp_path / "b.mp4", image="/nowhere.png") + "nonsense\n"
    asked += line(tmp_path / "c.mp4", audio=False)
    with child() as process:
        output, errors = process.communicate(asked, timeout=60)
    messages = [json.loads(text) for text in output.splitlines()]
    ends = [message for message in messages if "frames" not in message]
    assert ends[0] == {"done": True, "bytes": (tmp_path / "a.mp4").stat().st_size}
    assert ends[1]["kind"] == "image_unreadable"
    assert ends[2]["kind"] == "internal"
    assert ends[3]["done"] is True
    assert {"frames_done": 24, "frames": 24} in messages
    assert process.returncode == 0
    assert errors == ""


def test_the_child_ends_when_nobody_listens(tmp_path: Path) -> None:
    with child() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line(tmp_path / "a.mp4", seconds=20.0, width=640, height=360))
        process.stdin.flush()
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) == 1
        process.stdin.close()
    assert not list(tmp_path.iterdir())


def test_the_child_ends_when_told_to(tmp_path: Path) -> None:
    with child() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line(tmp_path / "a.mp4", seconds=20.0, width=640, height=360))
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        process.wait(timeout=20)
        assert time.monotonic() - started < 5
    assert not list(tmp_path.iterdir())
