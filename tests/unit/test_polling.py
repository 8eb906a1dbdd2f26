"""Planned polls find the end of a job sooner than fixed ones, and ask less often."""

import math
import random
import statistics
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filmgate.services.polling import ENOUGH, LONGEST, LONGEST_FIRST, SHORTEST, PollPlan

KIND = ("fal", "film-1")
seconds = st.floats(0.01, 5000, allow_nan=False)


def history(spread: float, count: int, seed: int) -> list[float]:
    chance = random.Random(seed)
    return sorted(60 * math.exp(chance.gauss(0, spread)) for _ in range(count))


def follow(
    ends: Sequence[float], first: float, following: Callable[[float, int], float]
) -> tuple[float, float]:
    """Return the mean number of polls and the median delay until an end is seen, in seconds."""
    polls: list[int] = []
    delays: list[float] = []
    for end in ends:
        moment, count = first, 1
        while moment < end:
            moment += following(moment, min(99, int(100 * moment / end)))
            count += 1
        polls.append(count)
        delays.append(moment - end)
    return statistics.mean(polls), statistics.median(delays)


@pytest.mark.parametrize(
    ("spread", "with_percent"),
    [(0.1, True), (0.2, True), (0.3, True), (0.5, True), (0.1, False), (0.2, False)],
)
def test_a_plan_asks_less_than_every_ten_seconds_and_sees_more_than_every_five(
    spread: float, with_percent: bool
) -> None:
    plan = PollPlan({KIND: history(spread, 200, 1)})
    ends = history(spread, 2000, 2)
    polls, delay = follow(
        ends,
        plan.first(KIND).total_seconds(),
        lambda age, percent: plan.following(KIND, age, percent if with_percent else None).total_seconds(),
    )
    _, delay_of_five = follow(ends, 5, lambda _age, _percent: 5)
    polls_of_ten, _ = follow(ends, 10, lambda _age, _percent: 10)
    assert polls < polls_of_ten
    assert delay < delay_of_five


@given(st.lists(seconds, max_size=60), seconds, st.none() | st.integers(0, 100))
def test_a_pause_is_always_within_its_bounds(past: list[float], age: float, percent: int | None) -> None:
    plan = PollPlan({KIND: sorted(past)})
    assert SHORTEST <= plan.first(KIND) <= LONGEST_FIRST
    assert SHORTEST <= plan.following(KIND, age, percent) <= LONGEST


def test_the_built_in_renderer_is_asked_all_the_time() -> None:
    kind = ("embedded", "procedural-1")
    plan = PollPlan({kind: [50.0] * 20})
    assert plan.first(kind) == SHORTEST
    assert plan.following(kind, 3, 10) == SHORTEST


def test_a_short_history_is_not_planned_from() -> None:
    plan = PollPlan({KIND: [25.0] * (ENOUGH - 1)})
    assert plan.first(KIND) == SHORTEST
    plan = PollPlan({KIND: [25.0] * ENOUGH})
    assert plan.first(KIND).total_seconds() == 25
