"""Measure the built-in renderer: seconds of work for each second of film, scene by scene."""

import json
import subprocess
import sys
from typing import Any

from bench.ground import CannotMeasure, environment, folder
from bench.machine import Cores, load, median, spread
from bench.report import Result, table
from filmgate.renderer.scenes import SCENES

_SIZE = (1280, 720)
_PROMPTS = {"skyline": "city skyline", "grid": "retro grid", "street": "neon street", "ink": "ink in water"}
_CHILD = """
import json, resource, sys, time
from pathlib import Path
from filmgate.renderer.film import render
from filmgate.renderer.prompt import direct
from filmgate.renderer.request import RenderRequest
prompt, seconds, width, height, output = json.loads(sys.argv[1])
request = RenderRequest(prompt, seconds, width, height, 7)
cpu, wall = time.process_time(), time.perf_counter()
render(request, Path(output), lambda frames: None)
print(json.dumps({
    "scene": direct(prompt).scene,
    "cpu": time.process_time() - cpu,
    "wall": time.perf_counter() - wall,
    "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "bytes": Path(output).stat().st_size,
}))
"""


def measure(cores: Cores, *, rounds: int, quick: bool) -> Result:
    """Render a short film of every scene, with sound, in a process of its own on one core."""
    seconds = 1.0 if quick else 2.0
    runs = {scene: _render(scene, seconds, cores) for scene in SCENES}
    rows = [
        [
            scene if run["scene"] == scene else f"{scene} (drawn as {run['scene']})",
            f"{run['cpu'] / seconds:.2f}",
            f"{run['wall'] / seconds:.2f}",
            f"{run['rss_mib']:.0f}",
            f"{run['bytes'] * 8 / seconds / 1e6:.1f}",
        ]
        for scene, run in sorted(runs.items(), key=lambda item: item[1]["cpu"])
    ]
    work = [run["cpu"] / seconds for run in runs.values()]
    low, high = spread(work)
    text = (
        f"{_SIZE[0]}x{_SIZE[1]}, 24 frames a second, H.264 and AAC, {seconds:g} s of film each, on one core; "
        f"a worker renders one film per core. Median {median(work):.2f} s of CPU per second of film, from "
        f"{low:.2f} to {high:.2f}.\n\n"
        + table(["scene", "CPU s per film s", "wall s per film s", "peak memory, MiB", "Mbit/s"], rows)
    )
    return Result("The built-in renderer", text, {"runs": runs, "film_seconds": seconds, "load": load()})


def _render(scene: str, seconds: float, cores: Cores) -> dict[str, Any]:
    with folder() as home:
        asked = json.dumps([_PROMPTS.get(scene, scene), seconds, *_SIZE, str(home / "film.mp4")])
        done = subprocess.run(
            ["taskset", "--cpu-list", str(cores.subject), sys.executable, "-c", _CHILD, asked],
            env=environment(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1"),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    if done.returncode:
        raise CannotMeasure(f"the scene {scene} was not rendered: {done.stderr[-800:]}")
    return json.loads(done.stdout)
