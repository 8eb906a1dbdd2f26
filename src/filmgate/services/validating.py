"""Make the videos of a batch from its input file: all of them in one transaction, or none."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from filmgate.domain.asset import AssetMissing, AssetStore
from filmgate.domain.batch import Batch
from filmgate.domain.errors import BudgetExceeded, FilmgateError, NotFound
from filmgate.domain.file import File
from filmgate.domain.file_batch import FileBatch, FileFault, Line, Refusal
from filmgate.domain.key import Key
from filmgate.domain.money import FREE
from filmgate.domain.video import Video, VideoStatus
from filmgate.repositories.file_batches import FileBatchRepository
from filmgate.services.acceptance import Acceptance
from filmgate.services.asked import AskedVideo
from filmgate.services.commit import commit_surely
from filmgate.services.file_lines import Inspector, LineRequest, LineTooLong, read_line, split_lines
from filmgate.services.files import FileService

_log = structlog.get_logger(__name__)

# Lines between two turns that everything else in this process gets.
_LINES_A_TURN: Final = 50
_SERVER_ERROR: Final = 500


class LineFace(Protocol):
    """Read and write the bodies of lines, as the endpoint does that they name."""

    async def read(self, key: Key, body: bytes) -> AskedVideo:
        """Return the video that a line asks for, or raise with what is wrong with it."""
        ...

    def refuse(self, error: FilmgateError) -> Refusal:
        """Return what the endpoint answers for an error."""
        ...

    def show(self, video: Video) -> bytes:
        """Return the body that the endpoint answers with for a video."""
        ...


@dataclass(slots=True)
class _Made:
    """What the lines of a file have become."""

    lines: list[Line] = field(default_factory=list[Line])
    videos: list[Video] = field(default_factory=list[Video])


class ValidatingService:
    """Look a whole file through before anything of it is made."""

    def __init__(
        self,
        batches: FileBatchRepository,
        files: FileService,
        acceptance: Acceptance,
        store: AssetStore,
        face: LineFace,
    ) -> None:
        self._batches = batches
        self._files = files
        self._acceptance = acceptance
        self._store = store
        self._face = face

    async def validate(self, batch: FileBatch) -> None:
        """Start a batch or fail it; harmless when repeated, for either is written down once."""
        key = Key(batch.key_id, "", batch.project, "")
        try:
            file = await self._files.get(key, batch.input_file_id)
            faults = await self._inspect(file)
        except (NotFound, AssetMissing):
            message = f"The input file {batch.input_file_id} was deleted, or it has expired."
            faults = (FileFault("input_file_not_found", message, param="input_file_id"),)
        else:
            if not faults:
                await self._start(key, batch, file)
                return
        await self._batches.fail(batch.id, faults)

    async def _inspect(self, file: File) -> Sequence[FileFault]:
        inspector = Inspector()
        try:
            async for number, line in self._lines(file):
                inspector.look(number, line)
                if inspector.has_seen_enough:
                    break
        except LineTooLong as error:
            return (FileFault("line_too_long", str(error), error.number),)
        return inspector.verdict()

    async def _lines(self, file: File) -> AsyncIterator[tuple[int, bytes]]:
        turn = 0
        async for number, line in split_lines(self._store.stream(file.asset)):
            yield number, line
            turn += 1
            if turn % _LINES_A_TURN == 0:
                await asyncio.sleep(0)

    async def _start(self, key: Key, batch: FileBatch, file: File) -> None:
        moment = datetime.now(UTC)
        made = await self._make_all(key, batch, file, moment)
        try:
            whole = _whole(batch, file, made.videos, moment)
            models = {video.model for video in made.videos}
            named = replace(batch, model=models.pop() if len(models) == 1 else None)
            started = await commit_surely(lambda: self._batches.start(named, made.lines, whole, made.videos))
        except BudgetExceeded as error:
            await self._batches.fail(batch.id, [FileFault("budget_exceeded", str(error))])
            started = False
        if not started:
            # Cancelled meanwhile, over budget, or started by another worker with images of its own.
            await self._discard(made.videos)
        _log.info("file_batch_validated", batch=batch.id, started=started, videos=len(made.videos))

    async def _make_all(self, key: Key, batch: FileBatch, file: File, moment: datetime) -> _Made:
        made = _Made()
        try:
            async for number, line in self._lines(file):
                request = read_line(number, line)
                if isinstance(request, LineRequest):
                    await self._make(key, batch, request, made, moment)
        except Exception:
            await self._discard(made.videos)
            raise
        return made

    async def _make(
        self, key: Key, batch: FileBatch, request: LineRequest, made: _Made, moment: datetime
    ) -> None:
        """Make a video of one line, or a refusal, which is its own affair."""
        number, name = request.number, request.custom_id
        try:
            asked = await self._face.read(key, request.body)
            place = (batch.id, len(made.videos))
            video = await self._acceptance.accept_line(key, asked, place, moment)
        except FilmgateError as error:
            refusal = self._face.refuse(error)
            if refusal.status >= _SERVER_ERROR:
                raise
            made.lines.append(Line(number, name, refusal=refusal))
        else:
            made.videos.append(video)
            made.lines.append(Line(number, name, video.id))

    async def _discard(self, videos: Sequence[Video]) -> None:
        kept = await self._batches.existing([video.id for video in videos])
        for video in videos:
            if video.request.input_reference is not None and video.id not in kept:
                await self._store.delete(video.request.input_reference)


def _whole(batch: FileBatch, file: File, videos: Sequence[Video], moment: datetime) -> Batch:
    return Batch(
        id=batch.id,
        project=batch.project,
        name=file.filename[:200],
        total=len(videos),
        counts={VideoStatus.QUEUED: len(videos)},
        created_at=moment,
        price=sum((video.price for video in videos), FREE),
    )
