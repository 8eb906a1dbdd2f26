"""Find out what became of sends whose outcome is not known; never by sending again."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog

from filmgate.domain.attempt import Attempt, AttemptState
from filmgate.domain.errors import FilmgateError
from filmgate.domain.provider import CannotTell, Found, NotThere, Provider
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.generation import order_for

_log = structlog.get_logger(__name__)


class NotSettledYet(FilmgateError):
    """The outcome of a send is still not known; it is asked for again later."""


class ReconciliationService:
    """Hold the verbs that settle unknown sends."""

    def __init__(
        self,
        videos: VideoRepository,
        attempts: AttemptRepository,
        providers: Mapping[str, Provider],
        wake: Callable[[], None],
    ) -> None:
        self._videos = videos
        self._attempts = attempts
        self._providers = providers
        self._wake = wake

    async def sweep(self) -> int:
        """Hold for unknown what its sender has not reported on in time; return how many there were."""
        lost = await self._attempts.lose_overdue()
        for attempt_id in lost:
            _log.warning("send_outcome_unknown", attempt=attempt_id, reason="the sender did not report back")
        return len(lost)

    async def reconcile(self, attempt_id: str) -> None:
        """Look for one send's job: found, it is ours; proven absent, the video goes back in line."""
        attempt = await self._attempts.get(attempt_id)
        if attempt is None or attempt.state is not AttemptState.UNKNOWN:
            return
        # Absence counts only if the quiet time was over before the look, not after it.
        quiet = await self._attempts.is_quiet(attempt_id)
        match await self._look(attempt):
            case Found(job_id):
                if await self._attempts.accept(attempt.id, job_id, timedelta(0)):
                    _log.info("send_found", attempt=attempt.id)
                else:
                    _log.error("send_not_bound", attempt=attempt.id, provider_job=job_id)
            case NotThere() if quiet:
                reason = "the provider proved not to have it"
                await self._attempts.give_back(attempt.id, reason, retry_in=timedelta(0))
            case CannotTell() if quiet:
                await self._attempts.park(attempt.id, "the provider cannot be asked for it")
                _log.error("send_parked", attempt=attempt.id, provider=attempt.provider)
            case NotThere() | CannotTell():
                raise NotSettledYet(f"attempt {attempt_id} is not settled yet")
        self._wake()

    async def _look(self, attempt: Attempt) -> Found | NotThere | CannotTell:
        video = await self._videos.get(attempt.video_id)
        assert video is not None
        return await self._providers[attempt.provider].find_lost(order_for(video), attempt.created_at)
