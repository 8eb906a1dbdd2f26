"""Read the catalogue of models: capabilities and prices are data, not code."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from math import log
from pathlib import Path
from typing import Any, cast

from filmgate.domain.errors import BadSettings
from filmgate.domain.money import Money
from filmgate.domain.routing import Capability
from filmgate.infrastructure.answers import mapping

CATALOGUE = Path(__file__).parent.parent / "catalog.toml"
# Wires of servers that run on the operator's own machines.
OWN_SERVERS = frozenset({"sglang", "vllm"})
# What is taken for granted of a model that the operator's own server serves.
_OWN_SERVER: Mapping[str, Any] = {
    "sizes": ("1280x720", "720x1280", "832x480", "480x832"),
    "min_seconds": 1,
    "max_seconds": 10,
    "step": 1,
    "image_input": True,
    "audio": False,
    "seed": True,
    "negative_prompt": True,
    "max_prompt": 32_000,
    "price": "0",
    "price_source": "filmgate.toml",
    "needs_image": False,
    "always_sound": False,
}
# What may be left out of a hosted model.
_HOSTED = (
    "title",
    "price_date",
    "price_source",
    "image_input",
    "audio",
    "seed",
    "negative_prompt",
    "max_prompt",
    "needs_image",
    "always_sound",
)
# Pixels of the usual sizes, at 16:9.
_RESOLUTIONS: Mapping[str, int] = {
    "360p": 640 * 360,
    "480p": 854 * 480,
    "720p": 1280 * 720,
    "1080p": 1920 * 1080,
    "4k": 3840 * 2160,
}
_KNOWN = {*_OWN_SERVER, "title", "price_date", "retires_on", "fields", "prices", "silent_price"}


def read_catalogue(path: Path = CATALOGUE) -> dict[tuple[str, str], Capability]:
    """Return what every model can do, by provider and model."""
    tables = cast("Mapping[str, Mapping[str, Mapping[str, Any]]]", tomllib.loads(path.read_text("utf-8")))
    return {
        (provider, model): _capability(provider, model, row)
        for provider, models in tables.items()
        for model, row in models.items()
    }


def added_models(
    provider: str, wire: str, models: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[str, str], Capability]:
    """Return what the models can do that ``filmgate.toml`` adds to a provider, by name.

    Everything may be left out of a model on a server of one's own; of a hosted one its sizes, lengths and
    price have to be said, because they cost money.
    """
    added: dict[tuple[str, str], Capability] = {}
    for name, row in models.items():
        strange = sorted(set(row) - _KNOWN)
        if strange:
            known = ", ".join(sorted(_KNOWN))
            raise BadSettings(
                f"providers.{provider}.models.{name}: {strange[0]} is not known. Known: {known}."
            )
        usual = {**_OWN_SERVER, "title": name, "price_date": datetime.now(UTC).date()}
        if wire not in OWN_SERVERS:
            usual = {field: usual[field] for field in _HOSTED}
        added[provider, name] = _capability(provider, name, {**usual, **row})
    return added


def added_fields(models: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return how the inputs of added models are called, where ``filmgate.toml`` says so."""
    return {name: mapping(row["fields"]) for name, row in models.items() if "fields" in row}


def _capability(provider: str, model: str, row: Mapping[str, Any]) -> Capability:
    try:
        sizes = tuple(_size(text) for text in row["sizes"])
        return Capability(
            provider=provider,
            model=model,
            title=row["title"],
            sizes=sizes,
            min_seconds=float(row["min_seconds"]),
            max_seconds=float(row["max_seconds"]),
            step=row.get("step"),
            image_input=row["image_input"],
            audio=row["audio"],
            seed=row["seed"],
            negative_prompt=row["negative_prompt"],
            max_prompt=row["max_prompt"],
            price=Money.parse(row["price"]),
            price_source=row["price_source"],
            price_date=cast("date", row["price_date"]),
            retires_on=row.get("retires_on"),
            needs_image=row.get("needs_image", False),
            always_sound=row.get("always_sound", False),
            prices=_prices(row.get("prices", {}), sizes),
            silent_price=Money.parse(row["silent_price"]) if "silent_price" in row else None,
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise BadSettings(f"The catalogue row {provider}.{model} is not complete: {error}.") from error


def _prices(
    table: Mapping[str, str], sizes: Sequence[tuple[int, int]]
) -> tuple[tuple[tuple[int, int], Money], ...]:
    """Return the price of each size that has one of its own, named by itself or by its lines."""
    priced: dict[tuple[int, int], Money] = {}
    for name, price in table.items():
        meant = [size for size in sizes if name in {f"{size[0]}x{size[1]}", _lines(size)}]
        if not meant:
            raise ValueError(f"prices: none of its sizes is {name}")
        priced |= dict.fromkeys(meant, Money.parse(price))
    return tuple(priced.items())


def _lines(size: tuple[int, int]) -> str:
    """Return what a size goes by at vendors: ``720p`` for all that have about as many pixels as 1280x720."""
    pixels = size[0] * size[1]
    return min(_RESOLUTIONS, key=lambda name: abs(log(pixels / _RESOLUTIONS[name])))


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)
