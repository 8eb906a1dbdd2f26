"""What a model needs, and what it cannot leave out, is told before anything is sent."""

from dataclasses import replace
from typing import Any

import pytest

from filmgate.domain.errors import InvalidRequest
from filmgate.domain.money import Money
from filmgate.domain.routing import Capability, Route, Target
from filmgate.services.asked import AskedVideo
from filmgate.services.routing import RoutingService
from tests.unit.capabilities import CAPABILITY, problems_of

IMAGE = "data:image/png;base64,AAAA"
NEEDS_IMAGE = replace(CAPABILITY, model="needs-image", needs_image=True)
ALWAYS_SOUND = replace(CAPABILITY, model="always-sound", always_sound=True)


def routing(*models: Capability) -> RoutingService:
    return RoutingService({"film": Route("film", tuple(Target("lane", one) for one in models))}, "film")


def test_a_model_that_needs_an_image_says_so() -> None:
    (problem,) = problems_of(routing(NEEDS_IMAGE), AskedVideo("a lake"))
    assert (problem.field, problem.code) == ("inputReference", "required")
    assert problem.message == "needs-image makes films from an image only."
    assert problem.suggestion == "Give an image, or ask for another model."
    assert (
        routing(NEEDS_IMAGE).fit(AskedVideo("a lake", input_reference=IMAGE)).target.capability is NEEDS_IMAGE
    )


def test_without_an_image_the_next_target_is_taken() -> None:
    fitted = routing(NEEDS_IMAGE, CAPABILITY).fit(AskedVideo("a lake"))
    assert fitted.target.capability is CAPABILITY


def test_sound_that_cannot_be_left_out_is_told() -> None:
    fitted = routing(ALWAYS_SOUND).fit(AskedVideo("a lake", audio=False))
    assert fitted.request.audio
    assert fitted.adjustments == ("audio kept: always-sound makes no film without sound",)


@pytest.mark.parametrize("audio", [True, None])
def test_nothing_is_told_where_sound_is_wanted(audio: bool | None) -> None:
    fitted = routing(ALWAYS_SOUND).fit(AskedVideo("a lake", audio=audio))
    assert (fitted.request.audio, fitted.adjustments) == (True, ())


def test_whoever_is_strict_is_refused_instead() -> None:
    (problem,) = problems_of(routing(ALWAYS_SOUND), AskedVideo("a lake", audio=False, strict=True))
    assert (problem.field, problem.code) == ("audio", "unsupported")


SIZED = replace(
    CAPABILITY, prices=(((1792, 1024), Money.parse("0.5")),), price=Money.parse("0.2"), silent_price=None
)
SILENT = replace(SIZED, silent_price=Money.parse("0.1"))


@pytest.mark.parametrize(
    ("model", "asked", "price"),
    [
        (SIZED, {}, "1"),
        (SIZED, {"resolution": "1792x1024"}, "2.5"),
        (SIZED, {"audio": False}, "1"),
        (SILENT, {"audio": False}, "0.5"),
        (SILENT, {"audio": True}, "1"),
        (replace(SILENT, always_sound=True), {"audio": False}, "1"),
    ],
)
def test_what_is_held_is_the_price_of_what_is_made(
    model: Capability, asked: dict[str, Any], price: str
) -> None:
    assert routing(model).fit(AskedVideo("a lake", duration=5, **asked)).price == Money.parse(price)


def test_a_larger_film_can_be_too_dear() -> None:
    asked = AskedVideo("a lake", duration=5, resolution="1792x1024", max_cost=Money.parse("2"))
    with pytest.raises(InvalidRequest, match=r"costs \$2.50 at least"):
        routing(SIZED).fit(asked)
