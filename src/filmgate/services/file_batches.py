"""Accept, show, list and cancel batches that are asked for as files, and carry them through."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from filmgate.domain.errors import FieldProblem, InvalidRequest, NotFound
from filmgate.domain.file import Purpose
from filmgate.domain.file_batch import (
    COMPLETION_WINDOWS,
    ENDPOINT,
    FileBatch,
    FileBatchStatus,
    FileFault,
)
from filmgate.domain.idempotency import First
from filmgate.domain.ids import is_id, new_id
from filmgate.domain.key import Key
from filmgate.infrastructure.database import Session
from filmgate.repositories.file_batches import FileBatchRepository
from filmgate.services.asked import Page
from filmgate.services.commit import create_surely
from filmgate.services.files import FileService
from filmgate.services.finishing import FinishingService
from filmgate.services.idempotency import Creation
from filmgate.services.validating import ValidatingService

_ADVICE = "Look at the list of your batches before you send it again."


@dataclass(frozen=True, slots=True)
class AskedFileBatch:
    """A batch as the client wrote it; ``output_life`` None keeps its output until it is deleted."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: Mapping[str, str] | None = None
    output_life: timedelta | None = None


class FileBatchService:
    """Hold the verbs that clients have for batches that are asked for as files."""

    def __init__(self, batches: FileBatchRepository, files: FileService) -> None:
        self._batches = batches
        self._files = files

    async def create(self, key: Key, asked: AskedFileBatch) -> FileBatch:
        """Accept a batch: when this returns it is on disk, and its file will be validated soon."""
        batch = await self._check(key, asked)
        await create_surely(lambda: self._batches.insert(batch), _ADVICE, again=False)
        return batch

    def creation(self, key: Key, asked: AskedFileBatch) -> Creation[FileBatch]:
        """Return the steps of ``create``, to be carried out once however often they are asked for."""
        return Creation(
            asked=asked,
            accept=partial(self._check, key, asked),
            insert=self._insert,
            announce=lambda: None,
            first=lambda batch: First(batch.id),
            load=partial(self._as_accepted, key),
        )

    async def _insert(self, batch: FileBatch, session: Session) -> None:
        await self._batches.insert(batch, session)

    async def _check(self, key: Key, asked: AskedFileBatch) -> FileBatch:
        problems = list(_check_words(asked))
        try:
            file = await self._files.get(key, asked.input_file_id)
        except NotFound as error:
            mend = "Upload the file with purpose batch, and give its id."
            problems.append(FieldProblem("input_file_id", str(error), "file_not_found", mend))
        else:
            if file.purpose is not Purpose.BATCH:
                message = f"The file {file.id} was uploaded for the purpose {file.purpose}, not batch."
                mend = "Upload it with purpose batch."
                problems.append(FieldProblem("input_file_id", message, "invalid_purpose", mend))
        if problems:
            raise InvalidRequest(problems)
        now = datetime.now(UTC)
        return FileBatch(
            id=new_id("batch"),
            project=key.project,
            key_id=key.id,
            status=FileBatchStatus.VALIDATING,
            input_file_id=asked.input_file_id,
            completion_window=asked.completion_window,
            created_at=now,
            expires_at=now + COMPLETION_WINDOWS[asked.completion_window],
            metadata=asked.metadata,
            output_life=asked.output_life,
        )

    async def _as_accepted(self, key: Key, first: First) -> FileBatch:
        batch = await self.get(key, first.subject)
        return FileBatch(
            id=batch.id,
            project=batch.project,
            key_id=batch.key_id,
            status=FileBatchStatus.VALIDATING,
            input_file_id=batch.input_file_id,
            completion_window=batch.completion_window,
            created_at=batch.created_at,
            expires_at=batch.expires_at,
            metadata=batch.metadata,
            output_life=batch.output_life,
        )

    async def get(self, key: Key, batch_id: str) -> FileBatch:
        """Return a batch of the key's project."""
        # Only what we could have made goes to the database: nothing else can be there.
        batch = await self._batches.get(key.project, batch_id) if is_id(batch_id, "batch") else None
        if batch is None:
            raise NotFound("batch", batch_id[:64])
        return batch

    async def list(self, key: Key, after: str | None, limit: int) -> Page[FileBatch]:
        """Return one page of the project's batches, newest first."""
        found = await self._batches.list(key.project, after, limit + 1)
        more = len(found) > limit
        return Page(tuple(found[:limit]), found[limit - 1].id if more else None)

    async def cancel(self, key: Key, batch_id: str) -> FileBatch:
        """Have a batch cancelled, soon and as a whole; harmless when repeated."""
        await self.get(key, batch_id)
        await self._batches.cancel(key.project, batch_id)
        batch = await self.get(key, batch_id)
        if batch.status.ended and batch.status is not FileBatchStatus.CANCELLED:
            message = f"The batch {batch_id} is {batch.status} already; nothing was changed."
            raise InvalidRequest([FieldProblem("batch_id", message, "batch_already_final")])
        return batch


class FileBatchSteps:
    """Carry batches through: validate their files, watch over them, write their output."""

    def __init__(
        self, batches: FileBatchRepository, validating: ValidatingService, finishing: FinishingService
    ) -> None:
        self._batches = batches
        self._validating = validating
        self._finishing = finishing

    async def advance(self, batch_id: str) -> None:
        """Do what there is to be done for a batch; harmless when repeated."""
        batch = await self._batches.find(batch_id)
        if batch is None or batch.status.ended:
            return
        if batch.status is FileBatchStatus.VALIDATING:
            await self._validating.validate(batch)
        else:
            await self._finishing.advance(batch)

    async def watch(self) -> None:
        """Have something done for every batch for which there is something to be done."""
        await self._batches.enqueue_due()

    async def give_up(self, batch_id: str, reason: str) -> None:
        """Fail a batch that could not be validated; one that has started is tried again later."""
        fault = FileFault("internal_error", f"The input file could not be validated: {reason}")
        await self._batches.fail(batch_id, [fault])


def _check_words(asked: AskedFileBatch) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    if asked.endpoint != ENDPOINT:
        message = f'"{asked.endpoint[:60]}" is no endpoint that batches can be made for here.'
        problems.append(FieldProblem("endpoint", message, "invalid_value", f"Give {ENDPOINT}.", (ENDPOINT,)))
    if asked.completion_window not in COMPLETION_WINDOWS:
        windows = tuple(COMPLETION_WINDOWS)
        message = f'"{asked.completion_window[:60]}" is no completion window.'
        mend = f"Give {' or '.join(windows)}."
        problems.append(FieldProblem("completion_window", message, "invalid_value", mend, windows))
    return problems
