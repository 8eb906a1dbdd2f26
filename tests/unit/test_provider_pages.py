"""A page for each provider holds what its user needs, and its table is that of the catalogue."""

import pytest

from filmgate.providers import PROVIDERS
from filmgate.providers.catalogue import read_catalogue
from filmgate.settings import VENDOR_KEYS
from tools.model_tables import PAGES, filled, table_of

VENDORS = sorted(VENDOR_KEYS.values())
PAGE_NAMES = [*VENDORS, "openai-compatible"]
NEEDED = [
    "## Set it up",
    "## Check it",
    "filmgate providers test",
    "```toml",
    "## Limits",
    "max_in_flight",
    "## Callbacks",
    "## When the answer to a create is lost",
    "## Never met in the real world",
]


def page_of(name: str) -> str:
    return (PAGES / f"{name}.md").read_text("utf-8")


def test_every_wire_has_its_page() -> None:
    own = {"embedded", "litellm", "openai", "sglang", "vllm"}
    assert set(PROVIDERS) - own == set(VENDORS)
    assert {path.stem for path in PAGES.glob("*.md")} == set(PAGE_NAMES)


@pytest.mark.parametrize("name", PAGE_NAMES)
@pytest.mark.parametrize("part", NEEDED)
def test_a_page_has_what_a_user_needs(name: str, part: str) -> None:
    assert part in page_of(name)


@pytest.mark.parametrize(("variable", "name"), sorted(VENDOR_KEYS.items()))
def test_a_page_names_the_variable_of_its_key(variable: str, name: str) -> None:
    assert f"`{variable}`" in page_of(name)


@pytest.mark.parametrize("name", sorted({provider for provider, _ in read_catalogue()} - {"embedded"}))
def test_a_page_lists_the_models_of_the_catalogue(name: str) -> None:
    page = page_of(name)
    assert table_of(name) in page, "run: python -m tools.model_tables"
    assert filled(page, name) == page
