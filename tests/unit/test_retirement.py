"""A model that its provider takes away is spoken of before, and leaves its routes on its day."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import structlog

from filmgate.domain.errors import InvalidRequest
from filmgate.domain.routing import Capability, Route, Target
from filmgate.services.asked import AskedVideo
from filmgate.services.retirement import AHEAD, RetirementService, warning_of
from filmgate.services.routing import RoutingService
from tests.unit.capabilities import CAPABILITY

TODAY = date(2026, 11, 22)


def model(name: str, retires_on: date | None) -> Capability:
    return replace(CAPABILITY, model=name, retires_on=retires_on)


def service(**routes: list[Capability]) -> RetirementService:
    table = {
        name: Route(name, tuple(Target("p", able) for able in models)) for name, models in routes.items()
    }
    return RetirementService(RoutingService(table, "house"))


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (None, None),
        (AHEAD.days + 1, None),
        (AHEAD.days, "retires it on 2027-01-21, in 60 days"),
        (2, "in 2 days"),
        (1, "tomorrow"),
        (0, "Retired by its provider on 2026-11-22"),
        (-30, "no longer sent to"),
    ],
)
def test_a_model_is_spoken_of_sixty_days_before(days: int | None, said: str | None) -> None:
    able = model("m", None if days is None else TODAY + timedelta(days))
    warning = warning_of(able, TODAY)
    assert (warning is None) is (said is None)
    assert said is None or said in str(warning)


def test_the_soonest_comes_first_with_the_names_that_nothing_else_serves() -> None:
    late, soon, stays = (
        model("late", TODAY + timedelta(30)),
        model("soon", TODAY + timedelta(3)),
        model("stays", None),
    )
    coming = service(house=[soon, stays], only=[soon], both=[soon, late]).coming(TODAY)
    assert [(one.model.model, one.names, one.orphans) for one in coming] == [
        ("soon", ("house", "only", "both"), ("only",)),
        ("late", ("both",), ("both",)),
    ]


@pytest.mark.anyio
async def test_the_log_names_what_goes_and_what_is_left_without() -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(1)
    with structlog.testing.capture_logs() as written:
        await service(house=[model("gone", tomorrow)], other=[model("stays", None)]).warn()
    (line,) = written
    assert (line["event"], line["log_level"]) == ("model_retires", "warning")
    assert (line["model"], line["on"]) == ("gone", tomorrow.isoformat())
    assert (line["serves"], line["nothing_else_serves"]) == (["house"], ["house"])


@pytest.mark.parametrize(("days", "taken"), [(1, "first"), (0, "second"), (-1, "second")])
def test_a_model_leaves_its_route_on_its_day(days: int, taken: str) -> None:
    today = datetime.now(UTC).date()
    targets = (
        Target("p", model("first", today + timedelta(days))),
        Target("p", model("second", None)),
    )
    routing = RoutingService({"house": Route("house", targets)}, "house")
    assert routing.fit(AskedVideo("a lake")).target.capability.model == taken


def test_a_route_whose_models_are_all_retired_says_so() -> None:
    today = datetime.now(UTC).date()
    routing = RoutingService({"house": Route("house", (Target("p", model("gone", today)),))}, "house")
    with pytest.raises(InvalidRequest) as refused:
        routing.fit(AskedVideo("a lake"))
    assert refused.value.problems[0].code == "model_retired"
