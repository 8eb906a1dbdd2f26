"""Put the film that an extension continues in front of its new part."""

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog

from filmgate.domain.asset import AssetMissing, AssetStore
from filmgate.domain.video import Video
from filmgate.infrastructure.media import Media
from filmgate.infrastructure.storage import receive

_log = structlog.get_logger(__name__)

_MAX_FILM_BYTES = 4 * 1024**3
COPIED = "joined packet by packet, nothing was encoded anew"


class Stitching:
    """Join films; nothing is changed but the file of the new part, so it may be done again at any time."""

    def __init__(self, media: Media, store: AssetStore) -> None:
        self._media = media
        self._store = store

    async def join(self, film: str, part: Path) -> str:
        """Put a stored film in front of the part in a file, in that file; return in words how it was done."""
        if await self._store.stat(film) is None:
            raise AssetMissing("the film that it continues is no longer in the store")
        before = self._store.path(film)
        fetched = part.with_name(f"{part.name}.before")
        whole = part.with_name(f"{part.name}.whole")
        try:
            if before is None:
                await receive(self._store.stream(film), fetched, _MAX_FILM_BYTES)
                before = fetched
            obstacle = await self._media.stitch(before, part, whole)
            await asyncio.to_thread(whole.replace, part)
        finally:
            await asyncio.to_thread(_remove, fetched, whole)
        return COPIED if obstacle is None else f"joined and encoded anew: {obstacle}"

    async def forget(self, video: Video) -> None:
        """Remove the film that was kept for an extension, now that it is part of it."""
        if video.origin is None or video.origin.film is None:
            return
        try:
            await self._store.delete(video.origin.film)
        except Exception as error:  # noqa: BLE001 - the film is home; what is left over costs only room
            _log.warning("source_not_removed", video=video.id, reason=str(error) or type(error).__name__)


def _remove(*paths: Path) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)
