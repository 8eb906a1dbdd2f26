"""OpenAI's examples for Sora run with nothing changed but the environment."""

import json
import os
import subprocess
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Server, start_server, stop_server
from tools import sdks

pytestmark = pytest.mark.timeout(600)

SCRIPT = Path(__file__).with_name("sora_examples.py")
SDKS = ["openai-2", "openai-3"]
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
Seen = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    started = start_server(tmp_path_factory.mktemp("examples") / "data")
    yield started
    stop_server(started)


@pytest.fixture(scope="module")
def seen(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Run the examples once with an SDK, and return what they saw."""

    @cache
    def run(sdk: str) -> dict[str, Any]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        done = subprocess.run(
            [sdks.python_of(sdk), "-I", SCRIPT],
            cwd=tmp_path_factory.mktemp(sdk),
            env={**kept, "OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": server.key},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("sdk", SDKS)
def test_create_and_poll(seen: Seen, sdk: str) -> None:
    polled = seen(sdk)["polled"]
    assert (polled["status"], polled["progress"]) == ("completed", 100)


@pytest.mark.parametrize("sdk", SDKS)
def test_all_variants_are_downloaded(seen: Seen, sdk: str) -> None:
    heads = seen(sdk)["variants"]
    assert heads["video.mp4"][4:8] == "ftyp"
    assert heads["thumbnail.webp"][8:] == "WEBP"
    # The name is that of OpenAI's example; the table of the guide says what is in it.
    assert heads["spritesheet.jpg"][8:] == "WEBP"


@pytest.mark.parametrize("sdk", SDKS)
def test_remix(seen: Seen, sdk: str) -> None:
    assert seen(sdk)["remix"] == {"source": seen(sdk)["polled"]["id"], "status": "completed"}


@pytest.mark.parametrize("sdk", SDKS)
def test_extension_of_a_video_and_of_a_file(seen: Seen, sdk: str) -> None:
    assert seen(sdk)["extension"] == {"seconds": "8", "status": "completed"}
    assert seen(sdk)["extension_of_a_file"] == {"seconds": "8", "status": "completed"}


@pytest.mark.parametrize("sdk", SDKS)
def test_batch_file(seen: Seen, sdk: str) -> None:
    assert seen(sdk)["batch"] == {"custom_id": "shot-1", "film": "ftyp"}


@pytest.mark.parametrize("sdk", SDKS)
def test_webhook_receiver(seen: Seen, sdk: str) -> None:
    assert seen(sdk)["webhook"] == {"type": "video.completed", "object": "event"}
