"""Measure how long it takes to be there: the first start, later starts, and `filmgate --help`."""

import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from bench.ground import CannotMeasure, environment, folder, stop
from bench.machine import Cores, load, median, spread
from bench.report import Result, table

_PATIENCE = 120


def measure(cores: Cores, *, rounds: int, quick: bool) -> Result:
    """Start and stop again and again, each time in a fresh process."""
    cold: list[float] = []
    warm: list[float] = []
    for _ in range(1 if quick else min(rounds, 3)):
        with folder() as home:
            cold.append(_start(home))
            warm += [_start(home) for _ in range(1 if quick else 2)]
    asked = [_help() for _ in range(max(3, rounds))]
    rows = [
        _row("first `filmgate serve`, which makes the database, until `/ready` answers", cold),
        _row("later `filmgate serve`, until `/ready` answers", warm),
        _row("`filmgate --help`", asked),
    ]
    text = "Wall time with embedded PostgreSQL and a worker.\n\n" + table(
        ["", "runs", "seconds", "from–to"], rows
    )
    raw = {"cold_s": cold, "warm_s": warm, "help_s": asked, "load": load()}
    return Result("Starting", text, raw)


def _row(what: str, values: list[float]) -> list[str]:
    low, high = spread(values)
    return [what, str(len(values)), f"**{median(values):.2f}**", f"{low:.2f}–{high:.2f}"]


def _start(home: Path) -> float:
    log = home / "serve.log"
    with log.open("wb") as stream:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "filmgate", "serve", "--port", "0", "--data", str(home / "data")],
            cwd=home,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        while not _is_ready(log):
            if process.poll() is not None or time.perf_counter() - began > _PATIENCE:
                raise CannotMeasure(f"filmgate did not start: {log.read_text('utf-8')[-1500:]}")
            time.sleep(0.01)
        return time.perf_counter() - began
    finally:
        stop(process)


def _is_ready(log: Path) -> bool:
    address = re.search(r"  API +(http://\S+)/api/v1", log.read_text("utf-8", "replace"))
    if address is None:
        return False
    try:
        with urllib.request.urlopen(f"{address[1]}/ready", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _help() -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "filmgate", "--help"],
        env=environment(),
        check=True,
        capture_output=True,
        timeout=60,
    )
    return time.perf_counter() - began
