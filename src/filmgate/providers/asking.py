"""Ask one vendor how jobs stand: many in one call where it lists them, one by one where it does not.

A listing is believed where it says that a job goes on, and nowhere else: how a job ended is read from the
job itself, and one that is not listed is asked for by itself.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any, Protocol, runtime_checkable

import msgspec

from filmgate.domain.poll import PollTerms
from filmgate.domain.provider import JobState, Progress, ProviderJob
from filmgate.infrastructure.answers import Answer, mapping
from filmgate.infrastructure.http import NotNow, Reader, WireTrouble

# A job that its vendor has not known for this long is lost; a shorter while may be a hiccup.
MISSING_SECONDS = 300.0
# What pure functions raise over an answer of an odd shape: it says nothing then.
ODD = (ValueError, TypeError, LookupError, AttributeError)
# Fewer jobs than this are asked for one by one.
LIST_FROM = 4
LIST_SECONDS = 5.0
ASK_SECONDS = 10.0
# After a listing that did not help, jobs are asked for one by one for this long.
LIST_REST_SECONDS = 60.0
_READS_AT_ONCE = 20
_NOT_KNOWN = frozenset({404, 410})
_GOES_ON = frozenset({JobState.PENDING, JobState.PROCESSING})
_LATER = 429
_TIMED_OUT = 408
_SERVER_ERROR = 500


class ReadsJobs(Protocol):
    """What is needed of a wire to read jobs."""

    name: str
    polling: PollTerms

    def job_url(self, job: ProviderJob) -> str:
        """Return where a job is read."""
        ...

    def progress(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how a job stands; None where the answer says nothing about it."""
        ...


@runtime_checkable
class OutcomeElsewhere(Protocol):
    """What a wire adds whose finished jobs keep their outcome, and their film, at a second address."""

    def outcome_url(self, answer: Answer, job: ProviderJob) -> str | None:
        """Return where to read the outcome of a job that this answer says has ended, else None."""
        ...

    def outcome(self, answer: Answer, job: ProviderJob) -> Progress | None:
        """Return how a job ended; None where the answer does not say."""
        ...


@runtime_checkable
class ListsJobs(Protocol):
    """What a wire adds whose vendor shows many jobs in one answer, each as it would show it alone."""

    def list_urls(self, jobs: Sequence[ProviderJob]) -> Sequence[str]:
        """Return where to read lists that are likely to show these jobs."""
        ...

    def rows(self, answer: Mapping[str, Any]) -> Sequence[Any]:
        """Return the jobs in a list, each with its ``id``; raise KeyError where this is no list."""
        ...


class Asking:
    """Ask one vendor how jobs stand."""

    def __init__(self, wire: ReadsJobs, reader: Reader) -> None:
        self._wire = wire
        self._reader = reader
        self._missing_since: dict[str, float] = {}
        self._list_again_at = 0.0
        self.missing_seconds = MISSING_SECONDS

    @property
    def list_from(self) -> int | None:
        """From how many jobs on a list is worth it, None where lists do not help at present."""
        return self._wire.polling.list_from if monotonic() >= self._list_again_at else None

    async def ask(self, jobs: Sequence[ProviderJob]) -> dict[str, Progress]:
        """Return how jobs stand, by id; what could not be read in time is left out."""
        enough = self.list_from
        listed = await self._listed(jobs) if enough is not None and len(jobs) >= enough else {}
        if listed is None:
            return {}
        for job_id in listed:
            self._missing_since.pop(job_id, None)
        return listed | await self._one_by_one([job for job in jobs if job.id not in listed])

    async def last(self, job: ProviderJob) -> tuple[Answer, bool]:
        """Read a job, and its outcome where that lies elsewhere; say whether it is the outcome."""
        answer = await self._reader.get(self._wire.job_url(job))
        if isinstance(self._wire, OutcomeElsewhere):
            url = self._wire.outcome_url(answer, job)
            if url is not None:
                return await self._reader.get(url), True
        return answer, False

    async def now(self, job: ProviderJob) -> Answer:
        """Read a job that is done, for where its film lies; raise NotNow where its vendor does not say."""
        try:
            answer, _ = await self.last(job)
        except WireTrouble as error:
            raise NotNow(str(error)) from error
        if answer.status in {_LATER, _TIMED_OUT} or answer.status >= _SERVER_ERROR:
            raise NotNow(f"{self._wire.name} answered {answer.status}")
        return answer

    async def _listed(self, jobs: Sequence[ProviderJob]) -> dict[str, Progress] | None:
        """Return the listed jobs that go on; None where the vendor wants to be left alone."""
        assert isinstance(self._wire, ListsJobs)
        urls = self._wire.list_urls(jobs)
        answers: list[Answer] = []
        rows: dict[str, dict[str, Any]] = {}
        try:
            async with asyncio.timeout(LIST_SECONDS):
                answers = await asyncio.gather(*(self._reader.get(url) for url in urls))
            rows = {row["id"]: row for answer in answers for row in self._rows_of(answer)}
        except (WireTrouble, TimeoutError, *ODD):
            # Then they are asked for one by one.
            pass
        if not any(job.id in rows for job in jobs):
            self._list_again_at = monotonic() + LIST_REST_SECONDS
        if any(answer.status == _LATER for answer in answers):
            return None
        return {
            job.id: progress
            for job in jobs
            if job.id in rows and (progress := self._goes_on(rows[job.id], job)) is not None
        }

    def _rows_of(self, answer: Answer) -> Sequence[dict[str, Any]]:
        assert isinstance(self._wire, ListsJobs)
        if answer.status == _LATER:
            return ()
        if not answer.ok:
            raise WireTrouble(f"{self._wire.name} answered the listing with {answer.status}")
        return [mapping(row) for row in self._wire.rows(answer.mapping())]

    def _goes_on(self, row: Mapping[str, Any], job: ProviderJob) -> Progress | None:
        try:
            progress = self._wire.progress(Answer(200, {}, msgspec.json.encode(row)), job)
        except ODD:
            return None
        if progress is None or progress.state not in _GOES_ON:
            return None
        return replace(progress, listed=True)

    async def _one_by_one(self, jobs: Sequence[ProviderJob]) -> dict[str, Progress]:
        gate = asyncio.Semaphore(_READS_AT_ONCE)
        told: dict[str, Progress] = {}

        async def read(job: ProviderJob) -> None:
            async with gate:
                try:
                    progress = await self._stand(job)
                except (WireTrouble, *ODD):
                    return
            if progress is not None:
                told[job.id] = progress

        try:
            async with asyncio.timeout(ASK_SECONDS):
                await asyncio.gather(*(read(job) for job in jobs))
        except TimeoutError:
            # What came in time counts; one slow answer must not cost the others theirs.
            pass
        return told

    async def _stand(self, job: ProviderJob) -> Progress | None:
        answer, ended = await self.last(job)
        if ended and isinstance(self._wire, OutcomeElsewhere):
            progress = self._wire.outcome(answer, job)
        else:
            progress = self._wire.progress(answer, job)
        if progress is None and answer.status in _NOT_KNOWN:
            return self._missing(job)
        self._missing_since.pop(job.id, None)
        return progress

    def _missing(self, job: ProviderJob) -> Progress | None:
        """Give a job up only when its vendor has not known it for a while; it is not made again."""
        since = self._missing_since.setdefault(job.id, monotonic())
        if monotonic() - since < self.missing_seconds:
            return None
        del self._missing_since[job.id]
        reason = f"{self._wire.name} no longer knows this job."
        return Progress(JobState.FAILED, reason=reason, code="job_lost")
