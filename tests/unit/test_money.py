"""Money is counted in whole micro-dollars and never rounded in the provider's disfavour or ours."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgate.domain.money import FREE, Money

amounts = st.integers(-(10**15), 10**15).map(Money)
prices = st.integers(0, 10**9).map(Money)
factors = st.decimals(0, 10_000, places=6, allow_nan=False, allow_infinity=False)


@given(amounts, amounts)
def test_subtracting_what_was_added_gives_the_amount_back(one: Money, other: Money) -> None:
    assert one + other - other == one
    assert one + other == other + one
    assert one + FREE == one


@given(st.lists(amounts, max_size=20))
def test_a_sum_is_exact(several: list[Money]) -> None:
    assert sum(several, FREE).micros == sum(amount.micros for amount in several)


@given(amounts)
def test_an_amount_survives_being_written_and_parsed(amount: Money) -> None:
    assert Money.parse(amount.dollars) == amount
    assert Money.parse(str(amount).replace("$", "")) == amount


@given(prices, factors)
def test_a_product_is_rounded_up_by_less_than_a_micro_dollar(price: Money, factor: Decimal) -> None:
    exact = price.micros * factor
    product = price.times(factor)
    assert exact <= product.micros < exact + 1


@given(prices, st.floats(0, 3600, allow_nan=False))
def test_a_price_times_seconds_is_a_whole_number_and_never_less_than_the_price(
    price: Money, seconds: float
) -> None:
    cost = price.times(seconds)
    assert isinstance(cost.micros, int)
    assert cost.micros >= price.micros * Decimal(str(seconds))


def test_a_tenth_of_a_dollar_times_three_is_no_float() -> None:
    assert Money.parse("0.1").times(3) == Money(300_000)
    assert Money.parse("0.1").times(0.3) == Money(30_000)


@pytest.mark.parametrize(
    ("dollars", "micros"),
    [("0.0000001", 1), ("0.000001", 1), (2, 2_000_000), ("-0.0000001", 0), ("1.23", 1_230_000)],
)
def test_parsing_rounds_up_to_a_micro_dollar(dollars: str | int, micros: int) -> None:
    assert Money.parse(dollars) == Money(micros)


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (640_000, "$0.64"),
        (0, "$0.00"),
        (1_000_000, "$1.00"),
        (1, "$0.000001"),
        (-640_000, "-$0.64"),
        (123_450_000, "$123.45"),
        (10_000_000, "$10.00"),
    ],
)
def test_an_amount_is_written_as_people_read_it(micros: int, text: str) -> None:
    assert str(Money(micros)) == text


@given(amounts, amounts)
def test_amounts_are_ordered_by_what_they_are_worth(one: Money, other: Money) -> None:
    assert (one < other) is (one.dollars < other.dollars)
