"""Start real processes for the tests that need the whole thing."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

_READY_SECONDS = 60
SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Server:
    """A started filmgate."""

    url: str
    key: str
    data: Path
    process: subprocess.Popen[bytes]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return {**kept, "PYTHONPATH": str(SOURCE), "APP_ENV": "test", **extra}


def start_server(data: Path, *arguments: str, **extra: str) -> Server:
    """Start ``filmgate serve`` on a free port and wait until it is ready."""
    log = data.parent / f"{data.name}.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "filmgate", "serve", "--port", "0", "--data", str(data), *arguments],
            env=environment(**extra),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    offset = 0
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        addresses = re.findall(r"  API +(http://\S+)/api/v1", log.read_text()[offset:])
        if process.poll() is not None:
            raise AssertionError(f"filmgate ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        if addresses and _ready(addresses[-1]):
            key = extra.get("API_KEY") or (data / "state" / "api_key").read_text().strip()
            return Server(addresses[-1], key, data, process)
        time.sleep(0.05)
    raise AssertionError(f"filmgate was not ready within {_READY_SECONDS} s:\n{log.read_text()[-3000:]}")


def stop_server(server: Server) -> None:
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
        try:
            server.process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait(10)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    started = start_server(tmp_path_factory.mktemp("gate") / "data")
    yield started
    stop_server(started)
