"""Write the tables of models into the pages of docs/providers, from the catalogue.

Run it after a change of the catalogue; a test compares the pages with what it would write.
"""

import re
from math import log
from pathlib import Path

from filmgate.domain.routing import Capability
from filmgate.providers.catalogue import read_catalogue

PAGES = Path(__file__).parents[1] / "docs" / "providers"
_BEGIN, _END = "<!-- models of {} -->", "<!-- end of models -->"
_PIXELS = {"360p": 640 * 360, "480p": 854 * 480, "720p": 1280 * 720, "1080p": 1920 * 1080, "4k": 3840 * 2160}
_FEW = 4
_HEAD = "| model | sizes | seconds | $ a second | from an image | sound | seed | negative prompt |"


def lines_of(size: tuple[int, int]) -> str:
    """Return the resolution that a size is nearest to."""
    pixels = size[0] * size[1]
    return min(_PIXELS, key=lambda name: abs(log(pixels / _PIXELS[name])))


def table_of(provider: str) -> str:
    """Return the table of one provider's models."""
    rows = [able for (name, _), able in read_catalogue().items() if name == provider]
    return "\n".join([_HEAD, f"|{'---|' * 8}", *map(_row, rows)])


def filled(page: str, provider: str) -> str:
    """Return a page with its table renewed; one without a place for a table stays as it is."""
    begin = _BEGIN.format(provider)
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(_END), re.DOTALL)
    table = f"{begin}\n{table_of(provider)}\n{_END}"
    return pattern.sub(lambda _: table, page)


def _row(able: Capability) -> str:
    cells = (
        f"`{able.model}`",
        _sizes(able),
        _seconds(able),
        _prices(able),
        "only" if able.needs_image else "yes" if able.image_input else "no",
        "always" if able.always_sound else "yes" if able.audio else "no",
        "yes" if able.seed else "no",
        "yes" if able.negative_prompt else "no",
    )
    return f"| {' | '.join(cells)} |"


def _sizes(able: Capability) -> str:
    if len(able.sizes) <= _FEW:
        return ", ".join(f"{width}x{height}" for width, height in able.sizes)
    named: dict[int, list[str]] = {}
    for name in _PIXELS:
        named.setdefault(sum(lines_of(size) == name for size in able.sizes), []).append(name)
    return ", ".join(f"{', '.join(names)} in {count} shapes" for count, names in named.items() if count)


def _seconds(able: Capability) -> str:
    low, high = f"{able.min_seconds:g}", f"{able.max_seconds:g}"
    step = "" if able.step in {None, 1} else f", every {able.step:g}"
    return f"{low} to {high}{step}"


def _prices(able: Capability) -> str:
    others = {lines_of(size): price for size, price in able.prices}
    told = [str(able.price), *(f"{name} {price}" for name, price in others.items())]
    if able.silent_price is not None:
        told.append(f"silent {able.silent_price}")
    return ", ".join(told).replace("$", "")


if __name__ == "__main__":
    for path in sorted(PAGES.glob("*.md")):
        path.write_text(filled(path.read_text("utf-8"), path.stem), "utf-8")
