"""Follow provider jobs until they end: claimed in batches, held by nobody in between."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import assert_never

import structlog

from filmgate.domain.attempt import Attempt, AttemptState
from filmgate.domain.errors import DatabaseUnavailable
from filmgate.domain.money import FREE, Money
from filmgate.domain.poll import JobKind
from filmgate.domain.provider import JobState, Progress, Provider
from filmgate.domain.video import VideoError
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.fallback import FallbackService
from filmgate.services.polling import PollPlan
from filmgate.services.videos import job_of

_log = structlog.get_logger(__name__)

CLAIM_AT_ONCE = 200
# Longer than stopping and polling together may take: nobody else asks meanwhile.
POLL_LEASE = timedelta(seconds=30)
STOP_SECONDS = 8
POLL_SECONDS = 18
# A provider is asked for more jobs when its answers are in, or have been waited for this long.
PATIENCE_SECONDS = 2.0
GROUPS_AT_ONCE = 4
# Where one call shows many jobs, those due this soon are asked about with those due now.
AHEAD = timedelta(seconds=3)
_LISTED_AT_ONCE = 100
_GOES_ON = frozenset({JobState.PENDING, JobState.PROCESSING})
# No video costs this much: a figure beyond it is a fault, and the price counts instead.
_MOST = Money.parse(100_000)
# So many of the latest films are planned from, of each kind and in all.
_OF_EACH_KIND = 200
_LATEST = 4000


class WatchingService:
    """Hold the verbs that follow jobs."""

    def __init__(
        self,
        videos: VideoRepository,
        attempts: AttemptRepository,
        providers: Mapping[str, Provider],
        wake: Callable[[], None],
        plan: PollPlan,
        fallback: FallbackService | None = None,
    ) -> None:
        self._videos = videos
        self._attempts = attempts
        self._providers = providers
        self._wake = wake
        self._plan = plan
        self._fallback = fallback
        self._asking: defaultdict[str, dict[asyncio.Task[None], float]] = defaultdict(dict)
        self._held: set[str] = set()

    async def watch(self) -> bool:
        """Poll what is due and wait for all answers; return whether there may be more at once."""
        groups, more = await self._claim(())
        await asyncio.gather(*(self._ask(name, group) for name, group in groups.items()))
        return more

    async def begin(self) -> bool:
        """Poll what is due and wait for nothing; return whether there may be more at once.

        Each provider is asked by itself, so that one that hangs holds up nobody else. What becomes due
        meanwhile waits for the answers, but not for long.
        """
        busy = self._busy()
        self._held.update(busy)
        groups, more = await self._claim(busy)
        for name, group in groups.items():
            task = asyncio.create_task(self._ask_by_itself(name, group), name=f"poll-{name}")
            self._asking[name][task] = monotonic()
            task.add_done_callback(partial(self._answered, name))
        return more

    async def seconds_to_next_poll(self) -> float | None:
        """Return how long until something is due, None where nothing is being watched."""
        return await self._attempts.seconds_to_next_poll(self._busy())

    async def close(self) -> None:
        """Stop asking; what was claimed is due again when its lease is over."""
        tasks = [task for asking in self._asking.values() for task in asking]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def learn(self) -> None:
        """Look how long jobs have taken lately."""
        durations = await self._attempts.durations(_LATEST, _OF_EACH_KIND)
        await asyncio.to_thread(self._plan.learn, durations)

    async def wake_job(self, provider: str, provider_job_id: str) -> None:
        """Have one job polled at once: its provider says that something has happened."""
        await self._attempts.wake(provider, provider_job_id)

    def _busy(self) -> list[str]:
        """Return the providers that are not to be asked for more just now."""
        young = monotonic() - PATIENCE_SECONDS
        return [
            name
            for name, asking in self._asking.items()
            if len(asking) >= GROUPS_AT_ONCE or any(began > young for began in asking.values())
        ]

    async def _claim(self, busy: Sequence[str]) -> tuple[Mapping[str, Sequence[Attempt]], bool]:
        due = await self._attempts.claim_due(CLAIM_AT_ONCE, POLL_LEASE, busy)
        groups: defaultdict[str, list[Attempt]] = defaultdict(list)
        for attempt in due:
            groups[attempt.provider].append(attempt)
        for name, group in groups.items():
            group.extend(await self._soon(name, len(group)))
        return groups, len(due) == CLAIM_AT_ONCE

    async def _soon(self, name: str, taken: int) -> Sequence[Attempt]:
        """Take what is due soon as well, where one call shows them all."""
        provider = self._providers.get(name)
        at_least = None if provider is None else provider.polling.list_from
        if at_least is None or taken >= _LISTED_AT_ONCE:
            return ()
        return await self._attempts.claim_soon(
            name, AHEAD, max(1, at_least - taken), _LISTED_AT_ONCE - taken, POLL_LEASE
        )

    async def _ask_by_itself(self, name: str, group: Sequence[Attempt]) -> None:
        try:
            await self._ask(name, group)
        except DatabaseUnavailable as error:
            _log.warning("database_away", reason=str(error))
        except Exception:  # noqa: BLE001 - logged with its trace; what was claimed is due again later
            _log.exception("poll_round_failed", provider=name)

    def _answered(self, name: str, task: asyncio.Task[None]) -> None:
        del self._asking[name][task]
        if name in self._held:
            # Something may have become due meanwhile.
            self._held.discard(name)
            self._wake()

    async def _ask(self, name: str, group: Sequence[Attempt]) -> None:
        provider = self._providers.get(name)
        if provider is None:
            _log.error("provider_missing", provider=name, jobs=len(group), reason="it is no longer set up")
            return
        abandoned = [attempt for attempt in group if attempt.abandoned]
        wanted = [attempt for attempt in group if not attempt.abandoned]
        # Stopping takes time of its own, which those that go on need not wait for.
        await asyncio.gather(self._stop_and_poll(provider, abandoned), self._poll(provider, wanted, set()))

    async def _stop_and_poll(self, provider: Provider, group: Sequence[Attempt]) -> None:
        charged = await asyncio.gather(*(self._stop(provider, attempt) for attempt in group))
        await self._poll(
            provider, group, {attempt.id for attempt, one in zip(group, charged, strict=True) if one}
        )

    async def _poll(self, provider: Provider, group: Sequence[Attempt], charged: AbstractSet[str]) -> None:
        if not group:
            return
        answers: Mapping[str, Progress] = {}
        try:
            answers = await asyncio.wait_for(provider.poll([job_of(each) for each in group]), POLL_SECONDS)
        except Exception as error:  # noqa: BLE001 - a poll that fails says nothing; it is tried again
            reason = str(error) or type(error).__name__
            _log.warning("poll_failed", provider=provider.name, jobs=len(group), reason=reason)
        told = [(attempt, answers.get(attempt.provider_job_id or "")) for attempt in group]
        for attempt, progress in told:
            if progress is not None and progress.state not in _GOES_ON and not attempt.abandoned:
                self._plan.ended(attempt.provider, called=attempt.called)
        await self._apply(told, charged)

    async def _stop(self, provider: Provider, attempt: Attempt) -> bool:
        """Ask the provider to stop; return whether it says that it charges all the same."""
        try:
            outcome = await asyncio.wait_for(provider.cancel(job_of(attempt)), STOP_SECONDS)
        except Exception as error:  # noqa: BLE001 - it is asked again at the next poll
            _log.warning("cancel_failed", attempt=attempt.id, reason=str(error) or type(error).__name__)
            return False
        return outcome.charged is True

    async def _apply(
        self, answers: Sequence[tuple[Attempt, Progress | None]], charged: AbstractSet[str]
    ) -> None:
        listed = sum(progress is not None and progress.listed for _, progress in answers)
        again: list[tuple[str, timedelta]] = []
        percents: list[tuple[str, int]] = []
        succeeded: list[str] = []
        costs: dict[str, Money] = {}
        for attempt, progress in answers:
            state = JobState.PROCESSING if progress is None else progress.state
            match state:
                case JobState.PENDING | JobState.PROCESSING:
                    again.append((attempt.id, self._pause(attempt, progress, listed)))
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

    def _pause(self, attempt: Attempt, progress: Progress | None, listed: int) -> timedelta:
        age = datetime.now(UTC) - (attempt.accepted_at or attempt.created_at)
        percent = None if progress is None else progress.percent
        kind = attempt.kind or JobKind(attempt.provider, attempt.provider_model)
        together = listed if progress is not None and progress.listed else 1
        return self._plan.following(kind, age.total_seconds(), percent, together)

    async def _ended(self, attempt: Attempt, progress: Progress, *, charged: bool) -> None:
        state = AttemptState.CANCELLED if progress.state is JobState.CANCELLED else AttemptState.FAILED
        message = progress.reason or f"{attempt.provider} {state.value} the job and gave no reason."
        cost = _said_cost(attempt, progress)
        error = VideoError(
            progress.code or f"provider_{state.value}",
            message,
            said_by=attempt.provider,
            charged=(charged or progress.charged) if cost is None else cost > FREE,
        )
        if self._fallback is None or not await self._fallback.hand_on(attempt, error):
            await self._attempts.end(attempt.id, state, error, cost=cost, charged=error.charged is True)
        self._wake()


def _said_cost(attempt: Attempt, progress: Progress | None) -> Money | None:
    """Return the provider's own figure, None where it gives none or one that cannot be."""
    cost = None if progress is None else progress.cost
    if cost is None or FREE <= cost <= _MOST:
        return cost
    _log.warning("cost_unbelievable", attempt=attempt.id, provider=attempt.provider, cost=str(cost))
    return None
