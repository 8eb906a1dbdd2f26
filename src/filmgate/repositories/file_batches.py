"""Keep batches that were asked for as files; every change names the statuses it starts from."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from filmgate.domain.batch import Batch
from filmgate.domain.file_batch import FileBatch, FileBatchStatus, FileFault, Line
from filmgate.domain.video import Video
from filmgate.infrastructure.database import Database, Record, Session, changed
from filmgate.infrastructure.queue import Step, enqueue
from filmgate.repositories.batches import BatchRepository

_encode = msgspec.json.Encoder().encode
_faults = msgspec.json.Decoder(tuple[FileFault, ...]).decode
_texts = msgspec.json.Decoder(dict[str, str]).decode

_LINES_AT_ONCE: Final = 10_000
_NUL: Final = rb"\u0000"
_REPLACED: Final = rb"\ufffd"


class FileBatchRepository:
    """Read and change batches that were asked for as files."""

    def __init__(self, database: Database, batches: BatchRepository) -> None:
        self._database = database
        self._batches = batches

    async def insert(self, batch: FileBatch, session: Session | None = None) -> None:
        """Insert a batch whose file is still to be validated, with that step; harmless when repeated."""
        if session is None:
            async with self._database.transaction() as own:
                return await self.insert(batch, own)
        tag = await session.execute(
            """
            INSERT INTO file_batches (
                id, project, key_id, status, endpoint, input_file_id, completion_window, metadata,
                output_life, created_at, expires_at)
            VALUES ($1, $2, $3, 'validating', $4, $5, $6, $7::text::jsonb, $8, $9, $10)
            ON CONFLICT (id) DO NOTHING
            """,
            batch.id,
            batch.project,
            batch.key_id,
            batch.endpoint,
            batch.input_file_id,
            batch.completion_window,
            None if batch.metadata is None else _encode(batch.metadata).decode(),
            batch.output_life,
            batch.created_at,
            batch.expires_at,
        )
        if changed(tag):
            await enqueue(session, Step.FILE_BATCH, [batch.id])
        return None

    async def get(self, project: str, batch_id: str) -> FileBatch | None:
        """Return one batch of a project."""
        batches = await self._select(project, batch_id, None, 1)
        return batches[0] if batches else None

    async def find(self, batch_id: str) -> FileBatch | None:
        """Return one batch, whoever it belongs to."""
        batches = await self._select(None, batch_id, None, 1)
        return batches[0] if batches else None

    async def list(self, project: str, before: str | None, limit: int) -> Sequence[FileBatch]:
        """Return up to ``limit`` batches of a project, newest first, from below the id ``before``."""
        return await self._select(project, None, before, limit)

    async def _select(
        self, project: str | None, batch_id: str | None, before: str | None, limit: int
    ) -> Sequence[FileBatch]:
        rows = await self._database.fetch(
            """
            WITH page AS (
                SELECT id, project, key_id, status, endpoint, input_file_id, completion_window, metadata,
                       output_life, model, total, completed, failed, errors, output_file_id, error_file_id,
                       created_at, expires_at, in_progress_at, finalizing_at, completed_at, failed_at,
                       expired_at, cancelling_at, cancelled_at
                FROM file_batches
                WHERE ($1::text IS NULL OR project = $1) AND ($2::text IS NULL OR id = $2)
                  AND ($3::text IS NULL OR id < $3)
                ORDER BY id DESC LIMIT $4
            )
            SELECT p.*, c.done, c.lost, r.refused
            FROM page p,
            -- Only while a batch is open: afterwards its own figures stand.
            LATERAL (SELECT count(*) FILTER (WHERE v.status = 'completed') AS done,
                            count(*) FILTER (WHERE v.status IN ('failed', 'cancelled')) AS lost
                     FROM videos v WHERE v.batch_id = p.id AND p.completed IS NULL) AS c,
            LATERAL (SELECT count(*) AS refused FROM file_batch_lines l
                     WHERE l.batch_id = p.id AND l.video_id IS NULL AND p.completed IS NULL) AS r
            ORDER BY p.id DESC
            """,
            project,
            batch_id,
            before,
            limit,
        )
        return [_batch_of(row) for row in rows]

    async def fail(self, batch_id: str, faults: Sequence[FileFault]) -> bool:
        """Fail a batch of which nothing has been made; tell whether it still was to be validated."""
        tag = await self._database.execute(
            """
            UPDATE file_batches SET status = 'failed', failed_at = now(), errors = $2::text::jsonb
            WHERE id = $1 AND status = 'validating'
            """,
            batch_id,
            _written(faults),
        )
        return changed(tag) == 1

    async def start(
        self, batch: FileBatch, lines: Sequence[Line], made: Batch, videos: Sequence[Video]
    ) -> bool:
        """Insert all of a batch's videos and lines, or nothing; tell whether it still was to be started.

        Raises BudgetExceeded if all of them together cost more than may be spent.
        """
        async with self._database.transaction() as session:
            tag = await session.execute(
                """
                UPDATE file_batches SET status = 'in_progress', in_progress_at = now(), total = $2, model = $3
                WHERE id = $1 AND status = 'validating'
                """,
                batch.id,
                len(lines),
                batch.model,
            )
            if changed(tag) == 0:
                return False
            if videos:
                await self._batches.insert(made, batch.key_id, videos, session)
            for first in range(0, len(lines), _LINES_AT_ONCE):
                await _insert_lines(session, batch.id, lines[first : first + _LINES_AT_ONCE])
        return True

    async def existing(self, video_ids: Sequence[str]) -> set[str]:
        """Return those of these videos that are in the database."""
        rows = await self._database.fetch("SELECT id FROM videos WHERE id = ANY($1::text[])", list(video_ids))
        return {row["id"] for row in rows}

    async def cancel(self, project: str, batch_id: str) -> bool:
        """Have a batch cancelled that has not ended; tell whether this call did it."""
        async with self._database.transaction() as session:
            tag = await session.execute(
                """
                UPDATE file_batches SET status = 'cancelling', cancelling_at = now()
                WHERE id = $2 AND project = $1 AND status IN ('validating', 'in_progress', 'finalizing')
                """,
                project,
                batch_id,
            )
            if changed(tag):
                await enqueue(session, Step.FILE_BATCH, [batch_id])
        return changed(tag) == 1

    async def enqueue_due(self) -> int:
        """Enqueue the step of every batch that has something to be done; return how many there are."""
        async with self._database.transaction() as session:
            rows = await session.fetch(
                """
                -- Also what was enqueued before: while a step runs, another for the same batch is left out.
                SELECT f.id FROM file_batches f
                WHERE f.status IN ('validating', 'cancelling')
                   OR f.status IN ('in_progress', 'finalizing') AND (
                    NOT EXISTS (SELECT 1 FROM videos v
                                WHERE v.batch_id = f.id AND v.status IN ('queued', 'in_progress'))
                    OR f.expires_at <= now()
                    AND EXISTS (SELECT 1 FROM videos v WHERE v.batch_id = f.id AND v.status = 'queued'))
                """
            )
            await enqueue(session, Step.FILE_BATCH, [row["id"] for row in rows])
        return len(rows)


async def _insert_lines(session: Session, batch_id: str, lines: Sequence[Line]) -> None:
    await session.execute(
        """
        INSERT INTO file_batch_lines (batch_id, line, custom_id, video_id, refusal)
        SELECT $1, n.number, n.custom_id, n.video_id, n.refusal
        FROM json_to_recordset($2::text::json)
            AS n (number integer, custom_id text, video_id text, refusal jsonb)
        ON CONFLICT (batch_id, line) DO NOTHING
        """,
        batch_id,
        _written(lines),
    )


def _written(said: Any) -> str:
    # PostgreSQL keeps U+0000 in no text; what clients write may be quoted here.
    return _encode(said).replace(_NUL, _REPLACED).decode()


def _batch_of(row: Record) -> FileBatch:
    status = FileBatchStatus(row["status"])
    counted = row["completed"] is not None
    return FileBatch(
        id=row["id"],
        project=row["project"],
        key_id=row["key_id"],
        status=status,
        input_file_id=row["input_file_id"],
        completion_window=row["completion_window"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        endpoint=row["endpoint"],
        metadata=None if row["metadata"] is None else _texts(row["metadata"]),
        output_life=row["output_life"],
        model=row["model"],
        total=row["total"],
        completed=row["completed"] if counted else row["done"],
        failed=row["failed"] if counted else row["lost"] + row["refused"],
        errors=() if row["errors"] is None else _faults(row["errors"]),
        # Before the end they are only names that were chosen.
        output_file_id=row["output_file_id"] if status.ended else None,
        error_file_id=row["error_file_id"] if status.ended else None,
        in_progress_at=row["in_progress_at"],
        finalizing_at=row["finalizing_at"],
        completed_at=row["completed_at"],
        failed_at=row["failed_at"],
        expired_at=row["expired_at"],
        cancelling_at=row["cancelling_at"],
        cancelled_at=row["cancelled_at"],
    )
