"""Planned polls find the end of a job sooner than fixed ones, and ask less often."""

import random
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.polling import KIND, called_back, fixed, jobs_of, listed, planned
from bench.render_times import VENDORS, Vendor
from filmgate.domain.poll import JobKind, PollTerms
from filmgate.services.polling import ENOUGH, NET_LONGEST, SHORTEST, PollPlan
from filmgate.services.schedules import LONGEST_FIRST, by_share_of_age, fit

seconds = st.floats(0.01, 5000, allow_nan=False)
every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
WARM = 150


def spread(count: int = 200, middle: float = 60, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return sorted(middle * chance.lognormvariate(0, 0.25) for _ in range(count))


def told(past: Sequence[float], terms: PollTerms = PollTerms()) -> PollPlan:  # noqa: B008 - frozen
    plan = PollPlan({KIND.provider: terms})
    plan.learn({KIND: past})
    return plan


@every_vendor
def test_a_plan_asks_less_than_every_ten_seconds_and_sees_sooner_than_every_five(vendor: Vendor) -> None:
    jobs = jobs_of(vendor, WARM + 600)
    plan = planned(vendor, jobs, WARM)
    five, ten = fixed(5, jobs[WARM:]), fixed(10, jobs[WARM:])
    assert plan.polls < min(five.polls, ten.polls)
    assert plan.median < min(five.median, ten.median)
    assert plan.late < 1.5 * ten.late


def test_callbacks_that_come_leave_little_to_poll_for() -> None:
    vendor = VENDORS[0]
    jobs = jobs_of(vendor, 800)
    outcome = called_back(vendor, jobs, random.Random(1), lost=0.0)
    assert outcome.polls < 1.5
    assert outcome.median < 2


def test_callbacks_that_never_come_are_not_waited_for() -> None:
    vendor = VENDORS[0]
    jobs = jobs_of(vendor, 800)
    outcome = called_back(vendor, jobs, random.Random(1), lost=1.0)
    assert outcome.median < fixed(5, jobs).median


def test_lists_cost_fewer_calls_than_jobs_one_by_one() -> None:
    ark = VENDORS[4]
    jobs = jobs_of(ark, 600)
    assert listed(ark, jobs, 50).polls < 0.7 * planned(ark, jobs).polls


@settings(max_examples=30, deadline=None)
@given(
    st.lists(seconds, max_size=40), seconds, st.none() | st.integers(0, 100), st.sampled_from([1, 5]),
    st.booleans(),
)  # fmt: skip
def test_a_pause_is_always_within_its_bounds(
    past: list[float], age: float, percent: int | None, apart: int, called: bool
) -> None:
    terms = PollTerms(apart=timedelta(seconds=apart), called_back=called)
    plan = told(sorted(past), terms)
    longest = NET_LONGEST if called else LONGEST_FIRST
    assert max(SHORTEST, terms.apart) <= plan.first(KIND) <= longest
    assert max(SHORTEST, terms.apart) <= plan.following(KIND, age, percent) <= longest


@settings(max_examples=30, deadline=None)
@given(st.lists(seconds, min_size=ENOUGH, max_size=40), st.sampled_from([1.0, 5.0]))
def test_a_schedule_goes_on_and_keeps_its_distance(past: list[float], apart: float) -> None:
    schedule = fit(sorted(past), by_share_of_age, apart)
    moments = schedule.moments
    assert all(later - sooner >= 0.99 * apart for sooner, later in pairwise(moments))
    age = 0.0
    for _ in range(200):
        assert schedule.after(age) > age
        age = schedule.after(age) + 0.01


def test_the_built_in_renderer_is_asked_all_the_time() -> None:
    plan = told([50.0] * 20, PollTerms(near=True))
    assert plan.first(KIND) == SHORTEST
    assert plan.following(KIND, 3, 10) == SHORTEST


def test_a_short_history_is_not_planned_from() -> None:
    assert told([25.0] * (ENOUGH - 1)).first(KIND) == SHORTEST
    assert 15 < told([25.0] * ENOUGH).first(KIND).total_seconds() < 25


def test_films_of_another_length_have_a_plan_of_their_own() -> None:
    longer = JobKind(KIND.provider, KIND.model, 10.0, 1280, 720)
    other = JobKind(KIND.provider, KIND.model, 7.0, 1280, 720)
    plan = PollPlan()
    plan.learn({KIND: spread(middle=30), longer: spread(middle=90)})
    assert plan.first(KIND).total_seconds() < 30 < 60 < plan.first(longer).total_seconds()
    assert SHORTEST < plan.first(other) < plan.first(longer), "unknown lengths go by the model"
    assert plan.first(JobKind(KIND.provider, "another")) == SHORTEST


def test_a_job_that_stays_at_99_percent_is_asked_about_less_and_less() -> None:
    plan = told(spread())
    age, polls = 60.0, 0
    while age < 3660:
        age += plan.following(KIND, age, 99).total_seconds()
        polls += 1
    assert polls < 200
    assert plan.following(KIND, age, 99).total_seconds() == 30


def test_under_callbacks_the_first_poll_is_when_a_job_should_long_be_over() -> None:
    past = spread()
    plan = told(past, PollTerms(called_back=True))
    assert plan.first(KIND).total_seconds() > past[int(0.9 * len(past))]
    assert plan.following(KIND, 90, None).total_seconds() >= 30


def test_ends_without_callbacks_bring_the_plan_back_and_callbacks_put_it_away_again() -> None:
    plan = told(spread(), PollTerms(called_back=True))
    net = plan.first(KIND)
    for _ in range(2):
        plan.ended(KIND.provider, called=False)
    assert plan.first(KIND) == net
    plan.ended(KIND.provider, called=False)
    assert plan.first(KIND) == told(spread()).first(KIND)
    for _ in range(10):
        plan.ended(KIND.provider, called=True)
    assert plan.first(KIND) == net


def test_one_lost_callback_among_many_changes_nothing() -> None:
    plan = told(spread(), PollTerms(called_back=True))
    net = plan.first(KIND)
    for number in range(100):
        plan.ended(KIND.provider, called=number % 5 != 0)
        assert plan.first(KIND) == net


def test_ends_of_providers_that_are_not_called_back_say_nothing() -> None:
    plan = told(spread())
    usual = plan.first(KIND)
    for _ in range(20):
        plan.ended(KIND.provider, called=False)
    assert plan.first(KIND) == usual
