"""What docs/move-from-sora.md promises is so, before a vendor that makes other films than Sora did."""

import json
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Generator
from contextlib import chdir
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.e2e.conftest import Server, environment, start_server, stop_server

GUIDE = (Path(__file__).parents[2] / "docs" / "move-from-sora.md").read_text("utf-8")
PROMPT = "A red kite over a harbour at dawn"
_READY_SECONDS = 60
_WORKING = """\
from openai import OpenAI

client = OpenAI()
video = client.videos.create_and_poll(model="sora-2", prompt="A red kite over a harbour at dawn")
assert video.status == "completed", video
client.videos.download_content(video.id).write_to_file("film.mp4")
"""
_VENDOR = """
[providers.fal]
base_url = "{twin}/fal"
"""

pytestmark = [pytest.mark.timeout(240), pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")]


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    """A vendor twin in a process of its own."""
    log = tmp_path_factory.mktemp("twin") / "twin.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "filmgate", "twin", "--port", "0", "--seed", "5", "--speed", "50"],
            env=environment(),
            stdout=stream,
            stderr=stream,
        )
    deadline = time.monotonic() + _READY_SECONDS
    while not (found := re.search(r"Bill +(http://[^/]+)/", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    yield found[1]
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def living(twin: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    """A gateway in front of fal, with the routes that the guide shows, as far as they lead to fal."""
    routes = next(block for block in blocks("toml") if block.startswith("[routes]"))
    folder = tmp_path_factory.mktemp("living")
    shown = re.sub(r'"gemini/[^"]*", ', "", routes)
    assert "gemini" not in shown
    (folder / "filmgate.toml").write_text(f"{shown}\n{_VENDOR.format(twin=twin)}", "utf-8")
    with chdir(folder):
        started = start_server(folder / "data", FAL_KEY="id:secret")
    yield started
    stop_server(started)


@pytest.fixture(scope="module")
def client(living: Server) -> Generator[Any, None, None]:
    with openai.OpenAI(base_url=f"{living.url}/v1", api_key=living.key, timeout=60) as made:
        yield made


def blocks(language: str) -> list[str]:
    """Return what the guide shows in one language."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def created(client: Any, **asked: Any) -> tuple[Any, dict[str, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        raw = client.videos.with_raw_response.create(prompt=PROMPT, **asked)
    return raw.parse(), dict(raw.headers)


def ours(server: Server, video_id: str) -> dict[str, Any]:
    answer = httpx2.get(f"{server.url}/api/v1/videos/{video_id}", headers=server.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def run(script: str, folder: Path, **variables: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_one_line_is_all_that_has_to_change(living: Server, tmp_path: Path) -> None:
    (diff,) = blocks("diff")
    (old,) = re.findall(r"^-(.*)$", diff, re.MULTILINE)
    (new,) = re.findall(r"^\+(.*)$", diff, re.MULTILINE)
    assert old in _WORKING
    pointed = new.replace("http://127.0.0.1:8000", living.url).replace("FILMGATE_KEY", repr(living.key))
    assert pointed != new
    run(_WORKING.replace(old, pointed), tmp_path)
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"


def test_or_no_line_at_all(server: Server, tmp_path: Path) -> None:
    """The environment is enough, and without any provider the built-in renderer makes the film."""
    run(_WORKING, tmp_path, OPENAI_BASE_URL=f"{server.url}/v1", OPENAI_API_KEY=server.key)
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
    (video,) = httpx2.get(f"{server.url}/v1/videos?limit=1", headers=server.headers).json()["data"]
    assert ours(server, video["id"])["provider"] == "embedded"


def test_twenty_seconds_and_a_size_of_sora_are_mapped_and_the_answer_says_so(
    living: Server, client: Any
) -> None:
    video, headers = created(client, model="sora-2", seconds="20", size="1792x1024")
    assert headers["x-filmgate-provider"] == "fal/fal-ai/veo3.1"
    model = "fal-ai/veo3.1"
    assert json.loads(headers["x-filmgate-adjustments"]) == [
        f"size 1920x1080 instead of 1792x1024: the nearest that {model} makes",
        f"seconds 8 instead of 20: the nearest that {model} makes",
    ]
    shown = ours(living, video.id)
    # On the own API in its own words.
    assert shown["adjustments"] == [
        f"resolution 1920x1080 instead of 1792x1024: the nearest that {model} makes",
        f"duration 8 instead of 20: the nearest that {model} makes",
    ]
    assert shown["sent"]["seconds"] == 8


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"seconds": "20"}, "seconds"), ({"seconds": "8", "size": "1792x1024"}, "size")],
)
def test_strict_refuses_what_would_be_mapped(client: Any, asked: dict[str, str], field: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        created(client, model="sora-2", extra_body={"strict": True}, **asked)
    assert refused.value.param == field


@pytest.mark.parametrize(("asked", "field"), [({"seconds": "7"}, "seconds"), ({"size": "1000x1000"}, "size")])
def test_what_sora_never_made_is_refused_and_not_mapped(
    client: Any, asked: dict[str, str], field: str
) -> None:
    with pytest.raises(openai.BadRequestError, match="The nearest it can do is") as refused:
        created(client, model="sora-2", **asked)
    assert refused.value.param == field


def test_a_field_that_is_nobodys_is_refused_and_users_is_taken(client: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        created(client, extra_body={"colour": "red"})
    assert (refused.value.param, refused.value.code) == ("colour", "unknown_parameter")
    video, _ = created(client, seconds="4", extra_body={"user": "u-1", "safety_identifier": "s-1"})
    assert video.id.startswith("job_")


def test_an_id_of_openai_means_nothing_here(client: Any) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.videos.retrieve("video_68d7512d07848190b3e45da0ecbebcde004da08e1e0678d5")
    assert missing.value.code == "not_found"


def test_the_films_headers_and_forms_are_those_of_the_table(client: Any) -> None:
    video, headers = created(client, seconds="4")
    assert "x-filmgate-adjustments" not in headers
    assert headers.keys() >= {
        "openai-poll-after-ms",
        "x-request-id",
        "openai-processing-ms",
        "openai-version",
    }
    assert video.expires_at is None
    assert client.videos.poll(video.id).status == "completed"
    sheet = client.videos.download_content(video.id, variant="spritesheet")
    assert sheet.response.headers["content-type"] == "image/webp"
