"""Speak the shape that most vendors share: create a task, read it until it ends, fetch its film.

A vendor is a :class:`Wire`: pure functions from our words to its bytes and back. Everything that has to
do with money and time (one send, sorting what came back, guarded downloads) is here, once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from filmgate.domain.errors import OutcomeUnknown, RefusalKind, Refused, Throttled
from filmgate.domain.provider import (
    CancelOutcome,
    CannotTell,
    JobState,
    Lookup,
    Order,
    Progress,
    ProviderJob,
    SendFence,
)
from filmgate.infrastructure.addresses import AddressGuard
from filmgate.infrastructure.http import (
    Answer,
    DownloadRefused,
    Outgoing,
    Reader,
    WireTrouble,
    download,
    send_once,
)

MAX_FILM_BYTES = 2 * 1024**3
# Answers to a create after which nothing exists at the vendor (providers' documentation, one by one).
REFUSED_BEFORE_CREATION = frozenset({400, 401, 402, 403, 404, 405, 410, 413, 415, 422})
_MAX_RETRY_AFTER = timedelta(hours=1)
_READS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Account:
    """One account at a vendor: where it is, and what opens it."""

    base_url: str
    key: str | None
    callback_url: str | None = None


@dataclass(frozen=True, slots=True)
class Film:
    """Where a finished film lies; ``headers`` are sent only to ``host``, and only where that is set."""

    url: str
    headers: Mapping[str, str] | None = None
    host: str | None = None


class Wire(Protocol):
    """Translate between our words and one vendor's; no input or output."""

    name: str
    quiet_seconds: float

    def headers(self) -> Mapping[str, str]:
        """Return what opens every call."""
        ...

    def create(self, order: Order) -> bytes:
        """Return the body of a create; raise Refused where the order cannot be expressed."""
        ...

    def create_url(self, order: Order) -> str:
        """Return where a create goes."""
        ...

    def created(self, answer: Mapping[str, Any]) -> str | None:
        """Return the job's id in the answer to a create, None where there is none."""
        ...

    def refusal(self, answer: Answer) -> Refused:
        """Sort a refusal by what can be done about it, in the vendor's words."""
        ...

    def job_url(self, job: ProviderJob) -> str:
        """Return where a job is read."""
        ...

    def progress(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how a job stands; None where the answer says nothing about it."""
        ...

    def film(self, answer: Answer, job: ProviderJob) -> Film | None:
        """Return where a finished job's film lies; None where the answer does not say."""
        ...

    def cancel_call(self, job: ProviderJob) -> tuple[str, str] | None:
        """Return the method and address that stop a job, None where nothing does."""
        ...

    def cancelled(self, answer: Answer) -> CancelOutcome:
        """Return what came of asking a job to stop."""
        ...

    async def find_lost(self, reader: Reader, order: Order, sent_at: datetime) -> Lookup:
        """Look for the job of an order whose answer was lost."""
        ...


class TaskApi:
    """A provider over one wire."""

    inline_images = True

    def __init__(self, wire: Wire, guard: AddressGuard) -> None:
        self._wire = wire
        self._guard = guard
        self._reader = Reader(wire.headers())
        self.name = wire.name
        self.quiet_seconds = wire.quiet_seconds

    def prepare(self, order: Order) -> bytes:
        """Return the exact bytes of the create."""
        return self._wire.create(order)

    async def submit(self, order: Order, body: bytes, fence: SendFence) -> str:
        """Send once and sort what comes back."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self._wire.headers()}
        return self._sorted(await send_once(Outgoing(self._wire.create_url(order), body, headers), fence))

    def _sorted(self, answer: Answer) -> str:
        if answer.ok:
            job_id = self._wire.created(answer.mapping())
            if not job_id:
                raise OutcomeUnknown(f"{self.name} answered {answer.status} without a job id")
            return job_id
        if answer.status == 429:
            raise Throttled(said(answer) or f"{self.name} asked to come back later", retry_after(answer))
        if answer.status in REFUSED_BEFORE_CREATION:
            raise self._wire.refusal(answer)
        raise OutcomeUnknown(f"{self.name} answered {answer.status}")

    async def poll(self, jobs: Sequence[ProviderJob]) -> Mapping[str, Progress]:
        """Read each job once; one that could not be read is left out."""
        gate = asyncio.Semaphore(_READS_AT_ONCE)

        async def read(job: ProviderJob) -> Progress | None:
            async with gate:
                try:
                    return self._wire.progress(await self._reader.get(self._wire.job_url(job)), job)
                except WireTrouble:
                    return None

        answers = await asyncio.gather(*(read(job) for job in jobs))
        return {job.id: answer for job, answer in zip(jobs, answers, strict=True) if answer is not None}

    async def find_lost(self, order: Order, sent_at: datetime) -> Lookup:
        """Look for a job whose answer was lost; trouble on the way proves nothing."""
        try:
            return await self._wire.find_lost(self._reader, order, sent_at)
        except (WireTrouble, ValueError):
            return CannotTell()

    async def download(self, job: ProviderJob, target: Path) -> None:
        """Read the job once more for a fresh link, and fetch the film."""
        answer = await self._reader.get(self._wire.job_url(job))
        film = self._wire.film(answer, job)
        if film is None:
            raise DownloadRefused(f"{self.name} does not say where the film of job {job.id} lies")
        await download(
            film.url,
            target,
            guard=self._guard,
            limit=MAX_FILM_BYTES,
            headers=film.headers,
            keep_headers_on=film.host,
        )

    async def cancel(self, job: ProviderJob) -> CancelOutcome:
        """Ask the vendor to stop."""
        call = self._wire.cancel_call(job)
        if call is None:
            return CancelOutcome(stopped=False, charged=True)
        return self._wire.cancelled(await self._reader.call(*call))

    async def forget(self, job: ProviderJob) -> None:
        """Leave the vendor's copy to expire by itself."""

    async def close(self) -> None:
        """Close the connections."""
        await self._reader.close()


def said(answer: Answer) -> str | None:
    """Return the human sentence in an error body, wherever vendors put it."""
    body = answer.mapping()
    error = body.get("error", body)
    if isinstance(error, str):
        return error[:500]
    if isinstance(error, dict):
        for name in ("message", "detail", "title", "msg"):
            text = error.get(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
            if isinstance(text, str) and text:
                return text[:500]
    return None


def code_of(answer: Answer) -> str:
    """Return the machine's word in an error body, empty where there is none."""
    body = answer.mapping()
    error = body.get("error")
    inner: Any = error if isinstance(error, dict) else body
    for name in ("code", "type"):
        word = inner.get(name)
        if isinstance(word, str) and word:
            return word
    return ""


def retry_after(answer: Answer) -> timedelta | None:
    """Return how long the vendor asked to wait, an hour at most; None where it gave no figure."""
    text = answer.headers.get("Retry-After", "")
    try:
        wait = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta(0)), _MAX_RETRY_AFTER)


REFUSALS_BY_STATUS: Mapping[int, RefusalKind] = {
    401: RefusalKind.KEY,
    402: RefusalKind.QUOTA,
    403: RefusalKind.KEY,
    404: RefusalKind.REQUEST,
    410: RefusalKind.REQUEST,
}


def refuse(answer: Answer, provider: str, by_code: Mapping[str, RefusalKind]) -> Refused:
    """Return the refusal that an answer means: by the vendor's code first, then by its status."""
    kind = by_code.get(code_of(answer)) or REFUSALS_BY_STATUS.get(answer.status, RefusalKind.REQUEST)
    return Refused(kind, said(answer) or f"{provider} refused with status {answer.status}")


def state_of(word: object, table: Mapping[str, JobState]) -> JobState:
    """Return what a vendor's status word means; a word we do not know means processing."""
    return table.get(str(word), JobState.PROCESSING)
