"""Be the process that `bench.engine` measures: `python -m bench.engine_gate FOLDER VIDEOS CORES`."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import uvloop

from bench.machine import cpu_seconds, tree
from filmgate.app import Gate, open_gate
from filmgate.domain.key import Key
from filmgate.domain.poll import PollTerms
from filmgate.domain.provider import (
    CancelOutcome,
    JobState,
    Lookup,
    NotThere,
    Order,
    Progress,
    ProviderJob,
    SendFence,
)
from filmgate.infrastructure.media import Media, Probe
from filmgate.infrastructure.telemetry import set_up_logging
from filmgate.services.asked import AskedVideo, VideoFilter
from filmgate.settings import Settings

_FILM = b"a film that nobody looks into"
_SECONDS = 5.0
_PATIENCE = 600
_KEY = Key("key_bench", "bench", "default", "ench")


class Idle:
    """A provider that is done as soon as it is asked."""

    name = "embedded"
    quiet_seconds = 1.0
    polling = PollTerms(near=True)
    inline_images = False

    def prepare(self, order: Order) -> bytes:
        return order.reference.encode()

    async def submit(self, order: Order, body: bytes, fence: SendFence) -> str:
        await fence()
        return f"idle-{order.reference}"

    async def poll(self, jobs: Sequence[ProviderJob]) -> Mapping[str, Progress]:
        return {job.id: Progress(JobState.SUCCEEDED, 100) for job in jobs}

    async def find_lost(self, order: Order, sent_at: datetime) -> Lookup:
        return NotThere()

    async def download(self, job: ProviderJob, target: Path) -> None:
        target.write_bytes(_FILM)  # noqa: ASYNC240 - a few bytes

    async def cancel(self, job: ProviderJob) -> CancelOutcome:
        return CancelOutcome(stopped=True, charged=False)

    async def forget(self, job: ProviderJob) -> None:
        return None

    async def clear(self, age: timedelta) -> None:
        """Keep nothing, so there is nothing to clear."""

    async def run(self, render_id: str) -> None:
        raise AssertionError(render_id)


class Blind(Media):
    """What looks into films, without looking."""

    async def develop(self, path: Path, thumbnail: Path, spritesheet: Path) -> Probe:
        for picture in (thumbnail, spritesheet):
            picture.write_bytes(b"picture")
        return Probe(_SECONDS, 1280, 720, 24.0, 120, "h264", None, "mp4", False, 128.0, False, still=False)


async def main(home: Path, videos: int, cores: set[int]) -> None:
    """Accept the videos, wait for the last, and print what each has cost."""
    settings = Settings(data=home / "data", environment="test", lanes={"embedded": 500})
    blind = Blind(cast("Any", None))
    async with open_gate(
        settings, work=True, providers=cast("Any", {"embedded": Idle()}), media=blind
    ) as gate:
        postgres = [pid for pid in tree(os.getpid()) if pid != os.getpid()]
        for pid in postgres:
            os.sched_setaffinity(pid, cores)
        await _make(gate, 50)
        began, ours, theirs = time.perf_counter(), time.process_time(), _postgres()
        await _make(gate, videos)
        print(
            json.dumps(
                {
                    "worker_ms": (time.process_time() - ours) / videos * 1000,
                    "postgres_ms": (_postgres() - theirs) / videos * 1000,
                    "seconds": time.perf_counter() - began,
                }
            )
        )


def _postgres() -> float:
    return cpu_seconds(pid for pid in tree(os.getpid()) if pid != os.getpid())


async def _make(gate: Gate, videos: int) -> None:
    rows = [
        AskedVideo(prompt=f"Waves, take {number}", model="procedural-1", duration=_SECONDS)
        for number in range(videos)
    ]
    batch, _ = await gate.services.batches.create(_KEY, rows, "bench", None)
    deadline = time.monotonic() + _PATIENCE
    counted = batch
    while counted.status == "processing" and time.monotonic() < deadline:
        # Seldom, since asking costs too.
        await asyncio.sleep(0.5)
        counted = await gate.services.batches.get(_KEY, batch.id)
    if counted.status != "completed" or counted.progress != 100:
        wanted = VideoFilter(batch_id=batch.id)
        page = await gate.services.videos.list(_KEY, wanted, 3, None)
        raise AssertionError(f"the batch is {counted.status}: {counted.counts} {page.items}")


if __name__ == "__main__":
    set_up_logging("warning", pretty=False)
    _, folder, count, others = sys.argv
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(folder), int(count), {int(core) for core in others.split(",")}))
