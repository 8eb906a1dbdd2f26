"""The moment a video will be ready grows with what is ahead of it."""

from datetime import UTC, date, datetime
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from filmgate.domain.money import FREE
from filmgate.domain.routing import Capability, Target
from filmgate.repositories.lanes import LaneRepository
from filmgate.services.forecast import Forecast

CAPABILITY = Capability(
    "p", "m", "M", ((360, 360),), 1, 20, None, True, True, True, False, 100, FREE, "-", date(2026, 1, 1)
)
TARGET = Target("lane", CAPABILITY)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def forecast() -> Forecast:
    # What has never been refreshed asks no lane.
    return Forecast(cast("LaneRepository", None))


@given(st.floats(0.1, 60), st.integers(0, 10_000))
def test_a_film_is_never_ready_before_it_was_asked_for(seconds: float, place: int) -> None:
    assert forecast().ready_at(TARGET, seconds, NOW, place) > NOW


@given(st.floats(0.1, 60), st.floats(0.1, 60))
def test_a_longer_film_is_not_ready_sooner(one: float, other: float) -> None:
    shorter, longer = sorted((one, other))
    assert forecast().ready_at(TARGET, shorter, NOW) <= forecast().ready_at(TARGET, longer, NOW)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_later_place_in_line_is_not_ready_sooner(one: int, other: int) -> None:
    first, last = sorted((one, other))
    assert forecast().ready_at(TARGET, 5, NOW, first) <= forecast().ready_at(TARGET, 5, NOW, last)
