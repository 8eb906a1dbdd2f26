"""A vendor that keeps a bill, and does nothing unless it is told to: the provider of the submit walks."""

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from filmgate.domain.poll import PollTerms
from filmgate.domain.provider import (
    CancelOutcome,
    CannotTell,
    Found,
    JobState,
    Lookup,
    NotThere,
    Order,
    Progress,
    ProviderJob,
    SendFence,
)


class Evidence(StrEnum):
    """What a vendor can be asked: an exact list, one that may leave jobs out, or nothing."""

    EXACT = "exact"
    PRESENCE = "presence"
    NOTHING = "nothing"


class Gate(StrEnum):
    """Where a send is held."""

    DOOR = "before the fence"
    FENCED = "past the fence"
    SENT = "waiting for the answer"


@dataclass(eq=False)
class Sending:
    """One worker's step under way; ``fate`` is what the vendor's answer will be, once there is one."""

    video_id: str
    gate: Gate | None = None
    dead: bool = False
    vendor: str = ""
    fate: str | Exception | None = None
    held: asyncio.Future[None] | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def hold(self, gate: Gate) -> None:
        """Stay here until let go."""
        self.gate, self.held = gate, asyncio.get_running_loop().create_future()
        self.arrived.set()
        await self.held

    async def go_on(self, failure: Exception | None = None) -> None:
        """Let it go, and wait until it is held again or done."""
        assert self.held is not None
        self.arrived.clear()
        self.gate = None
        if failure is None:
            self.held.set_result(None)
        else:
            self.held.set_exception(failure)
        await self.settle()

    async def settle(self) -> None:
        """Wait until it is held or done; what it raises is raised here."""
        assert self.task is not None
        arrival = asyncio.create_task(self.arrived.wait())
        await asyncio.wait({self.task, arrival}, return_when=asyncio.FIRST_COMPLETED)
        arrival.cancel()
        if self.task.done() and not self.task.cancelled():
            self.task.result()

    async def crash(self, after: int = 0) -> None:
        """Kill it, where it stands or a few turns of the loop later."""
        assert self.task is not None
        for _ in range(after):
            await asyncio.sleep(0)
        self.task.cancel()
        await asyncio.wait({self.task})


CURRENT: ContextVar[Sending] = ContextVar("CURRENT")


@dataclass(eq=False)
class Create:
    """A request under way; ``sender`` is who waits for its answer."""

    reference: str
    vendor: "Billing"
    sender: Sending


@dataclass(eq=False)
class BilledJob:
    """A job on the bill."""

    id: str
    reference: str
    listed: bool = False
    state: JobState = JobState.PROCESSING


@dataclass(eq=False)
class Billing:
    """One vendor, and its bill."""

    name: str
    evidence: Evidence
    bill: list[BilledJob] = field(default_factory=list)
    wire: list[Create] = field(default_factory=list)
    inline_images: bool = False
    quiet_seconds: float = 600.0
    polling: PollTerms = field(default_factory=PollTerms)

    def prepare(self, order: Order) -> bytes:
        return order.reference.encode()

    async def submit(self, order: Order, body: bytes, fence: SendFence) -> str:
        sending = CURRENT.get()
        sending.vendor = self.name
        await sending.hold(Gate.DOOR)
        await fence()
        await sending.hold(Gate.FENCED)
        self.wire.append(Create(order.reference, self, sending))
        await sending.hold(Gate.SENT)
        if isinstance(sending.fate, Exception):
            raise sending.fate
        assert sending.fate is not None
        return sending.fate

    def make(self, create: Create) -> BilledJob:
        """Take the money."""
        job = BilledJob(f"{self.name}-{len(self.bill) + 1}-{create.reference}", create.reference)
        self.bill.append(job)
        return job

    async def poll(self, jobs: Sequence[ProviderJob]) -> Mapping[str, Progress]:
        states = {job.id: job.state for job in self.bill}
        return {job.id: Progress(states[job.id]) for job in jobs}

    async def find_lost(self, order: Order, sent_at: datetime) -> Lookup:
        if self.evidence is Evidence.NOTHING:
            return CannotTell()
        for job in self.bill:
            if job.listed and job.reference == order.reference:
                return Found(job.id)
        return NotThere() if self.evidence is Evidence.EXACT else CannotTell()

    async def cancel(self, job: ProviderJob) -> CancelOutcome:
        for one in self.bill:
            if one.id == job.id and one.state is JobState.PROCESSING:
                one.state = JobState.CANCELLED
                return CancelOutcome(stopped=True, charged=True)
        return CancelOutcome(stopped=False, charged=True)

    async def notice(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Any:
        return SimpleNamespace(job_id=body.decode())

    async def recognises(self, job: ProviderJob, order: Order) -> bool:
        return any((one.id, one.reference) == (job.id, order.reference) for one in self.bill)

    async def download(self, job: ProviderJob, target: Path) -> None:
        raise AssertionError("no walk collects films")

    async def forget(self, job: ProviderJob) -> None:
        raise AssertionError("no walk collects films")
