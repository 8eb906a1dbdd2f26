"""Say what videos have cost: by key, batch, model, provider or day."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from filmgate.domain.budget import UsageLine
from filmgate.domain.errors import FieldProblem, InvalidRequest
from filmgate.domain.key import Key
from filmgate.domain.money import FREE
from filmgate.repositories.budgets import BudgetRepository

_USUAL = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a project's videos of a span of time have come to, in groups and in all."""

    since: datetime
    until: datetime
    lines: tuple[UsageLine, ...]

    @property
    def total(self) -> UsageLine:
        """The sums over all groups."""
        return UsageLine(
            "",
            sum(line.videos for line in self.lines),
            sum(line.completed for line in self.lines),
            sum(line.failed for line in self.lines),
            sum((line.held for line in self.lines), FREE),
            sum((line.charged for line in self.lines), FREE),
            sum((line.released for line in self.lines), FREE),
            sum((line.unknown for line in self.lines), FREE),
        )


class UsageService:
    """Hold the verb that counts."""

    def __init__(self, budgets: BudgetRepository) -> None:
        self._budgets = budgets

    async def count(self, key: Key, by: str, since: datetime | None, until: datetime | None) -> Usage:
        """Count the videos that the key's project asked for from ``since`` up to ``until``."""
        end = until or datetime.now(UTC)
        try:
            start = since or end - _USUAL
        except OverflowError:
            start = datetime.min.replace(tzinfo=UTC)
        if start >= end:
            message = "since is not before until."
            raise InvalidRequest([FieldProblem("since", message, suggestion="Give an earlier moment.")])
        return Usage(start, end, tuple(await self._budgets.usage(key.project, by, start, end)))
