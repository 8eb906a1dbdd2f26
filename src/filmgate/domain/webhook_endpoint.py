"""Describe webhook endpoints: where a project wants to be told, of what, and how it knows that it is us."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from filmgate.domain.webhook import DeliveryState, written_secret

MAX_ENDPOINTS = 50
MAX_NAME = 256
# After a rotation the old secret signs too for so long, where that was asked for.
OVERLAP = timedelta(hours=24)
# An endpoint at which nothing has arrived for so long is told nothing more.
PATIENCE = timedelta(days=5)
# Ended deliveries are shown for so long.
DELIVERIES_KEPT = timedelta(days=30)
_HINT = 4


class EventType(StrEnum):
    """Name what endpoints can be told of."""

    VIDEO_COMPLETED = "video.completed"
    VIDEO_FAILED = "video.failed"
    VIDEO_CANCELLED = "video.cancelled"
    BATCH_COMPLETED = "batch.completed"
    BATCH_FAILED = "batch.failed"
    BATCH_EXPIRED = "batch.expired"
    BATCH_CANCELLED = "batch.cancelled"


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """One address that a project's events go to.

    ``secret`` signs; ``old_secret`` signs too until ``old_secret_until``.
    """

    id: str
    project: str
    name: str
    url: str
    event_types: tuple[str, ...]
    secret: bytes
    created_at: datetime
    updated_at: datetime
    failing_since: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None

    @property
    def hint(self) -> str:
        """As much of the secret as tells it from others."""
        return f"whsec_…{written_secret(self.secret)[-_HINT:]}"


@dataclass(frozen=True, slots=True)
class DeliveryTry:
    """One try to deliver: the receiver's status, or why there was none."""

    number: int
    at: datetime
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """One event for an endpoint, and every try of it."""

    id: str
    endpoint_id: str
    subject: str
    event: str
    state: DeliveryState
    created_at: datetime
    next_try_at: datetime | None
    ended_at: datetime | None
    tries: tuple[DeliveryTry, ...] = ()
