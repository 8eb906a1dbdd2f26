"""Describe one attempt: one send of one video to one provider account."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from filmgate.domain.poll import JobKind


class AttemptState(StrEnum):
    """Say what is known of the send."""

    SENDING = "sending"
    ACCEPTED = "accepted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOT_CREATED = "not_created"
    UNKNOWN = "unknown"
    PARKED = "parked"

    @property
    def live(self) -> bool:
        """Whether a job at the provider exists, may exist or may still come to exist."""
        return self in LIVE_STATES


ATTEMPT_TRANSITIONS: Mapping[AttemptState, frozenset[AttemptState]] = {
    AttemptState.SENDING: frozenset({AttemptState.ACCEPTED, AttemptState.NOT_CREATED, AttemptState.UNKNOWN}),
    AttemptState.ACCEPTED: frozenset({AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.CANCELLED}),
    # A provider's job id is a positive fact: it lands whatever was believed before.
    AttemptState.UNKNOWN: frozenset({AttemptState.ACCEPTED, AttemptState.NOT_CREATED, AttemptState.PARKED}),
    AttemptState.PARKED: frozenset({AttemptState.ACCEPTED, AttemptState.NOT_CREATED}),
    AttemptState.NOT_CREATED: frozenset({AttemptState.ACCEPTED}),
    AttemptState.SUCCEEDED: frozenset(),
    AttemptState.FAILED: frozenset(),
    AttemptState.CANCELLED: frozenset(),
}

LIVE_STATES = frozenset(
    {
        AttemptState.SENDING,
        AttemptState.ACCEPTED,
        AttemptState.SUCCEEDED,
        AttemptState.UNKNOWN,
        AttemptState.PARKED,
    }
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as the database has it.

    ``quiet_at`` is the moment from which "the provider does not have it" counts as proof; ``abandoned``
    says that its video was cancelled meanwhile, ``called`` that somebody wanted it polled at once, ``kind``
    what it is a job of; these three are known of what was claimed for a poll.
    """

    id: str
    video_id: str
    provider: str
    provider_model: str
    lane: str
    state: AttemptState
    created_at: datetime
    quiet_at: datetime
    provider_job_id: str | None = None
    accepted_at: datetime | None = None
    polls: int = 0
    collects: int = 0
    abandoned: bool = False
    called: bool = False
    kind: JobKind | None = None
