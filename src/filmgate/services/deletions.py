"""Delete videos: their files for good, their row only from sight."""

from contextlib import suppress

from filmgate.domain.asset import AssetStore
from filmgate.domain.errors import NotFound, StorageUnavailable, VideoNotFinished
from filmgate.domain.key import Key
from filmgate.domain.video import Variant, Video
from filmgate.repositories.deletions import DeletionRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.asked import Page

_PURGE_AT_ONCE = 100


class DeletionService:
    """Hold the verbs that delete; harmless when repeated, in any number of processes."""

    def __init__(self, videos: VideoRepository, deletions: DeletionRepository, store: AssetStore) -> None:
        self._videos = videos
        self._deletions = deletions
        self._store = store

    async def delete(self, key: Key, video_id: str, *, again: bool = False) -> None:
        """Delete a video that has ended; one deleted before is not there, unless it is asked for again."""
        video = await self._videos.get(video_id)
        if video is None or video.project != key.project or (video.deleted_at is not None and not again):
            raise NotFound("video", video_id)
        if not video.status.final:
            raise VideoNotFinished(
                f"The video {video_id} is still in the making; only one that has ended can be deleted. "
                f"DELETE /api/v1/videos/{video_id} cancels it."
            )
        await self._deletions.delete(video_id)
        # Upkeep removes them later where the store cannot be reached now.
        with suppress(StorageUnavailable):
            await self._purge(video)

    async def page(self, key: Key, after: str | None, limit: int, *, oldest_first: bool) -> Page[Video]:
        """Return one page of the project's videos without those that are deleted."""
        ids = await self._deletions.page(key.project, after, limit + 1, ascending=oldest_first)
        found = await self._videos.get_many(ids[:limit])
        more = len(ids) > limit
        return Page(tuple(video for video in found if video is not None), ids[-1] if more else None)

    async def purge(self) -> None:
        """Remove the files of deleted videos that are still there."""
        for video in await self._videos.get_many(await self._deletions.unpurged(_PURGE_AT_ONCE)):
            if video is not None:
                await self._purge(video)

    async def _purge(self, video: Video) -> None:
        if video.result is not None:
            for variant in Variant:
                await self._store.delete(video.result.key(variant))
        if video.origin is not None and video.origin.film is not None:
            await self._store.delete(video.origin.film)
        image = video.request.input_reference
        if image is not None and image.startswith(f"references/{video.id}."):
            await self._store.delete(image)
        await self._deletions.purged(video.id)
