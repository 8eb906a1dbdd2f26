"""Describe budgets: what a key or a batch may spend, and in which span of time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from filmgate.domain.money import FREE, Money

# More than any budget, and far from what a database's integer can hold.
MOST_DOLLARS = 1_000_000_000


class Span(StrEnum):
    """Say over what a budget is counted; days and months are those of UTC."""

    TOTAL = "total"
    DAY = "day"
    MONTH = "month"

    def period(self, now: datetime) -> str:
        """Return the name of the period that a moment falls into."""
        moment = now.astimezone(UTC)
        return {Span.TOTAL: "", Span.DAY: f"{moment:%Y-%m-%d}", Span.MONTH: f"{moment:%Y-%m}"}[self]

    def start(self, now: datetime) -> datetime:
        """Return when the period began that a moment falls into."""
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        beginning = datetime(1970, 1, 1, tzinfo=UTC)
        return {Span.TOTAL: beginning, Span.DAY: day, Span.MONTH: day.replace(day=1)}[self]


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit, and what of it is held and spent in one period.

    ``scope`` is the id of a key or of a batch.
    """

    scope: str
    span: Span
    limit: Money
    held: Money = FREE
    spent: Money = FREE
    period: str = ""

    @property
    def used(self) -> Money:
        """What is held and spent, which may be more than the limit."""
        return self.held + self.spent

    @property
    def left(self) -> Money:
        """What may still be held."""
        return max(FREE, self.limit - self.used)

    @property
    def name(self) -> tuple[str, Span, str]:
        """What tells one period of one budget from all others."""
        return self.scope, self.span, self.period


_WORDS = {
    Span.TOTAL: ("", ""),
    Span.DAY: (" for today (UTC)", " wait for tomorrow,"),
    Span.MONTH: (" for this month (UTC)", " wait for next month,"),
}


@dataclass(frozen=True, slots=True)
class Overrun:
    """What did not fit: ``needed`` more than is left of a budget."""

    budget: Budget
    needed: Money

    def __str__(self) -> str:
        """Say how much is used, how much is needed, and what can be done about it."""
        budget = self.budget
        whose = "batch" if budget.scope.startswith("batch_") else "key"
        when, anew = _WORDS[budget.span]
        return (
            f"The budget of this {whose}{when} is {budget.limit}, of which {budget.spent} is spent and "
            f"{budget.held} held; {budget.left} is left, and this needs {self.needed}. Ask for less,{anew} "
            "or have the operator raise the budget."
        )


@dataclass(frozen=True, slots=True)
class Share:
    """What one claim takes from one period of one budget."""

    scope: str
    span: Span
    period: str


class Purse:
    """Decide claim by claim what still fits into some budgets; nothing is taken of a claim that does not."""

    def __init__(self, budgets: Iterable[Budget]) -> None:
        self._left = {budget.name: budget for budget in budgets}
        self.taken: dict[tuple[str, Span, str], Money] = {}

    def take(self, scopes: Iterable[str], moment: datetime, amount: Money) -> Sequence[Share] | Overrun:
        """Take an amount from every budget of these scopes, or from none; return from which periods."""
        names = [
            name
            for scope in scopes
            for span in Span
            if (name := (scope, span, span.period(moment))) in self._left
        ]
        for name in names:
            if self._left[name].left < amount:
                return Overrun(self._left[name], amount)
        for name in names:
            budget = self._left[name]
            self._left[name] = replace(budget, held=budget.held + amount)
            self.taken[name] = self.taken.get(name, FREE) + amount
        return [Share(*name) for name in sorted(names)]


@dataclass(frozen=True, slots=True)
class UsageLine:
    """What one group of videos has come to: counts of videos and sums of money.

    ``held`` is not settled yet, and ``unknown`` is that part of it whose outcome nobody knows; ``released``
    was held and not charged.
    """

    group: str
    videos: int
    completed: int
    failed: int
    held: Money
    charged: Money
    released: Money
    unknown: Money


def read_amount(text: str) -> Money:
    """Return an amount of dollars as people write it; a ValueError says what is wrong."""
    try:
        dollars = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is not an amount of dollars such as 40 or 0.25") from None
    if not dollars.is_finite() or not 0 <= dollars <= MOST_DOLLARS:
        raise ValueError(f"{text[:40]!r} is not between 0 and {MOST_DOLLARS:,} dollars")
    amount = Money.parse(dollars)
    if amount.dollars != dollars:
        raise ValueError(f"{text[:40]!r} has more than six decimal places")
    return amount


def read_limit(text: str) -> tuple[Span, Money]:
    """Return the span and the limit that ``40``, ``25/day`` or ``300/month`` stand for."""
    dollars, slash, span = text.partition("/")
    try:
        over = Span(span.strip()) if slash else Span.TOTAL
    except ValueError:
        raise ValueError(f"{span.strip()[:40]!r} is no span: write 40, 25/day or 300/month") from None
    return over, read_amount(dollars)
