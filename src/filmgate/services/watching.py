"""Follow provider jobs until they end: claimed in batches, held by nobody in between."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import assert_never

import structlog

from filmgate.domain.attempt import Attempt, AttemptState
from filmgate.domain.money import FREE, Money
from filmgate.domain.provider import JobState, Progress, Provider
from filmgate.domain.video import VideoError
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.polling import PollPlan
from filmgate.services.videos import job_of

_log = structlog.get_logger(__name__)

CLAIM_AT_ONCE = 200
POLL_LEASE = timedelta(seconds=30)
_POLL_SECONDS = 20
# No video costs this much: a figure beyond it is a fault, and the price counts instead.
_MOST = Money.parse(100_000)
# So many of the latest jobs of each kind are planned from.
_HISTORY = 200


class WatchingService:
    """Hold the verbs that follow jobs."""

    def __init__(
        self,
        videos: VideoRepository,
        attempts: AttemptRepository,
        providers: Mapping[str, Provider],
        wake: Callable[[], None],
        plan: PollPlan,
    ) -> None:
        self._videos = videos
        self._attempts = attempts
        self._providers = providers
        self._wake = wake
        self._plan = plan

    async def watch(self) -> bool:
        """Poll what is due; return whether there may be more at once."""
        due = await self._attempts.claim_due(CLAIM_AT_ONCE, POLL_LEASE)
        by_provider: defaultdict[str, list[Attempt]] = defaultdict(list)
        for attempt in due:
            by_provider[attempt.provider].append(attempt)
        await asyncio.gather(*(self._ask(name, group) for name, group in by_provider.items()))
        return len(due) == CLAIM_AT_ONCE

    async def seconds_to_next_poll(self) -> float | None:
        """Return how long until something is due, None where nothing is being watched."""
        return await self._attempts.seconds_to_next_poll()

    async def learn(self) -> None:
        """Look how long jobs have taken lately."""
        self._plan.durations = await self._attempts.durations(_HISTORY)

    async def wake_job(self, provider: str, provider_job_id: str) -> None:
        """Have one job polled at once: its provider says that something has happened."""
        await self._attempts.wake(provider, provider_job_id)

    async def _ask(self, name: str, group: Sequence[Attempt]) -> None:
        provider = self._providers.get(name)
        if provider is None:
            _log.error("provider_missing", provider=name, jobs=len(group), reason="it is no longer set up")
            return
        abandoned = [attempt for attempt in group if attempt.abandoned]
        charged = await asyncio.gather(*(self._stop(provider, attempt) for attempt in abandoned))
        jobs = [job_of(attempt) for attempt in group]
        answers: Mapping[str, Progress] = {}
        try:
            answers = await asyncio.wait_for(provider.poll(jobs), _POLL_SECONDS)
        except Exception as error:  # noqa: BLE001 - a poll that fails says nothing; it is tried again
            reason = str(error) or type(error).__name__
            _log.warning("poll_failed", provider=name, jobs=len(group), reason=reason)
        told = [(attempt, answers.get(attempt.provider_job_id or "")) for attempt in group]
        await self._apply(told, {attempt.id for attempt, one in zip(abandoned, charged, strict=True) if one})

    async def _stop(self, provider: Provider, attempt: Attempt) -> bool:
        """Ask the provider to stop; return whether it says that it charges all the same."""
        try:
            outcome = await asyncio.wait_for(provider.cancel(job_of(attempt)), _POLL_SECONDS)
        except Exception as error:  # noqa: BLE001 - it is asked again at the next poll
            _log.warning("cancel_failed", attempt=attempt.id, reason=str(error) or type(error).__name__)
            return False
        return outcome.charged is True

    async def _apply(
        self, answers: Sequence[tuple[Attempt, Progress | None]], charged: AbstractSet[str]
    ) -> None:
        again: list[tuple[str, timedelta]] = []
        percents: list[tuple[str, int]] = []
        succeeded: list[str] = []
        costs: dict[str, Money] = {}
        for attempt, progress in answers:
            state = JobState.PROCESSING if progress is None else progress.state
            match state:
                case JobState.PENDING | JobState.PROCESSING:
                    again.append((attempt.id, self._pause(attempt, progress)))
                    if progress is not None and progress.percent is not None:
                        percents.append((attempt.video_id, progress.percent))
                case JobState.SUCCEEDED:
                    succeeded.append(attempt.id)
                    cost = _said_cost(attempt, progress)
                    if cost is not None:
                        costs[attempt.id] = cost
                case JobState.FAILED | JobState.CANCELLED:
                    assert progress is not None
                    await self._ended(attempt, progress, charged=attempt.id in charged)
                case _:
                    assert_never(state)
        if succeeded:
            await self._attempts.succeed(succeeded, costs)
        if percents:
            await self._videos.show_progress(percents)
        if again:
            await self._attempts.poll_again(again)

    def _pause(self, attempt: Attempt, progress: Progress | None) -> timedelta:
        age = datetime.now(UTC) - (attempt.accepted_at or attempt.created_at)
        percent = None if progress is None else progress.percent
        kind = (attempt.provider, attempt.provider_model)
        return self._plan.following(kind, age.total_seconds(), percent)

    async def _ended(self, attempt: Attempt, progress: Progress, *, charged: bool) -> None:
        state = AttemptState.CANCELLED if progress.state is JobState.CANCELLED else AttemptState.FAILED
        message = progress.reason or f"{attempt.provider} {state.value} the job and gave no reason."
        cost = _said_cost(attempt, progress)
        error = VideoError(
            progress.code or f"provider_{state.value}",
            message,
            said_by=attempt.provider,
            charged=charged if cost is None else cost > FREE,
        )
        await self._attempts.end(attempt.id, state, error, cost=cost, charged=charged)
        self._wake()


def _said_cost(attempt: Attempt, progress: Progress | None) -> Money | None:
    """Return the provider's own figure, None where it gives none or one that cannot be."""
    cost = None if progress is None else progress.cost
    if cost is None or FREE <= cost <= _MOST:
        return cost
    _log.warning("cost_unbelievable", attempt=attempt.id, provider=attempt.provider, cost=str(cost))
    return None
