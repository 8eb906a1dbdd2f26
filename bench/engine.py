"""Measure what the engine itself costs: from accepted to completed, with nothing rendered or decoded."""

import json
import subprocess
import sys

from bench.ground import ROOT, CannotMeasure, environment, folder
from bench.machine import Cores, load, median, spread
from bench.report import Result, Target, table

VIDEOS = 1000
WANTED_MS = 10.0


def measure(cores: Cores, *, rounds: int, quick: bool) -> Result:
    """Run a gate with an idle provider in a process of its own, several times."""
    videos = 200 if quick else VIDEOS
    runs = [_once(cores, videos) for _ in range(min(rounds, 3))]
    sums = [run["worker_ms"] + run["postgres_ms"] for run in runs]
    rows = [
        ["worker process", f"{median([run['worker_ms'] for run in runs]):.2f}"],
        ["PostgreSQL", f"{median([run['postgres_ms'] for run in runs]):.2f}"],
        ["**both**", f"**{median(sums):.2f}** ({'–'.join(f'{value:.2f}' for value in spread(sums))})"],
    ]
    seconds = median([run["seconds"] for run in runs])
    text = (
        f"{videos:,} videos accepted as one batch, admitted, sent, polled, downloaded, stored and completed, "
        "each step committed; the provider finishes at once and the film is a few bytes that nobody decodes. "
        f"Median of {len(runs)} runs, which took {seconds:.1f} s each.\n\n"
        + table(["CPU per video", "ms"], rows)
    )
    target = Target("CPU per video from accept to completed, without media", median(sums), WANTED_MS, "ms")
    return Result("The engine", text, {"runs": runs, "load": load()}, [target])


def _once(cores: Cores, videos: int) -> dict[str, float]:
    with folder() as home:
        done = subprocess.run(
            ["taskset", "--cpu-list", str(cores.subject), sys.executable, "-m", "bench.engine_gate",
             str(home), str(videos), ",".join(map(str, cores.others))],
            env=environment(PYTHONPATH=f"{ROOT / 'src'}:{ROOT}"),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )  # fmt: skip
    if done.returncode:
        raise CannotMeasure(f"the engine's gate ended with {done.returncode}: {done.stderr[-1500:]}")
    return json.loads(done.stdout.splitlines()[-1])
