"""Bring finished films home: store, hash, check and only then call a video completed.

A film is fetched up to five times, each time from the address that its provider then gives. After the fifth
the video fails: ``asset_invalid`` where a file came that is not the film, ``asset_lost`` where none could be
had. Trouble of our own, such as a full disk, is waited out and does not count. What is wrong with a film is
judged in :mod:`filmgate.services.judging`; it is never made a second time.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import structlog

from filmgate.domain.asset import AssetStore, AssetTooLarge
from filmgate.domain.attempt import Attempt, AttemptState
from filmgate.domain.errors import DatabaseUnavailable, MediaUnreadable, StorageUnavailable
from filmgate.domain.money import FREE
from filmgate.domain.provider import Provider
from filmgate.domain.video import VARIANT_FILES, Variant, Video, VideoError, VideoResult, VideoStatus
from filmgate.infrastructure.children import ChildPoolClosed
from filmgate.infrastructure.http import DownloadRefused, NotNow, WireTrouble
from filmgate.infrastructure.media import Media, Probe
from filmgate.infrastructure.queue import Postponed
from filmgate.infrastructure.storage import fingerprint
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.videos import VideoRepository
from filmgate.services.judging import check_film, check_length
from filmgate.services.stitching import Stitching
from filmgate.services.videos import job_of

_log = structlog.get_logger(__name__)

MAX_FETCHES = 5
# Between the fetches. A wrong file rarely becomes the right one; a host that is away comes back within the
# hour, which is how long the shortest-lived addresses of films hold.
PAUSES_WRONG = (1.0, 3.0, 10.0, 30.0)
PAUSES_MISSING = (2.0, 20.0, 90.0, 3000.0)
# A disk that is full, or a provider that the operator has taken out of the settings.
_TROUBLE = timedelta(seconds=30)
# For so long a provider may be away before it counts as one that has lost the film.
_AWAY = timedelta(days=1)
# What was delivered is not the film; whatever else goes wrong, the film could not be had.
_WRONG = (MediaUnreadable, AssetTooLarge)
_FORESEEN = (DownloadRefused, WireTrouble, ConnectionError, TimeoutError, FileNotFoundError)


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
        self._stitching = Stitching(media, store)
        self._wake = wake
        self.pauses: tuple[Sequence[float], Sequence[float]] = (PAUSES_WRONG, PAUSES_MISSING)

    async def collect(self, attempt_id: str) -> None:
        """Collect one finished film; done already, or no longer wanted, there is nothing to do.

        Raises Postponed where the film is to be fetched again later.
        """
        attempt = await self._attempts.get(attempt_id)
        if attempt is None or attempt.state is not AttemptState.SUCCEEDED:
            return
        video = await self._videos.get(attempt.video_id)
        if video is None or video.status is VideoStatus.FAILED:
            # What the provider keeps of a film that we could not have is evidence.
            return
        if attempt.provider not in self._providers:
            _log.error("provider_missing", provider=attempt.provider, video=video.id)
            raise Postponed(f"{attempt.provider} is no longer set up; its film waits there", _TROUBLE)
        if video.status is VideoStatus.IN_PROGRESS and not await self._brought_home(video, attempt):
            return
        await self._forget(attempt)
        await self._stitching.forget(video)
        self._wake()

    async def give_up(self, attempt_id: str, reason: str) -> None:
        """Fail a video whose film exists but cannot be brought home; it is never made a second time."""
        attempt = await self._attempts.get(attempt_id)
        if attempt is not None:
            message = f"The film was made, but {reason}."
            await self._fail(
                attempt, VideoError("asset_lost", message, charged=None, action=_advice(attempt))
            )

    async def _brought_home(self, video: Video, attempt: Attempt) -> bool:
        """Fetch, check and store a film; tell whether that is done, or the video has failed instead."""
        try:
            await self._bring_home(video, attempt)
        except (DatabaseUnavailable, ChildPoolClosed):
            raise
        except StorageUnavailable as error:
            raise Postponed(f"the film cannot be stored now: {error}", _TROUBLE) from error
        except NotNow as error:
            if not _is_recent(attempt):
                await self._missed(attempt, error)
                return False
            raise Postponed(
                f"{attempt.provider} cannot be asked where its film is: {error}", _TROUBLE
            ) from error
        except Exception as error:  # noqa: BLE001 - whatever it is, a film that is paid for is asked for again
            await self._missed(attempt, error)
            return False
        return True

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
            probe, joined = await self._looked_into(video, files), None
            if video.origin is not None and video.origin.film is not None:
                joined = await self._stitching.join(video.origin.film, files.video)
                probe = await self._media.develop(files.video, files.thumbnail, files.spritesheet)
                check_length(probe, video.seconds)
            await self._keep(video, attempt, files, (probe, joined))
        finally:
            await asyncio.to_thread(files.remove)

    async def _looked_into(self, video: Video, files: _Files) -> Probe:
        """Return what a file is; raise MediaUnreadable, with its fingerprint, where it is not the film."""
        try:
            probe = await self._media.develop(files.video, files.thumbnail, files.spritesheet)
            check_film(probe, video.request)
        except MediaUnreadable as error:
            delivered = await fingerprint(files.video)
            raise MediaUnreadable(
                f"{error} ({delivered.size} bytes, sha256 {delivered.sha256[:16]})"
            ) from error
        if probe.still:
            # A photograph can be what was asked for.
            _log.warning("film_stands_still", video=video.id)
        return probe

    async def _missed(self, attempt: Attempt, error: Exception) -> None:
        """Count a fetch that brought no film: ask again later, or fail the video after the last one."""
        wrong = isinstance(error, _WRONG)
        reason = str(error) or type(error).__name__
        times, cost = await self._attempts.missed(attempt.id, reason)
        _log.warning(
            "film_refused" if wrong else "film_missed",
            video=attempt.video_id,
            attempt=attempt.id,
            times=times,
            reason=reason,
            exc_info=None if wrong or isinstance(error, _FORESEEN) else error,
        )
        if times < MAX_FETCHES:
            pauses = self.pauses[0 if wrong else 1]
            raise Postponed(reason, timedelta(seconds=pauses[times - 1]))
        said = (
            f"{attempt.provider} delivered a file that is not the film: {reason}."
            if wrong
            else f"{attempt.provider} has made the film, but it could not be fetched: {reason}."
        )
        message = f"{said} It was fetched {times} times."
        code = "asset_invalid" if wrong else "asset_lost"
        # The provider says that it has made a film, so that is what it charges.
        await self._fail(attempt, VideoError(code, message, charged=cost > FREE, action=_advice(attempt)))

    async def _fail(self, attempt: Attempt, error: VideoError) -> None:
        await self._videos.fail(attempt.video_id, error)
        self._wake()

    async def _keep(
        self, video: Video, attempt: Attempt, files: _Files, told: tuple[Probe, str | None]
    ) -> None:
        probe, joined = told
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
            joined=joined,
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


def _advice(attempt: Attempt) -> str:
    """Say what can be done about a film that did not come home."""
    return (
        f"Ask {attempt.provider} about its job {attempt.provider_job_id}: for the film, or for the money. "
        "Asking for the video again makes, and costs, a new one."
    )


def _is_recent(attempt: Attempt) -> bool:
    return datetime.now(UTC) - (attempt.accepted_at or attempt.created_at) < _AWAY
