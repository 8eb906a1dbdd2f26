"""What is held covers every provider that may make the video; what is charged is the price of who made it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from filmgate.domain.money import Money
from filmgate.domain.routing import Route, Target
from filmgate.domain.video import Video, VideoStatus
from filmgate.providers.catalogue import added_models
from filmgate.services.asked import AskedVideo
from filmgate.services.routing import Fitted, RoutingService

PRICES = {"cheap": "0.10", "dear": "0.40", "middling": "0.20"}
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def a_target(provider: str) -> Target:
    row = {"sizes": ["1280x720"], "min_seconds": 1, "max_seconds": 10, "price": PRICES[provider]}
    return Target(provider, added_models(provider, provider, {"film-1": row})[provider, "film-1"])


@pytest.fixture
def routing() -> RoutingService:
    return RoutingService({"film": Route("film", tuple(map(a_target, PRICES)))}, "film")


def a_video(fitted: Fitted) -> Video:
    capability = fitted.target.capability
    return Video(
        id="job_1",
        project="p",
        key_id="key_1",
        status=VideoStatus.QUEUED,
        model=fitted.model,
        provider=capability.provider,
        provider_model=capability.model,
        lane=fitted.target.lane,
        request=fitted.request,
        requested={"duration": 5},
        price=fitted.price,
        created_at=NOW,
        estimated_at=NOW,
    )


def test_what_is_held_is_the_price_of_the_dearest_provider_that_may_make_it(routing: RoutingService) -> None:
    fitted = routing.fit(AskedVideo("a lake", duration=5))
    assert (fitted.target.lane, fitted.price) == ("cheap", Money.parse("2"))


@pytest.mark.parametrize(("limit", "held"), [("0.50", "0.50"), ("1.99", "1"), ("2", "2")])
def test_only_providers_within_the_max_cost_are_counted_and_moved_on_to(
    routing: RoutingService, limit: str, held: str
) -> None:
    fitted = routing.fit(AskedVideo("a lake", duration=5, max_cost=Money.parse(limit)))
    assert fitted.price == Money.parse(held)
    video, tried = a_video(fitted), {("cheap", "film-1")}
    following = routing.fit_next(video, tried)
    while following is not None:
        assert following.price <= video.price <= Money.parse(limit)
        capability = following.target.capability
        tried.add((capability.provider, capability.model))
        following = routing.fit_next(video, tried)


@pytest.mark.parametrize(("provider", "price"), [("cheap", "0.50"), ("dear", "2"), ("middling", "1")])
def test_the_price_where_it_is_sent_is_that_providers_own(
    routing: RoutingService, provider: str, price: str
) -> None:
    video = replace(a_video(routing.fit(AskedVideo("a lake", duration=5))), provider=provider)
    assert routing.price_of(video) == Money.parse(price)


@pytest.mark.parametrize("change", [{"provider": "gone"}, {"model": "gone"}], ids=str)
def test_where_nobody_knows_the_price_it_is_what_is_held(
    routing: RoutingService, change: dict[str, str]
) -> None:
    video = replace(a_video(routing.fit(AskedVideo("a lake", duration=5))), **change)
    assert routing.price_of(video) == video.price
