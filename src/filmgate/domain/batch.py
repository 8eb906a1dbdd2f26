"""Describe one batch: many videos accepted together, all or none."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from filmgate.domain.money import FREE, Money
from filmgate.domain.video import VideoStatus

MAX_BATCH_ROWS = 10_000


class BatchStatus(StrEnum):
    """Say where a batch stands; always derived from its videos."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch and how many of its videos stand where.

    ``price`` is what its videos cost at most, ``cost`` what they have cost, ``max_cost`` the client's limit.
    """

    id: str
    project: str
    name: str | None
    total: int
    counts: Mapping[VideoStatus, int]
    created_at: datetime
    webhook_url: str | None = None
    completed_at: datetime | None = None
    price: Money = FREE
    cost: Money = FREE
    max_cost: Money | None = None
    progress: int = 0

    @property
    def status(self) -> BatchStatus:
        """Derive the status from the counts."""
        return derive_status(self.counts)


def derive_status(counts: Mapping[VideoStatus, int]) -> BatchStatus:
    """Return ``processing`` until every video is final, then the best that came of any of them."""
    if any(count and not status.final for status, count in counts.items()):
        return BatchStatus.PROCESSING
    if counts.get(VideoStatus.COMPLETED):
        return BatchStatus.COMPLETED
    if counts.get(VideoStatus.FAILED):
        return BatchStatus.FAILED
    return BatchStatus.CANCELLED
