"""Let an operator settle what nothing else can: sends that may have been paid for, and cannot be found."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from filmgate.domain.attempt import AttemptState
from filmgate.domain.errors import FieldProblem, InvalidRequest, NotFound
from filmgate.domain.money import Money
from filmgate.domain.video import VideoError
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.unsettled import Unsettled, UnsettledRepository

_log = structlog.get_logger(__name__)
_NOUN = "unsettled attempt"
_OPEN = frozenset({AttemptState.UNKNOWN, AttemptState.PARKED})


class OperatingService:
    """Hold the operator's verbs; each is final and is written to the log."""

    def __init__(self, attempts: AttemptRepository, unsettled: UnsettledRepository) -> None:
        self._attempts = attempts
        self._unsettled = unsettled

    async def list(self) -> Sequence[Unsettled]:
        """Return every attempt whose outcome is not known."""
        return await self._unsettled.list()

    async def adopt(self, attempt_id: str, provider_job_id: str) -> None:
        """Bind an attempt to the provider job that was found to be its own, and follow it."""
        if not await self._attempts.accept(attempt_id, provider_job_id, timedelta(0)):
            attempt = await self._attempts.get(attempt_id)
            if attempt is None or attempt.state not in _OPEN:
                raise NotFound(_NOUN, attempt_id)
            raise InvalidRequest([_taken(provider_job_id)])
        _log.warning("attempt_adopted", attempt=attempt_id, provider_job=provider_job_id)

    async def abandon(self, attempt_id: str, charged: Money) -> None:
        """Give an attempt up: its video fails, and what it has cost is written down."""
        message = "The provider's answer was lost, and the operator has given the video up."
        error = VideoError("abandoned", message, said_by="operator", charged=charged.micros > 0)
        if not await self._unsettled.abandon(attempt_id, error, charged):
            raise NotFound(_NOUN, attempt_id)
        _log.warning("attempt_abandoned", attempt=attempt_id, charged=str(charged))

    async def resend(self, attempt_id: str) -> None:
        """Send the video again, though the lost send may have been paid for, on the operator's word.

        Its price is held a second time; BudgetExceeded where a budget has no room for that.
        """
        reason = "sent again on the operator's word; the lost send may have been paid for"
        if not await self._unsettled.resend(attempt_id, reason):
            raise NotFound(_NOUN, attempt_id)
        _log.warning("attempt_resent", attempt=attempt_id, may_pay_twice=True)


def _taken(provider_job_id: str) -> FieldProblem:
    return FieldProblem(
        "provider_job_id",
        f"The job {provider_job_id[:200]} belongs to another attempt already.",
        "job_taken",
        "Look at the provider's own list for the job that was made for this video.",
    )
