"""Put load on a server with wrk, and read what it says."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.ground import KEY, CannotMeasure, Postgres, Server
from bench.machine import cpu_seconds

SCRIPTS = Path(__file__).parent / "load"
PATH = "/api/v1/videos"
CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Window:
    """What one window of load came to; times in microseconds, of CPU per request where not of waiting."""

    requests: int
    per_second: float
    server_us: float
    postgres_us: float
    p50_us: int
    p99_us: int


def find_wrk() -> str:
    """Return the load generator, installed if this is a Debian and we may."""
    if shutil.which("wrk") is None and shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "wrk"]):
            subprocess.run(
                ["apt-get", "-qq", *command],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                capture_output=True,
                timeout=300,
                check=False,
            )
    found = shutil.which("wrk")
    if found is None:
        raise CannotMeasure("wrk is missing (`apt-get install wrk` as root brings it)")
    return found


def press(server: Server, postgres: Postgres, script: str, seconds: int, ids: Path | None = None) -> Window:
    """Keep 64 connections busy for so long; any answer that is not a success ends the benchmark."""
    command = [
        find_wrk(), "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s",
        "--timeout", "10s", "--script", str(SCRIPTS / f"{script}.lua"), f"{server.url}{PATH}",
    ]  # fmt: skip
    env = {**os.environ, "BENCH_KEY": KEY, "BENCH_IDS": str(ids or "")}
    with server.awake():
        before = cpu_seconds([server.pid]), cpu_seconds(postgres.pids())
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=seconds + 60, check=False
        )
        after = cpu_seconds([server.pid]), cpu_seconds(postgres.pids())
    words = next((line.split() for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    if words is None:
        raise CannotMeasure(f"wrk gave no result: {done.stdout[-500:]} {done.stderr[-500:]}")
    requests, micros, errors, p50, p99 = (int(float(word)) for word in words[1:])
    if errors or not requests:
        raise CannotMeasure(f"{server.name}: {errors} of {requests} requests ({script}) failed")
    return Window(
        requests=requests,
        per_second=requests / micros * 1e6,
        server_us=(after[0] - before[0]) / requests * 1e6,
        postgres_us=(after[1] - before[1]) / requests * 1e6,
        p50_us=p50,
        p99_us=p99,
    )
