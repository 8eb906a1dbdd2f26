"""OpenAI's own SDKs, unmodified, against a started gateway: only base_url and the key are changed."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.conftest import Server, start_server, stop_server
from tests.sdk.cutting import Cutter, cutter_to
from tools import sdks

pytestmark = pytest.mark.timeout(300)

HERE = Path(__file__).parent
SCRIPTS = {"openai-2": "openai_python.py", "openai-3": "openai_python.py", sdks.NODE: "openai_node.mjs"}
MAJORS = [("openai-2", "2"), ("openai-3", "3"), (sdks.NODE, "7")]
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
_SECTION = re.compile(r"^@section\ndef (\w+)\(|^  async (\w+)\(\) \{", re.MULTILINE)
SECTIONS = [
    (sdk, first or second)
    for sdk, script in SCRIPTS.items()
    for first, second in _SECTION.findall((HERE / script).read_text("utf-8"))
]
Outcomes = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    started = start_server(tmp_path_factory.mktemp("sdk") / "data")
    yield started
    stop_server(started)


@pytest.fixture(scope="module")
def cutter(server: Server) -> Generator[Cutter, None, None]:
    with cutter_to(server.url, *(f"lost by {sdk}".encode() for sdk in SCRIPTS)) as lent:
        yield lent


@pytest.fixture(scope="module")
def outcomes(server: Server, cutter: Cutter, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Run an SDK's script once, and return by section what came of it."""

    @cache
    def run(sdk: str) -> dict[str, str]:
        folder = tmp_path_factory.mktemp(sdk)
        Image.new("RGB", (64, 64), (200, 80, 40)).save(folder / "image.png")
        done = subprocess.run(
            command(sdk, server.url, cutter.url, server.key, str(folder)),
            env={name: os.environ[name] for name in _KEPT if name in os.environ} | {"MARK": sdk},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def command(sdk: str, *given: str) -> list[str]:
    script = str(HERE / SCRIPTS[sdk])
    if sdk == sdks.NODE:
        node, folder = sdks.node_of()
        return [str(node), script, *given, str(folder)]
    return [str(sdks.python_of(sdk)), "-I", script, *given]


@pytest.mark.parametrize(("sdk", "section"), SECTIONS)
def test_the_sdk_finds_what_it_knows(outcomes: Outcomes, sdk: str, section: str) -> None:
    outcome = outcomes(sdk)[section]
    assert outcome == "ok", outcome


@pytest.mark.parametrize(("sdk", "major"), MAJORS)
def test_it_was_the_sdk_that_was_meant(outcomes: Outcomes, sdk: str, major: str) -> None:
    assert outcomes(sdk)["version"].split(".")[0] == major


def test_an_answer_was_lost_to_every_sdk(outcomes: Outcomes, cutter: Cutter) -> None:
    for sdk in SCRIPTS:
        outcomes(sdk)
    assert sorted(cutter.lost) == sorted(f"lost by {sdk}".encode() for sdk in SCRIPTS)
