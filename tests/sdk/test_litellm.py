"""LiteLLM, unmodified, with filmgate as its OpenAI provider: as a proxy in front of it, and as a client."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image

from tests.e2e.conftest import Server, start_server, stop_server
from tools import sdks

# To import LiteLLM alone takes half a minute on a busy machine.
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]

HERE = Path(__file__).parent
MASTER = "sk-litellm-master"
TINY: dict[str, Any] = {"model": "tiny", "seconds": "1", "size": "360x640"}
_READY_SECONDS = 240
_FILM_SECONDS = 180
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
_MODELS = {"sora-2": "openai/sora-2", "tiny": "openai/procedural-1"}


@dataclass(frozen=True)
class Proxy:
    """A started LiteLLM."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    started = start_server(tmp_path_factory.mktemp("litellm") / "data")
    yield started
    stop_server(started)


@pytest.fixture(scope="module")
def proxy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Generator[Proxy, None, None]:
    started = start_proxy(server, tmp_path_factory.mktemp("proxy"))
    yield started
    os.killpg(started.process.pid, signal.SIGTERM)
    started.process.wait(60)


@pytest.fixture(scope="module")
def seen(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What LiteLLM saw as a client."""
    image = tmp_path_factory.mktemp("client") / "image.png"
    Image.new("RGB", (64, 64), (200, 80, 40)).save(image)
    done = subprocess.run(
        [sdks.python_of(sdks.LITELLM), "-I", HERE / "litellm_client.py", server.url, server.key, image],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def environment(**extra: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **extra}


def start_proxy(server: Server, folder: Path) -> Proxy:
    """Start LiteLLM's proxy with a gateway behind it, and wait until it answers."""
    gate = {"api_base": f"{server.url}/v1", "api_key": "os.environ/FILMGATE_KEY"}
    models = [
        {"model_name": name, "litellm_params": {"model": model, **gate}} for name, model in _MODELS.items()
    ]
    # JSON is YAML.
    config = {"model_list": models, "litellm_settings": {"telemetry": False}}
    (folder / "config.yaml").write_text(json.dumps(config), "utf-8")
    port, log = free_port(), folder / "proxy.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                sdks.python_of(sdks.LITELLM).with_name("litellm"),
                *("--config", folder / "config.yaml"),
                *("--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"),
            ],
            env=environment(FILMGATE_KEY=server.key, LITELLM_MASTER_KEY=MASTER),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    started = Proxy(f"http://127.0.0.1:{port}", process, log)
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        if is_alive(started.url):
            return started
        time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError(f"LiteLLM was not ready within {_READY_SECONDS} s:\n{log.read_text()[-3000:]}")


def is_alive(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health/liveliness", timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def inner_id(video_id: str) -> str:
    """Return the gateway's id, which LiteLLM has wrapped."""
    packed = video_id.removeprefix("video_")
    found = re.search(r"job_\w+", base64.b64decode(packed + "=" * (-len(packed) % 4)).decode())
    assert found, video_id
    return found[0]


def shown(server: Server, video_id: str) -> dict[str, Any]:
    answer = httpx2.get(f"{server.url}/api/v1/videos/{inner_id(video_id)}", headers=server.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def videos(proxy: Proxy) -> Generator[Any, None, None]:
    """OpenAI's SDK in front of the proxy."""
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key=MASTER, timeout=120) as client:
        yield client.videos


def polled(videos: Any, video_id: str) -> Any:
    deadline = time.monotonic() + _FILM_SECONDS
    while (video := videos.retrieve(video_id)).status not in {"completed", "failed"}:
        assert time.monotonic() < deadline, video
        time.sleep(0.5)
    return video


def test_through_the_proxy_a_video_is_created_polled_and_downloaded(server: Server, videos: Any) -> None:
    made = videos.create(model="sora-2", prompt="A red kite over a harbour at dawn")
    assert (made.status, made.seconds, made.size) == ("queued", "4", "720x1280")
    video = polled(videos, made.id)
    assert (video.status, video.progress) == ("completed", 100)
    # LiteLLM no longer knows the model by the ids of its later answers.
    film = videos.download_content(made.id).read()
    stored = httpx2.get(f"{server.url}/v1/videos/{inner_id(made.id)}/content", headers=server.headers)
    assert film == stored.content
    assert film[4:8] == b"ftyp"


def test_through_the_proxy_an_image_and_our_own_fields_arrive(
    server: Server, videos: Any, tmp_path: Path
) -> None:
    picture = tmp_path / "image.png"
    Image.new("RGB", (64, 64), (200, 80, 40)).save(picture)
    made = videos.create(prompt="a kite", input_reference=picture, extra_body={"seed": 7}, **TINY)
    asked = shown(server, made.id)["requested"]
    assert (asked["seed"], asked["model"]) == (7, "procedural-1")


@pytest.mark.parametrize("way", ["remix", "edit", "extension"])
def test_through_the_proxy_a_video_is_made_of_another(
    server: Server, proxy: Proxy, videos: Any, way: str
) -> None:
    source = videos.create(prompt="a kite", **TINY)
    assert polled(videos, source.id).status == "completed"
    body: dict[str, Any] = {"prompt": "at night", "video": {"id": source.id}}
    paths = {"remix": f"{source.id}/remix", "edit": "edits", "extension": "extensions"}
    bodies = {"remix": {"prompt": "at night"}, "edit": body, "extension": {**body, "seconds": "4"}}
    # In JSON: of the form that the SDK sends, with an empty file beside the id, LiteLLM takes the file.
    answer = httpx2.post(
        f"{proxy.url}/v1/videos/{paths[way]}",
        json=bodies[way],
        headers={"Authorization": f"Bearer {MASTER}"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    made = shown(server, answer.json()["id"])
    assert (made["derivedFrom"]["kind"], made["derivedFrom"]["videoId"]) == (way, inner_id(source.id))


def test_through_the_proxy_a_refusal_says_why(videos: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="procedural-1 makes films of 1 to 20 s; 99 s was asked"):
        videos.create(prompt="a kite", **{**TINY, "seconds": "99"})


def test_the_client_creates_polls_lists_remixes_and_downloads(seen: dict[str, Any]) -> None:
    film = seen["film"]
    assert (film["created"], film["ended"]) == ("queued", "completed")
    assert film["made"] == ["sora-2", "4", "720x1280"]
    assert (film["film"], film["poster"], film["listed"]) == ("ftyp", "RIFF", ["completed"])
    assert film["remixed_from"] == inner_id(film["id"])


def test_what_the_client_sends_besides_arrives(server: Server, seen: dict[str, Any]) -> None:
    video = shown(server, seen["extra"])
    assert video["requested"]["seed"] == 7
    assert video["requested"]["negativePrompt"] == "rain"


def test_a_key_makes_the_clients_creates_the_same(seen: dict[str, Any]) -> None:
    first, again = seen["key"]
    assert first == again


def test_the_client_raises_what_the_gateway_answers(seen: dict[str, Any]) -> None:
    assert seen["refusal"]["status"] == 400
    assert "99 s was asked" in seen["refusal"]["message"]
