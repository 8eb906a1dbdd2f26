"""Describe budgets: what a key or a batch may spend, and in which span of time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from filmgate.domain.money import FREE, Money


class Span(StrEnum):
    """Say over what a budget is counted; days and months are those of UTC."""

    TOTAL = "total"
    DAY = "day"
    MONTH = "month"

    def period(self, now: datetime) -> str:
        """Return the name of the period that a moment falls into."""
        moment = now.astimezone(UTC)
        return {Span.TOTAL: "", Span.DAY: f"{moment:%Y-%m-%d}", Span.MONTH: f"{moment:%Y-%m}"}[self]


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit, and what of it is held and spent in the present period.

    ``scope`` is the id of a key or of a batch.
    """

    scope: str
    span: Span
    limit: Money
    held: Money = FREE
    spent: Money = FREE

    @property
    def left(self) -> Money:
        """What may still be held."""
        return self.limit - self.held - self.spent


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What one group of videos has come to: counts of videos and sums of money."""

    group: str
    videos: int
    completed: int
    failed: int
    held: Money
    charged: Money
    released: Money
    unknown: Money
