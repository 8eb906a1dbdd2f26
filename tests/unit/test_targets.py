"""Of several targets the first that can make a video does, and the next only for what is held."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from filmgate.domain.money import Money
from filmgate.domain.routing import Capability, Route, Target
from filmgate.domain.video import Video, VideoStatus
from filmgate.services.asked import AskedVideo
from filmgate.services.routing import RoutingService
from tests.unit.capabilities import CAPABILITY, problems_of


def several(*capabilities: Capability) -> RoutingService:
    targets = tuple(Target(capability.provider, capability) for capability in capabilities)
    return RoutingService({"m": Route("m", targets)}, "m")


def a_video(routing: RoutingService, **asked: Any) -> Video:
    """Return a video as it would be kept."""
    fitted = routing.fit(AskedVideo("a lake", **asked))
    now = datetime.now(UTC)
    return Video(
        id="job_1",
        project="p",
        key_id="k",
        status=VideoStatus.QUEUED,
        model=fitted.model,
        provider=fitted.target.capability.provider,
        provider_model=fitted.target.capability.model,
        lane=fitted.target.lane,
        request=fitted.request,
        requested={
            name: asked[field]
            for name, field in (("duration", "duration"), ("audio", "audio"), ("strict", "strict"))
            if field in asked
        },
        price=fitted.price,
        created_at=now,
        estimated_at=now,
    )


CHEAP = replace(CAPABILITY, provider="cheap", model="c-1", price=Money(5_000))
DEAR = replace(CAPABILITY, provider="dear", model="d-1", price=Money(50_000))
SHORT = replace(CAPABILITY, provider="short", model="s-1", max_seconds=4)
RETIRED = replace(CAPABILITY, provider="old", model="o-1", retires_on=date(2020, 1, 1))


def test_a_video_goes_to_the_first_target_that_can_make_it() -> None:
    assert several(SHORT, CHEAP).fit(AskedVideo("a lake", duration=3)).target.lane == "short"
    assert several(SHORT, CHEAP).fit(AskedVideo("a lake", duration=8)).target.lane == "cheap"


def test_what_no_target_can_make_is_told_as_the_first_sees_it() -> None:
    (problem,) = problems_of(several(SHORT, CHEAP), AskedVideo("a lake", duration=99))
    assert problem.message.startswith("s-1 makes films of 1 to 4 s")


def test_a_retired_target_is_passed_over_and_a_route_of_none_but_retired_ones_says_so() -> None:
    assert several(RETIRED, CHEAP).fit(AskedVideo("a lake")).target.lane == "cheap"
    (problem,) = problems_of(several(RETIRED), AskedVideo("a lake"))
    assert problem.code == "model_retired"


def test_the_price_covers_every_target_that_may_come_to_make_it() -> None:
    fitted = several(CHEAP, DEAR).fit(AskedVideo("a lake", duration=2))
    assert (fitted.target.lane, fitted.price) == ("cheap", Money(100_000))


def test_a_target_that_costs_more_than_may_be_spent_is_left_out() -> None:
    limited = AskedVideo("a lake", duration=2, max_cost=Money(10_000))
    fitted = several(DEAR, CHEAP).fit(limited)
    assert (fitted.target.lane, fitted.price) == ("cheap", Money(10_000))
    (problem,) = problems_of(several(DEAR, CHEAP), replace(limited, max_cost=Money(9_999)))
    assert (problem.field, problem.code) == ("maxCost", "too_dear")
    assert "$0.01" in problem.message


def test_the_next_target_is_one_that_was_not_tried_and_not_dearer_than_what_is_held() -> None:
    routing = several(CHEAP, CAPABILITY, DEAR)
    video = a_video(routing, duration=2)
    tried = {("cheap", "c-1")}
    fitted = routing.fit_next(video, tried)
    assert fitted is not None
    assert fitted.target.lane == "p"
    assert fitted.request.seed == video.request.seed
    assert fitted.request.prompt == video.request.prompt
    held = replace(video, price=Money(15_000))
    assert routing.fit_next(held, tried) is None
    assert routing.fit_next(video, tried | {("p", "m-1"), ("dear", "d-1")}) is None
    assert routing.fit_next(replace(video, model="gone"), set()) is None


def test_the_next_target_is_asked_for_what_the_client_wrote_not_for_what_the_first_could_do() -> None:
    mute = replace(CHEAP, audio=False)
    routing = several(mute, CAPABILITY)
    video = a_video(routing, audio=True)
    assert not video.request.audio
    fitted = routing.fit_next(replace(video, price=Money(10**6)), {("cheap", "c-1")})
    assert fitted is not None
    assert fitted.request.audio
    strict = a_video(several(CAPABILITY, mute), audio=True, strict=True)
    assert several(CAPABILITY, mute).fit_next(strict, {("p", "m-1")}) is None
