"""Watch real jobs of the vendor twin, in real time, through the whole of filmgate."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.ground import folder
from filmgate.app import Gate, open_gate
from filmgate.domain.key import Key
from filmgate.infrastructure.telemetry import set_up_logging
from filmgate.services.asked import AskedVideo
from filmgate.settings import ProviderSettings, Settings
from filmgate.twin.application import Plan, Twin, running

# One vendor that is asked job by job, and one that lists.
MODELS: Mapping[str, str] = {"gemini": "gemini-omni-1.2-flash", "ark": "dreamina-seedance-2-5-260628"}
FIRST = 24
SECOND = 40
SECONDS = 4.0
# A worker learns every 30 s.
_LEARNED = 35
_PATIENCE = 600
_KEY = Key("key_bench", "bench", "default", "ench")


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of the second batch at one vendor: calls for each video, delays and renders in seconds."""

    vendor: str
    calls: float
    delays: list[float]
    renders: list[float]


def watch_the_twin() -> list[Watched]:
    """Make one batch of videos to learn from and one to measure, on twins that are as slow as life."""
    set_up_logging("warning", pretty=False)
    with folder() as home:
        return asyncio.run(_watch(home))


async def _watch(home: Path) -> list[Watched]:
    async with running(Plan(seed=7, speed=1.0)) as twin:
        providers = {name: ProviderSettings(name, name, "key-of-bench", twin.url(name)) for name in MODELS}
        settings = Settings(
            data=home / "data", environment="test", providers=providers, lanes=dict.fromkeys(MODELS, 100)
        )
        async with open_gate(settings, work=True) as gate:
            await _make(gate, FIRST)
            await asyncio.sleep(_LEARNED)
            before = {name: _reads(twin, name) for name in MODELS}
            began = time.time()
            await _make(gate, SECOND)
            return [await _watched(gate, twin, name, before[name], began) for name in MODELS]


async def _make(gate: Gate, count: int) -> None:
    rows = [
        AskedVideo(prompt=f"Waves, take {number}", model=model, duration=SECONDS)
        for model in MODELS.values()
        for number in range(count)
    ]
    batch, _ = await gate.services.batches.create(_KEY, rows, "bench", None)
    async with asyncio.timeout(_PATIENCE):
        while batch.status == "processing":
            await asyncio.sleep(1)
            batch = await gate.services.batches.get(_KEY, batch.id)
    if batch.status != "completed":
        raise AssertionError(f"the batch is {batch.status}: {batch.counts}")


def _reads(twin: Twin, vendor: str) -> int:
    """Return the polls and lists so far, without the read before each download."""
    seen = [record for record in twin.world.requests if record.get("vendor") == vendor]
    return sum(record.get("operation") in {"poll", "list"} for record in seen)


async def _watched(gate: Gate, twin: Twin, vendor: str, before: int, began: float) -> Watched:
    rows = await gate.database.fetch(
        """
        SELECT provider_job_id, extract(epoch FROM ended_at)::float8 AS ended FROM attempts
        WHERE provider = $1 AND state = 'succeeded' AND extract(epoch FROM accepted_at) > $2
        """,
        vendor,
        began,
    )
    seen = {row["provider_job_id"]: float(row["ended"]) for row in rows}
    jobs = [entry.job for entry in twin.world.ledger.entries if entry.job and entry.job.id in seen]
    # The read for a fresh link before each download is no poll.
    calls = _reads(twin, vendor) - before - len(jobs)
    return Watched(
        vendor,
        calls / len(jobs),
        [seen[job.id] - job.ends_at for job in jobs],
        [job.ends_at - job.created_at for job in jobs],
    )
