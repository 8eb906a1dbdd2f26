"""The catalogue is complete, and the names that can be asked for follow from it."""

import re
from pathlib import Path
from typing import Any

import pytest

from filmgate.app.routes import SORA_NAMES, build_routes
from filmgate.domain.errors import BadSettings
from filmgate.providers import PROVIDERS
from filmgate.providers.catalogue import CATALOGUE, read_catalogue
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
