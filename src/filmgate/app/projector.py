"""Play films, for those who were handed one."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from filmgate.infrastructure.media import Media, media_pool


@asynccontextmanager
async def open_projector() -> AsyncGenerator[Callable[[Path], Awaitable[float]], None]:
    """Yield a check that plays a film to its end and returns its seconds, or raises MediaUnreadable."""
    pool = media_pool(1)
    media = Media(pool)

    async def play(film: Path) -> float:
        return (await media.probe(film)).seconds

    try:
        yield play
    finally:
        await pool.close()
