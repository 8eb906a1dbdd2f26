"""Keep the files of clients: upload, show, list, hand out, delete, and clear away what has expired."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from filmgate.domain.asset import AssetStore
from filmgate.domain.errors import FieldProblem, InvalidRequest, NotFound, ResultGone
from filmgate.domain.file import BATCH_LIFE, File, Purpose, read_purpose, tidy_filename
from filmgate.domain.idempotency import First
from filmgate.domain.ids import is_id, new_id
from filmgate.domain.key import Key
from filmgate.infrastructure.database import Session
from filmgate.repositories.files import FileRepository
from filmgate.services.asked import Content, Page
from filmgate.services.commit import create_surely
from filmgate.services.idempotency import Creation
from filmgate.services.uploads import Upload

_JSON_LINES = "application/jsonl"
_ANYTHING = "application/octet-stream"
# Between the note that a file arrives and its bytes lies one rename, or a copy to another disk.
_ARRIVING = timedelta(hours=1)
_CLEARED_AT_ONCE = 500
_SHOWN_BYTES = 20 * 1024**2
_ADVICE = "Look at the list of your files before you upload it again."


@dataclass(frozen=True, slots=True)
class AskedFile:
    """An upload as the client wrote it; ``life`` None leaves it to us how long it is kept."""

    upload: Upload
    purpose: str
    life: timedelta | None = None


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """The bytes of one file, for whoever makes something of them."""

    filename: str
    media_type: str
    data: bytes


class FileService:
    """Hold the verbs for files."""

    def __init__(self, files: FileRepository, store: AssetStore) -> None:
        self._files = files
        self._store = store

    async def create(self, key: Key, asked: AskedFile) -> File:
        """Keep an upload: when this returns, its bytes and what is known of them are on disk."""
        file = await self._take_in(key, asked)
        await create_surely(partial(self._keep, file), _ADVICE, again=False)
        return file

    def creation(self, key: Key, asked: AskedFile) -> Creation[File]:
        """Return the steps of ``create``, to be carried out once however often they are asked for."""
        upload = asked.upload

        async def insert(file: File, session: Session) -> None:
            await self._keep(file, session)

        async def load(first: First) -> File:
            return await self.get(key, first.subject)

        return Creation(
            asked=(asked.purpose, upload.filename, upload.sha256, asked.life and asked.life.total_seconds()),
            accept=partial(self._take_in, key, asked),
            insert=insert,
            announce=lambda: None,
            first=lambda file: First(file.id),
            load=load,
        )

    async def _take_in(self, key: Key, asked: AskedFile) -> File:
        purpose, upload = read_purpose(asked.purpose), asked.upload
        now = datetime.now(UTC)
        life = asked.life or (BATCH_LIFE if purpose is Purpose.BATCH else None)
        file = File(
            id=new_id("file"),
            project=key.project,
            purpose=purpose,
            filename=tidy_filename(upload.filename),
            media_type=upload.media_type or (_JSON_LINES if purpose is Purpose.BATCH else _ANYTHING),
            size=upload.size,
            sha256=upload.sha256,
            created_at=now,
            expires_at=None if life is None else now + life,
        )
        await self._files.announce(file)
        await self._store.put(file.asset, upload.path)
        return file

    async def _keep(self, file: File, session: Session | None = None) -> None:
        if not await self._files.keep(file, session):
            raise ResultGone(f"The file {file.id} took so long to arrive that it was cleared away.")

    async def get(self, key: Key, file_id: str) -> File:
        """Return a file of the key's project."""
        # Only what we could have made goes to the database: nothing else can be there.
        file = await self._files.get(key.project, file_id) if is_id(file_id, "file") else None
        if file is None:
            raise NotFound("file", file_id[:64])
        return file

    async def list(
        self, key: Key, purpose: str | None, after: str | None, limit: int, *, oldest_first: bool
    ) -> Page[File]:
        """Return one page of the project's files."""
        found = await self._files.list(key.project, purpose, after, limit + 1, oldest_first=oldest_first)
        more = len(found) > limit
        return Page(tuple(found[:limit]), found[limit - 1].id if more and limit else None)

    async def open(self, key: Key, file_id: str, limit: int = _SHOWN_BYTES) -> OpenedFile:
        """Return the bytes of a file of at most ``limit`` bytes, or raise NotFound or InvalidRequest."""
        file = await self.get(key, file_id)
        if file.size > limit:
            message = f"The file {file_id} has {file.size:,} bytes; {limit:,} is the limit here."
            raise InvalidRequest([FieldProblem("file_id", message, "too_large", "Upload a smaller one.")])
        data = b"".join([chunk async for chunk in self._store.stream(file.asset)])
        return OpenedFile(file.filename, file.media_type, data)

    async def content(self, key: Key, file_id: str) -> Content:
        """Return a file, to be served whole or in part."""
        file = await self.get(key, file_id)
        path: Path | None = self._store.path(file.asset)
        if await self._store.stat(file.asset) is None:
            raise ResultGone(f"The bytes of {file_id} are no longer in the store.")
        return Content(
            size=file.size,
            etag=file.sha256[:32],
            media_type=file.media_type,
            filename=file.filename,
            modified_at=file.created_at,
            path=path,
            asset=file.asset,
        )

    def stream(self, content: Content, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes of a file from ``start`` up to but not including ``stop``."""
        return self._store.stream(content.asset, start, stop)

    async def delete(self, key: Key, file_id: str) -> None:
        """Remove a file and its bytes."""
        await self.get(key, file_id)
        file = await self._files.discard(key.project, file_id)
        if file is not None:
            await self._remove(file)

    async def clear(self) -> None:
        """Remove what has expired, and what a crash has left half there; harmless at any time."""
        await self._files.expire()
        while astray := await self._files.astray(_ARRIVING, _CLEARED_AT_ONCE):
            for file in astray:
                await self._remove(file)

    async def _remove(self, file: File) -> None:
        await self._store.delete(file.asset)
        await self._files.forget(file.id)
