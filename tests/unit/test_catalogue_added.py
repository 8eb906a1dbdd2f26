"""Models that filmgate.toml adds become rows of the catalogue like all others."""

from datetime import date
from typing import Any

import msgspec
import pytest

from filmgate.domain.errors import BadSettings
from filmgate.domain.money import FREE, Money
from filmgate.domain.provider import Order
from filmgate.domain.routing import Capability
from filmgate.domain.video import VideoRequest
from filmgate.providers.catalogue import added_fields, added_models, read_catalogue
from filmgate.providers.fal import FalWire
from filmgate.providers.queue_api import Fields, fields_of
from filmgate.providers.task_api import Account

HOSTED: dict[str, Any] = {"sizes": ["1280x720"], "min_seconds": 5, "max_seconds": 10, "price": "0.05"}


def test_a_server_of_ones_own_needs_no_more_than_a_name() -> None:
    (row,) = added_models("mygpu", "vllm", {"wan-2.2": {}}).values()
    assert (row.provider, row.model, row.title) == ("mygpu", "wan-2.2", "wan-2.2")
    assert row.price == FREE
    assert (1280, 720) in row.sizes
    assert row.seed


def test_what_is_said_wins_over_what_is_taken_for_granted() -> None:
    table = {"sizes": ["832x480"], "max_seconds": 5, "audio": True, "price": "0.002", "title": "Wan"}
    (row,) = added_models("mygpu", "sglang", {"wan-2.2": table}).values()
    assert (row.sizes, row.max_seconds, row.audio) == (((832, 480),), 5, True)
    assert (row.price, row.title) == (Money.parse("0.002"), "Wan")


@pytest.mark.parametrize("missing", HOSTED)
def test_a_hosted_model_must_say_what_it_costs_and_makes(missing: str) -> None:
    table = {name: value for name, value in HOSTED.items() if name != missing}
    with pytest.raises(BadSettings, match=r"replicate\.me/mine is not complete"):
        added_models("replicate", "replicate", {"me/mine": table})


def test_a_hosted_model_that_says_so_is_a_row() -> None:
    (row,) = added_models("replicate", "replicate", {"me/mine": HOSTED}).values()
    assert isinstance(row, Capability)
    assert row.price == Money.parse("0.05")
    assert row.price_date >= date(2026, 1, 1)


def test_a_word_that_is_not_known_is_named() -> None:
    with pytest.raises(BadSettings, match=r"providers\.mygpu\.models\.wan: lenght is not known"):
        added_models("mygpu", "vllm", {"wan": {"lenght": 5}})


def test_fields_are_read_from_where_they_are_given() -> None:
    assert added_fields({"a": {"fields": {"image": "start_image"}}, "b": {}}) == {
        "a": {"image": "start_image"}
    }
    assert fields_of("me/mine", {"image": "start_image", "seed": False}) == Fields(
        "me/mine", image="start_image", seed=None
    )


@pytest.mark.parametrize(
    "row", [row for row in read_catalogue().values() if row.provider == "fal"], ids=lambda row: row.model
)
def test_every_size_and_length_of_fal_can_be_asked_for(row: Capability) -> None:
    wire = FalWire(Account("https://queue.fal.run", "k"))
    for width, height in row.sizes:
        asked = VideoRequest("A kite", row.max_seconds, width, height, seed=7)
        body = msgspec.json.decode(wire.create(Order("vid_1", row.model, asked)))
        assert ("seed" in body) is row.seed
        assert "aspect_ratio" in body
