"""Read the catalogue of models: capabilities and prices are data, not code."""

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast

from filmgate.domain.errors import BadSettings
from filmgate.domain.money import Money
from filmgate.domain.routing import Capability

CATALOGUE = Path(__file__).parent.parent / "catalog.toml"


def read_catalogue(path: Path = CATALOGUE) -> dict[tuple[str, str], Capability]:
    """Return what every model can do, by provider and model."""
    tables = cast("Mapping[str, Mapping[str, Mapping[str, Any]]]", tomllib.loads(path.read_text("utf-8")))
    return {
        (provider, model): _capability(provider, model, row)
        for provider, models in tables.items()
        for model, row in models.items()
    }


def _capability(provider: str, model: str, row: Mapping[str, Any]) -> Capability:
    try:
        return Capability(
            provider=provider,
            model=model,
            title=row["title"],
            sizes=tuple(_size(text) for text in row["sizes"]),
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
        )
    except (KeyError, ValueError, ArithmeticError) as error:
        raise BadSettings(f"The catalogue row {provider}.{model} is not complete: {error}.") from error


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)
