"""Say what keys may spend, and check that the books are right."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from filmgate.domain.budget import Budget, Span
from filmgate.domain.money import Money
from filmgate.repositories.budgets import BudgetRepository


class BudgetService:
    """Hold the operator's verbs for money."""

    def __init__(self, budgets: BudgetRepository) -> None:
        self._budgets = budgets

    async def grant(self, key_id: str, limits: Mapping[Span, Money]) -> None:
        """Set what a key may spend; what it has used before in the present period counts."""
        for span, limit in limits.items():
            await self._budgets.set_limit(Budget(key_id, span, limit), datetime.now(UTC))

    async def lift(self, key_id: str, spans: Iterable[Span]) -> None:
        """Remove limits of a key; harmless where there is none."""
        for span in spans:
            await self._budgets.lift(key_id, span)

    async def of(self, key_ids: Sequence[str]) -> Mapping[str, Sequence[Budget]]:
        """Return the budgets of some keys as they stand now, by key; none for a key without."""
        found: dict[str, list[Budget]] = {}
        for budget in await self._budgets.of(key_ids, datetime.now(UTC)):
            found.setdefault(budget.scope, []).append(budget)
        return found

    async def imbalance(self) -> Sequence[str]:
        """Return what does not add up; nothing, if all is well."""
        return await self._budgets.imbalance()
