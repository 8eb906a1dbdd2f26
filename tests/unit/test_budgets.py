"""What fits into budgets, and how people write amounts and limits."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgate.domain.budget import Budget, Overrun, Purse, Span, read_amount, read_limit
from filmgate.domain.money import FREE, Money

NOW = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
AMOUNTS = st.lists(st.integers(0, 40).map(Money), max_size=30)


def a_budget(limit: int, span: Span = Span.TOTAL, **changes: Money) -> Budget:
    return Budget("key_1", span, Money(limit), period=span.period(NOW), **changes)


@given(limit=st.integers(0, 200), held=st.integers(0, 250), spent=st.integers(0, 250), amounts=AMOUNTS)
def test_a_purse_never_takes_more_than_is_left(
    limit: int, held: int, spent: int, amounts: list[Money]
) -> None:
    budget = a_budget(limit, held=Money(held), spent=Money(spent))
    purse = Purse([budget])
    taken = [amount for amount in amounts if not isinstance(purse.take(["key_1"], NOW, amount), Overrun)]
    assert purse.taken.get(budget.name, FREE) == sum(taken, FREE)
    assert sum(taken, FREE) <= budget.left


@given(day=st.integers(0, 60), month=st.integers(0, 60), amounts=AMOUNTS)
def test_of_two_budgets_both_are_taken_from_or_none(day: int, month: int, amounts: list[Money]) -> None:
    budgets = [a_budget(day, Span.DAY), a_budget(month, Span.MONTH)]
    purse = Purse(budgets)
    for amount in amounts:
        purse.take(["key_1"], NOW, amount)
    assert len({purse.taken.get(budget.name, FREE) for budget in budgets}) == 1


def test_a_purse_knows_other_scopes_and_periods_apart() -> None:
    purse = Purse([a_budget(1, Span.DAY), Budget("batch_1", Span.TOTAL, Money(5))])
    assert purse.take(["key_2"], NOW, Money(9)) == []
    assert purse.take(["key_1"], NOW - timedelta(days=1), Money(9)) == []
    assert isinstance(purse.take(["key_1", "batch_1"], NOW, Money(2)), Overrun)
    taken = purse.take(["key_1", "batch_1"], NOW, Money(1))
    assert not isinstance(taken, Overrun)
    assert [share.scope for share in taken] == ["batch_1", "key_1"]


@pytest.mark.parametrize(
    ("span", "period", "start"),
    [
        (Span.TOTAL, "", datetime(1970, 1, 1, tzinfo=UTC)),
        (Span.DAY, "2026-03-31", datetime(2026, 3, 31, tzinfo=UTC)),
        (Span.MONTH, "2026-03", datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_periods_are_those_of_utc(span: Span, period: str, start: datetime) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert (span.period(elsewhere), span.start(elsewhere)) == (period, start)


@pytest.mark.parametrize(
    ("scope", "span", "words"),
    [
        ("key_1", Span.TOTAL, "The budget of this key is $2.00, of which $0.50 is spent and $1.00 held"),
        ("key_1", Span.MONTH, "this key for this month (UTC) is"),
        ("batch_1", Span.TOTAL, "The budget of this batch is"),
    ],
)
def test_an_overrun_says_whose_budget_it_is(scope: str, span: Span, words: str) -> None:
    budget = Budget(scope, span, Money(2_000_000), Money(1_000_000), Money(500_000))
    assert words in str(Overrun(budget, Money(700_000)))
    assert "$0.50 is left, and this needs $0.70" in str(Overrun(budget, Money(700_000)))


def test_nothing_is_left_of_a_budget_that_was_overspent() -> None:
    assert a_budget(5, spent=Money(9)).left == FREE


@pytest.mark.parametrize(
    ("text", "span", "micros"),
    [
        ("40", Span.TOTAL, 40_000_000),
        ("$0.25/day", Span.DAY, 250_000),
        ("300/month", Span.MONTH, 300_000_000),
        (" 1.5 / day ", Span.DAY, 1_500_000),
        ("0/total", Span.TOTAL, 0),
    ],
)
def test_a_limit_is_read_as_people_write_it(text: str, span: Span, micros: int) -> None:
    assert read_limit(text) == (span, Money(micros))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not an amount of dollars"),
        ("ten", "not an amount of dollars"),
        ("-1", "not between 0 and"),
        ("NaN", "not between 0 and"),
        ("Infinity", "not between 0 and"),
        ("1e99", "not between 0 and"),
        ("0.0000001", "more than six decimal places"),
        ("5/week", "'week' is no span"),
        ("5/", "is no span"),
    ],
)
def test_a_limit_that_cannot_be_read_says_why(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_limit(text)


@given(st.decimals(min_value=0, max_value=10**9, places=6))
def test_every_amount_to_the_millionth_is_kept(amount: object) -> None:
    assert read_amount(str(amount)).dollars == amount
