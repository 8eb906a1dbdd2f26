"""End batches that were asked for as files: at their window's end, on demand, or when all is made."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, Final

import msgspec
import structlog

from filmgate.domain.asset import AssetStore
from filmgate.domain.errors import NotFound
from filmgate.domain.file import MAX_FILE_BYTES, File, Purpose
from filmgate.domain.file_batch import (
    CANCELLED_CODE,
    EXPIRED_CODE,
    FileBatch,
    FileBatchStatus,
    Line,
)
from filmgate.domain.ids import new_id
from filmgate.domain.key import Key
from filmgate.domain.video import Video, VideoError, VideoStatus
from filmgate.infrastructure.storage import receive
from filmgate.repositories.file_batch_endings import FileBatchEndings, Written
from filmgate.repositories.videos import VideoRepository
from filmgate.services.batches import BatchService
from filmgate.services.validating import LineFace

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode

_LINES_AT_ONCE: Final = 500
# An answer may be longer than its request: the limit is only there because there has to be one.
_MOST_BYTES: Final = 20 * MAX_FILE_BYTES
_MEDIA_TYPE: Final = "application/jsonl"
_OK: Final = 200
_EXPIRED = VideoError(
    EXPIRED_CODE,
    "This request could not be executed before the completion window expired.",
    action="Send the lines of the error file again, as a new batch.",
)
_CANCELLED: Final = {"code": CANCELLED_CODE, "message": "The batch was cancelled before this was made."}


class _Shown(msgspec.Struct):
    """What the body of a video says of why it has failed."""

    error: dict[str, Any] | None = None


_shown = msgspec.json.Decoder(_Shown).decode


@dataclass(frozen=True, slots=True)
class _Tally:
    """What came of a batch: how many lines have a film, how many do not, whether any came too late."""

    output: int = 0
    errors: int = 0
    expired: bool = False


class FinishingService:
    """Write what came of a batch into files, once nothing of it can change any more."""

    def __init__(
        self,
        batches: FileBatchEndings,
        videos: VideoRepository,
        members: BatchService,
        store: AssetStore,
        face: LineFace,
        wake: Callable[[], None],
    ) -> None:
        self._batches = batches
        self._videos = videos
        self._members = members
        self._store = store
        self._face = face
        self._wake = wake

    async def advance(self, batch: FileBatch) -> None:
        """Do what there is to be done for a batch that has started; harmless when repeated."""
        if batch.status is FileBatchStatus.CANCELLING:
            await self._stop(batch)
        elif batch.expires_at <= datetime.now(UTC) and await self._batches.expire(batch.id, _EXPIRED):
            self._wake()
        if not await self._batches.has_open(batch.id):
            await self._write(batch)

    async def _stop(self, batch: FileBatch) -> None:
        try:
            await self._members.cancel(Key(batch.key_id, "", batch.project, ""), batch.id)
        except NotFound:
            # Cancelled before it was validated, or not one line of it was good.
            return

    async def _write(self, batch: FileBatch) -> None:
        names = await self._batches.name_files(batch.id, new_id("file"), new_id("file"))
        if names is None:
            return
        tally = _Tally()
        async for line, video in self._answered(batch):
            tally = _count(tally, line, video)
        output = await self._write_file(batch, names[0], tally.output, good=True)
        errors = await self._write_file(batch, names[1], tally.errors, good=False)
        if await self._batches.finish(batch.id, output, errors, expired=tally.expired):
            _log.info("file_batch_ended", batch=batch.id, completed=output.lines, failed=errors.lines)

    async def _write_file(self, batch: FileBatch, file_id: str, lines: int, *, good: bool) -> Written:
        if not lines:
            return Written(None, 0)
        # A name of its own: another worker may have taken this step over.
        path = self._store.workspace() / f"{file_id}-{token_hex(8)}.jsonl"
        received = await receive(self._written_lines(batch, good=good), path, _MOST_BYTES)
        now = datetime.now(UTC)
        file = File(
            id=file_id,
            project=batch.project,
            purpose=Purpose.BATCH_OUTPUT,
            filename=f"{batch.id}_{'output' if good else 'error'}.jsonl",
            media_type=_MEDIA_TYPE,
            size=received.size,
            sha256=received.sha256,
            created_at=now,
            expires_at=None if batch.output_life is None else now + batch.output_life,
        )
        await self._batches.announce(file)
        await self._store.put(file.asset, path)
        return Written(file, lines)

    async def _written_lines(self, batch: FileBatch, *, good: bool) -> AsyncIterator[bytes]:
        async for line, video in self._answered(batch):
            if _is_good(video) is good:
                yield _encode(self._answer(batch, line, video)) + b"\n"

    async def _answered(self, batch: FileBatch) -> AsyncIterator[tuple[Line, Video | None]]:
        """Yield every line with the video that it became."""
        last = 0
        while lines := await self._batches.lines(batch.id, last, _LINES_AT_ONCE):
            last = lines[-1].number
            ids = [line.video_id for line in lines if line.video_id is not None]
            videos = {video.id: video for video in await self._videos.get_many(ids) if video is not None}
            for line in lines:
                yield line, None if line.video_id is None else videos.get(line.video_id)

    def _answer(self, batch: FileBatch, line: Line, video: Video | None) -> Mapping[str, Any]:
        name = f"{batch.id.partition('_')[2]}{line.number:05}"
        response: Mapping[str, Any] | None = None
        error: Mapping[str, Any] | None = None
        if line.refusal is not None:
            status, body = line.refusal.status, {"error": line.refusal.error}
            response = {"status_code": status, "request_id": f"req_{name}", "body": body}
        elif video is None:
            error = {"code": "not_found", "message": "The video is no longer there."}
        else:
            error = _why_not_made(batch, video)
            if error is None:
                body = self._face.show(video)
                error = _shown(body).error
                response = {"status_code": _OK, "request_id": f"req_{name}", "body": msgspec.Raw(body)}
        return {"id": f"batch_req_{name}", "custom_id": line.custom_id, "response": response, "error": error}


def _is_good(video: Video | None) -> bool:
    return video is not None and video.status is VideoStatus.COMPLETED


def _why_not_made(batch: FileBatch, video: Video) -> Mapping[str, Any] | None:
    """Say why a video was not even tried; None where it was, and shows itself what became of it."""
    if video.error is not None and video.error.code == EXPIRED_CODE:
        return {"code": EXPIRED_CODE, "message": _EXPIRED.message}
    if video.status is VideoStatus.CANCELLED and batch.status is FileBatchStatus.CANCELLING:
        return _CANCELLED
    return None


def _count(tally: _Tally, line: Line, video: Video | None) -> _Tally:
    if _is_good(video):
        return _Tally(tally.output + 1, tally.errors, tally.expired)
    late = video is not None and video.error is not None and video.error.code == EXPIRED_CODE
    return _Tally(tally.output, tally.errors + 1, tally.expired or late)
