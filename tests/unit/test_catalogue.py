"""The catalogue is complete, and the names that can be asked for follow from it."""

import re
from pathlib import Path
from typing import Any

import pytest

from filmgate.app.routes import SORA_NAMES, build_routes
from filmgate.domain.errors import BadSettings
from filmgate.domain.money import Money
from filmgate.domain.routing import Capability
from filmgate.domain.video import VideoRequest
from filmgate.providers import PROVIDERS
from filmgate.providers.catalogue import CATALOGUE, added_models, read_catalogue
from filmgate.services.catalog import CatalogService
from filmgate.services.routing import RoutingService

TABLE: dict[str, Any] = {"embedded": object()}
EMBEDDED = ("embedded", "procedural-1")


def test_every_row_belongs_to_a_provider_that_there_is() -> None:
    assert {provider for provider, _ in read_catalogue()} <= set(PROVIDERS)


@pytest.mark.parametrize("capability", read_catalogue().values(), ids=lambda row: row.model)
def test_every_row_can_be_asked_for(capability: Any) -> None:
    assert capability.sizes
    assert all(width % 2 == 0 and height % 2 == 0 for width, height in capability.sizes)
    assert 0 < capability.min_seconds <= capability.max_seconds
    assert capability.price.micros >= 0
    assert capability.price_source
    assert capability.max_prompt > 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("title = .*", ""),
        ('"1280x720"', '"1280"'),
        ('price = "0"', 'price = "cheap"'),
        ("min_seconds = 1", 'min_seconds = "soon"'),
        ("image_input = true", ""),
    ],
)
def test_a_row_that_is_not_complete_is_named(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(re.sub(before, after, CATALOGUE.read_text("utf-8")), "utf-8")
    with pytest.raises(BadSettings, match=r"embedded\.procedural-1 is not complete"):
        read_catalogue(path)


ROWS = read_catalogue()


@pytest.mark.parametrize(
    ("row", "size", "price"),
    [
        (("gemini", "gemini-omni-1.2-flash"), (640, 360), "0.0232"),
        (("gemini", "gemini-omni-1.2-flash"), (1280, 720), "0.0695"),
        (("gemini", "gemini-omni-1.2-flash"), (1080, 1920), "0.1043"),
        (("gemini", "gemini-omni-1.2-flash"), (3840, 2160), "0.2085"),
        (("runway", "seedance2_5"), (640, 640), "0.20"),
        (("runway", "seedance2_5"), (2206, 946), "0.68"),
        (("runway", "wan3"), (832, 480), "0.05"),
        (("ark", "dreamina-seedance-2-5-260628"), (1440, 1440), "0.539"),
        (("ark", "dreamina-seedance-2-0-260128"), (3840, 2160), "0.723"),
    ],
)
def test_a_larger_film_costs_what_its_vendor_takes_for_it(
    row: tuple[str, str], size: tuple[int, int], price: str
) -> None:
    assert ROWS[row].price_at(size) == Money.parse(price)
    asked = VideoRequest("A kite", 8, *size, seed=1)
    assert ROWS[row].price_of(asked) == Money.parse(price).times(8)


@pytest.mark.parametrize(
    "row", [row for row in ROWS.values() if row.provider == "ark"], ids=lambda row: row.model
)
def test_what_is_held_for_ark_covers_its_tokens(row: Capability) -> None:
    """ModelArk counts pixels: no size may be priced below another of as many pixels or fewer."""
    priced = [(width * height, row.price_at((width, height))) for width, height in row.sizes]
    assert all(cheap <= dear for fewer, cheap in priced for more, dear in priced if fewer * 1.3 < more)
    assert {price for _, price in priced} == {row.price, *(price for _, price in row.prices)}


@pytest.mark.parametrize(
    ("row", "with_sound", "without"),
    [
        (("fal", "fal-ai/veo3.1"), "0.40", "0.20"),
        (("runway", "veo3.1_fast"), "0.15", "0.10"),
        (("runway", "gen4.5"), "0.12", "0.12"),
        (("gemini", "gemini-omni-1.1-flash"), "0.1014", "0.1014"),
    ],
)
def test_a_film_without_sound_costs_less_where_sound_costs_more(
    row: tuple[str, str], with_sound: str, without: str
) -> None:
    for audio, price in ((True, with_sound), (False, without)):
        asked = VideoRequest("A kite", 4, 1280, 720, seed=1, audio=audio)
        assert ROWS[row].price_of(asked) == Money.parse(price).times(4)


def test_a_price_for_a_size_that_the_model_does_not_make_is_refused() -> None:
    row = {"sizes": ["1280x720"], "min_seconds": 1, "max_seconds": 5, "price": "1", "prices": {"1080p": "2"}}
    with pytest.raises(BadSettings, match=r"fal\.mine is not complete: prices: none of its sizes is 1080p"):
        added_models("fal", "fal", {"mine": row})


def test_soras_names_prefer_what_needs_no_image() -> None:
    table: Any = {"runway": object()}
    routes = build_routes(read_catalogue(), table, {}, production=True)
    needs = [target.capability.needs_image for target in routes["sora-2"].targets]
    assert needs == sorted(needs)
    assert needs[-1]


def test_a_model_whose_provider_is_not_set_up_cannot_be_asked_for() -> None:
    assert not [
        route for route in build_routes(read_catalogue(), {}, {}, production=False).values() if route.targets
    ]


def test_soras_names_fall_back_to_the_built_in_renderer() -> None:
    routes = build_routes(read_catalogue(), TABLE, {}, production=False)
    for name in SORA_NAMES:
        (target,) = routes[name].targets
        assert (target.lane, target.capability.model) == EMBEDDED
        assert routes[name].alias


def test_in_production_nobody_takes_the_built_in_renderer_for_a_model() -> None:
    routes = build_routes(read_catalogue(), TABLE, {}, production=True)
    assert all(not routes[name].targets for name in SORA_NAMES)
    assert routes["procedural-1"].targets


def test_the_catalogue_shows_only_names_that_somebody_serves() -> None:
    routes = build_routes(read_catalogue(), TABLE, {}, production=True)
    shown = CatalogService(RoutingService(routes, "sora-2")).models()
    assert [route.name for route in shown] == ["procedural-1"]


def test_a_configured_route_lists_its_targets_in_order() -> None:
    configured = {"house": ("embedded/procedural-1",), "sora-2": ("embedded/procedural-1",)}
    routes = build_routes(read_catalogue(), TABLE, configured, production=True)
    assert [target.capability.model for target in routes["house"].targets] == ["procedural-1"]
    assert routes["sora-2"].targets


def test_a_route_to_what_is_not_set_up_is_refused_with_what_is() -> None:
    with pytest.raises(BadSettings, match=r"routes\.house: fal/veo is not set up\. Set up: embedded/"):
        build_routes(read_catalogue(), TABLE, {"house": ("fal/veo",)}, production=False)
