"""Bring finished films home: store, hash, check and only then call a video completed."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import structlog

from filmgate.domain.asset import AssetStore
from filmgate.domain.attempt import Attempt, AttemptState
from filmgate.domain.errors import MediaUnreadable
from filmgate.domain.provider import Provider
from filmgate.domain.video import VARIANT_FILES, Variant, Video, VideoError, VideoResult, VideoStatus
from filmgate.infrastructure.media import Media, Probe
from filmgate.infrastructure.storage import fingerprint
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.videos import job_of

_log = structlog.get_logger(__name__)

MAX_COLLECTS = 24
# A film may be this much longer or shorter than asked: codecs round to frames, vendors to their own steps.
_TOLERANCE_SECONDS = 0.5
_TOLERANCE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class _Files:
    """The three files of one film while they are being made."""

    video: Path
    thumbnail: Path
    spritesheet: Path

    def of(self, variant: Variant) -> Path:
        """Return the file of one variant."""
        return {
            Variant.VIDEO: self.video,
            Variant.THUMBNAIL: self.thumbnail,
            Variant.SPRITESHEET: self.spritesheet,
        }[variant]

    def remove(self) -> None:
        """Remove what is left of them."""
        for variant in Variant:
            with suppress(OSError):
                self.of(variant).unlink(missing_ok=True)


class CollectingService:
    """Hold the verb that collects."""

    def __init__(
        self,
        videos: VideoRepository,
        attempts: AttemptRepository,
        providers: Mapping[str, Provider],
        media: Media,
        store: AssetStore,
        wake: Callable[[], None],
    ) -> None:
        self._videos = videos
        self._attempts = attempts
        self._providers = providers
        self._media = media
        self._store = store
        self._wake = wake

    async def collect(self, attempt_id: str) -> None:
        """Collect one finished film; done already, or no longer wanted, there is nothing to do."""
        attempt = await self._attempts.get(attempt_id)
        if attempt is None or attempt.state is not AttemptState.SUCCEEDED:
            return
        video = await self._videos.get(attempt.video_id)
        if video is None:
            return
        if video.status is VideoStatus.IN_PROGRESS:
            if await self._attempts.begin_collect(attempt_id) > MAX_COLLECTS:
                await self.give_up(attempt_id, f"it could not be stored in {MAX_COLLECTS} tries")
                return
            await self._bring_home(video, attempt)
        await self._forget(attempt)
        self._wake()

    async def give_up(self, attempt_id: str, reason: str) -> None:
        """Fail a video whose film exists but cannot be brought home; it is never made a second time."""
        attempt = await self._attempts.get(attempt_id)
        if attempt is not None:
            message = f"The film was made, but {reason}."
            await self._videos.fail(attempt.video_id, VideoError("output_lost", message, charged=None))
            self._wake()

    async def _bring_home(self, video: Video, attempt: Attempt) -> None:
        # A worker that was thought dead may be collecting the same film: never in the same files.
        stem = self._store.workspace() / f"{attempt.id}.{token_hex(4)}"
        files = _Files(
            stem.with_name(f"{stem.name}.mp4"),
            stem.with_name(f"{stem.name}.thumbnail.webp"),
            stem.with_name(f"{stem.name}.spritesheet.webp"),
        )
        try:
            await self._providers[attempt.provider].download(job_of(attempt), files.video)
            probe = await self._media.develop(files.video, files.thumbnail, files.spritesheet)
            check_length(probe, video.request.seconds)
            await self._keep(video, attempt, files, probe)
        except MediaUnreadable as error:
            _log.warning("film_refused", video=video.id, attempt=attempt.id, reason=str(error))
            message = f"{attempt.provider} delivered a file that is not the film: {error}."
            await self._videos.fail(video.id, VideoError("output_invalid", message, charged=None))
        finally:
            await asyncio.to_thread(files.remove)

    async def _keep(self, video: Video, attempt: Attempt, files: _Files, probe: Probe) -> None:
        prefix = f"videos/{video.id}/{attempt.id}"
        film = await fingerprint(files.video)
        result = VideoResult(
            asset=prefix,
            seconds=round(probe.seconds, 3),
            width=probe.width,
            height=probe.height,
            fps=round(probe.fps, 3),
            video_codec=probe.video_codec,
            audio_codec=probe.audio_codec,
            size_bytes=film.size,
            sha256=film.sha256,
            thumbnail_bytes=files.thumbnail.stat().st_size,
            spritesheet_bytes=files.spritesheet.stat().st_size,
        )
        for variant in Variant:
            await self._store.put(f"{prefix}/{VARIANT_FILES[variant]}", files.of(variant))
        if not await self._videos.complete(video.id, result):
            # Cancelled meanwhile, or completed by another try whose files these then are.
            await self._drop_unless_completed(video.id, prefix)

    async def _drop_unless_completed(self, video_id: str, prefix: str) -> None:
        video = await self._videos.get(video_id)
        if video is None or video.status is not VideoStatus.COMPLETED:
            for variant in Variant:
                await self._store.delete(f"{prefix}/{VARIANT_FILES[variant]}")

    async def _forget(self, attempt: Attempt) -> None:
        try:
            await self._providers[attempt.provider].forget(job_of(attempt))
        except Exception as error:  # noqa: BLE001 - the film is home; what the provider keeps costs nothing
            _log.warning("forget_failed", attempt=attempt.id, reason=str(error) or type(error).__name__)


def check_length(probe: Probe, seconds: float) -> None:
    """Refuse a film whose length does not fit what was asked."""
    if abs(probe.seconds - seconds) > max(_TOLERANCE_SECONDS, seconds * _TOLERANCE_SHARE):
        raise MediaUnreadable(f"it is {probe.seconds:.2f} s long where {seconds:g} s were asked")
