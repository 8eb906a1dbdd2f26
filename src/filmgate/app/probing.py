"""Open what is needed to look at providers: their accounts, and no database."""

import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from filmgate.app.machine import RENDERER, RENDERER_MEMORY, cores
from filmgate.app.projector import open_projector
from filmgate.app.vendors import VENDOR_SLOTS, Vendors
from filmgate.domain.key import hint_of
from filmgate.domain.routing import Lane
from filmgate.infrastructure.children import ChildPool
from filmgate.providers.catalogue import read_catalogue
from filmgate.services.probing import ProbingService, Subject
from filmgate.settings import Settings

_LONG_KEY = 12
_SAMPLE = {"prompt": "A kite", "seconds": 0.5, "width": 128, "height": 72, "seed": 1, "audio": True}


@asynccontextmanager
async def open_probing(settings: Settings) -> AsyncGenerator[ProbingService, None]:
    """Open the accounts that are set up, for looking at them."""
    async with AsyncExitStack() as stack:
        vendors = Vendors(settings, stack)
        yield ProbingService(
            [_renderer(settings), *_vendors(settings, vendors)], settings.public_url, _render
        )


def _renderer(settings: Settings) -> Subject:
    models = [able for (provider, _), able in read_catalogue().items() if provider == "embedded"]
    return Subject(
        "embedded", "embedded", None, None, "", tuple(models), _lane(settings, "embedded", cores())
    )


def _vendors(settings: Settings, vendors: Vendors) -> Sequence[Subject]:
    capabilities = vendors.capabilities()
    table = vendors.connect()
    return [
        Subject(
            name=name,
            wire=given.wire,
            address=vendors.address_of(name),
            key_hint=None if given.key is None else _hint(given.key),
            key_env=given.key_env,
            models=tuple(able for (provider, _), able in capabilities.items() if provider == name),
            lane=_lane(settings, name, VENDOR_SLOTS),
            api=table[name],
        )
        for name, given in settings.providers.items()
    ]


def _hint(key: str) -> str:
    """Return the last characters of a key that is long enough to give some away."""
    return hint_of(key) if len(key) >= _LONG_KEY else "****"


def _lane(settings: Settings, name: str, usual: int) -> Lane:
    return Lane(name, settings.lanes.get(name, usual), settings.per_minute.get(name))


async def _render() -> str:
    """Have the renderer make a small film, and play it."""
    pool = ChildPool(RENDERER, 1, memory_limit=RENDERER_MEMORY)
    try:
        with tempfile.TemporaryDirectory(prefix="filmgate-") as folder:
            film = Path(folder) / "film.mp4"
            await pool.run({**_SAMPLE, "image": None, "fps": 24, "output": str(film)})
            async with open_projector() as play:
                seconds = await play(film)
    finally:
        await pool.close()
    return f"a film of {seconds:.1f} s was made and plays"
