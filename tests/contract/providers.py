"""The providers that the contract suite judges, each set up against the twin of its vendor."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from filmgate.domain.provider import JobState, Order, Progress, ProviderJob
from filmgate.domain.video import VideoRequest
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.providers import ark, fal, gemini, openai_wire, replicate, runway
from filmgate.providers.task_api import Account, TaskApi
from tests.contract.twins import Judge, running_twin

FINAL = {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
LOCAL = AddressGuard.allowing(["127.0.0.0/8", "::1/128"], plain_http=True)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True)
class Case:
    """One provider and what is true of it.

    ``evidence``: B is found and proven absent, presence is found only, none is neither.
    """

    name: str
    connect: Any
    model: str
    vendor: str = ""
    path: str = ""
    evidence: str = "none"
    dialect: str | None = None
    stops_running: bool = True
    says_moderated: bool = True
    lists_at_once: bool = True
    quota_means_later: bool = False

    @property
    def twin(self) -> str:
        return self.vendor or self.name

    def account(self, judge: Judge, key: str | None, callback_url: str | None = None) -> Account:
        base = judge.url(self.twin) + self.path
        return Account(base, key, callback_url, self.name if self.dialect else None, self.dialect)


def _server(dialect: str, model: str, **more: Any) -> Case:
    return Case(dialect, openai_wire.connect, model, path="/v1", dialect=dialect, **more)


CASES = [
    Case("fal", fal.connect, "fal-ai/veo3.1", path="/queue", evidence="presence", lists_at_once=False),
    Case("replicate", replicate.connect, "google/veo-3.1-fast", path="/v1", evidence="B"),
    _server("openai", "sora-2", evidence="presence", stops_running=False),
    _server("vllm", "Wan-AI/Wan2.2-T2V-A14B-Diffusers", evidence="B", says_moderated=False),
    _server("sglang", "wan", evidence="B", stops_running=False, says_moderated=False),
    _server("litellm", "sora-2", stops_running=False),
    # Google says RESOURCE_EXHAUSTED of a minute's quota and of an empty account alike.
    Case("gemini", gemini.connect, "gemini-omni-1.2-flash", quota_means_later=True),
    Case("runway", runway.connect, "gen4.5"),
    Case("ark", ark.connect, "dreamina-seedance-2-5-260628", evidence="B", stops_running=False),
]


@dataclass
class Bench:
    """One provider at work against its twin, and the judge who saw what it did."""

    case: Case
    provider: TaskApi
    judge: Judge
    fences: int = 0

    def order(self, prompt: str = "A kite over a harbour", **asked: Any) -> Order:
        usual: dict[str, Any] = {"seconds": 4.0, "width": 1280, "height": 720, "seed": 1907, "audio": False}
        image, reference = asked.pop("image", None), asked.pop("reference", "vid_0001")
        if image is not None:
            asked["input_reference"] = "references/one.png"
        return Order(reference, self.case.model, VideoRequest(prompt, **{**usual, **asked}), image)

    async def fence(self) -> None:
        self.fences += 1

    async def submit(self, order: Order) -> ProviderJob:
        body = self.provider.prepare(order)
        job_id = await self.provider.submit(order, body, self.fence)
        return ProviderJob(job_id, order.model, order.reference, datetime.now(UTC))

    async def submitted(self, prompt: str, **asked: Any) -> ProviderJob:
        return await self.submit(self.order(prompt, **asked))

    async def poll(self, job: ProviderJob) -> Progress | None:
        return (await self.provider.poll([job])).get(job.id)

    async def until_final(self, job: ProviderJob, seconds: float = 10.0) -> Progress:
        """Poll until the job has ended."""
        until = monotonic() + seconds
        while monotonic() < until:
            progress = await self.poll(job)
            if progress is not None and progress.state in FINAL:
                return progress
            await asyncio.sleep(0.02)
        raise AssertionError(f"{self.case.name} did not end: {self.judge.requests()[-3:]}")

    def received(self) -> int:
        return len(self.judge.ledger(vendor=self.case.twin))

    def created(self) -> int:
        return len(self.judge.ledger(vendor=self.case.twin, created="true"))

    def posts(self) -> int:
        """Return how many creates reached the twin, read or not."""
        return len(self.judge.requests(vendor=self.case.twin, operation="create"))

    def billed(self) -> int:
        return int(self.judge.bill(vendor=self.case.twin)["billed_micro_usd"])


@asynccontextmanager
async def bench(
    case: Case, *, key: str | None = "key-of-ours", callback_url: str | None = None, speed: float = 2000.0
) -> AsyncGenerator[Bench, None]:
    """Set up one provider against a twin of its own."""
    async with running_twin(speed=speed) as judge:
        provider = case.connect(case.account(judge, key, callback_url), LOCAL)
        try:
            yield Bench(case, provider, judge)
        finally:
            await provider.close()
