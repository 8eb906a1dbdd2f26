"""Measure how long one call with very many videos takes."""

import json
import time
from contextlib import ExitStack

from bench.ground import CannotMeasure, Postgres, Server, filmgate, folder, request
from bench.machine import Cores, cpu_seconds, load, median, spread
from bench.report import Result, Target, table

WANTED_MS = 60.0
_PROMPT = "Waves rolling in at golden hour, wide shot, slow pan to the right, take {number}"


def measure(cores: Cores, *, rounds: int, quick: bool) -> Result:
    """Send batches of 1,000 and of 10,000 videos, one after the other."""
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        postgres = stack.enter_context(Postgres(home / "postgres"))
        server = stack.enter_context(filmgate(cores, home, postgres.create("filmgate_bench")))
        for _ in range(2):
            _send(server, postgres, 1000)
        runs = {
            1000: [_send(server, postgres, 1000) for _ in range(rounds)],
            10_000: [_send(server, postgres, 10_000) for _ in range(1 if quick else 3)],
        }
    rows = [
        [
            f"{size:,} videos",
            str(len(of_size)),
            f"**{median([run[0] for run in of_size]):.0f}**",
            "–".join(f"{value:.0f}" for value in spread([run[0] for run in of_size])),
            f"{median([run[1] for run in of_size]):.0f}",
            f"{median([run[2] for run in of_size]):.0f}",
        ]
        for size, of_size in runs.items()
    ]
    text = (
        "From the first byte of the request to the last of the answer, in which every video has its id; all "
        "rows are checked and committed together. The server is pinned to one core.\n\n"
        + table(["one call with", "runs", "ms", "from–to", "server CPU, ms", "PostgreSQL CPU, ms"], rows)
    )
    thousand = median([run[0] for run in runs[1000]])
    targets = [Target("a batch of 1,000 accepted", thousand, WANTED_MS, "ms")]
    raw = {str(size): [list(run) for run in of_size] for size, of_size in runs.items()}
    return Result("Batches", text, {"ms_server_postgres": raw, "load": load()}, targets)


def _send(server: Server, postgres: Postgres, size: int) -> tuple[float, float, float]:
    rows = [
        {
            "prompt": _PROMPT.format(number=number),
            "duration": 5,
            "resolution": "1280x720",
            "model": "procedural-1",
        }
        for number in range(size)
    ]
    body = json.dumps({"videos": rows}).encode()
    before = cpu_seconds([server.pid]), cpu_seconds(postgres.pids())
    began = time.perf_counter()
    status, answer = request(f"{server.url}/api/v1/videos/batch", body)
    took = time.perf_counter() - began
    after = cpu_seconds([server.pid]), cpu_seconds(postgres.pids())
    if status != 202 or len(json.loads(answer)["jobs"]) != size:
        raise CannotMeasure(f"the batch of {size} was answered with {status}: {answer[:300]!r}")
    return took * 1000, (after[0] - before[0]) * 1000, (after[1] - before[1]) * 1000
