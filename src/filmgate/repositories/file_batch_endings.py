"""Keep how batches end that were asked for as files: too late, cancelled, or with what was written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from filmgate.domain.file import File
from filmgate.domain.file_batch import Line, Refusal
from filmgate.domain.video import VideoError
from filmgate.infrastructure.database import Database, Record, changed
from filmgate.repositories.files import FileRepository
from filmgate.repositories.videos import written_error

_refusal = msgspec.json.Decoder(Refusal).decode

_EXPIRED_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Written:
    """How many lines were written, and the file that they are in; None where there are none."""

    file: File | None
    lines: int


class FileBatchEndings:
    """Read what there is to be written of batches, and end them."""

    def __init__(self, database: Database, files: FileRepository) -> None:
        self._database = database
        self._files = files

    async def expire(self, batch_id: str, error: VideoError) -> int:
        """Fail those videos of an overdue batch that still wait; return how many were left waiting by then.

        What was sent is paid for, so that is left to end by itself.
        """
        await self._database.execute(
            """
            UPDATE file_batches SET status = 'finalizing', finalizing_at = now()
            WHERE id = $1 AND status = 'in_progress'
            """,
            batch_id,
        )
        failed = 0
        while True:
            async with self._database.transaction() as session:
                rows = await session.fetch(
                    """
                    SELECT id, price_micros > 0 AS priced FROM videos
                    WHERE batch_id = $1 AND status = 'queued'
                    ORDER BY id LIMIT $2 FOR NO KEY UPDATE
                    """,
                    batch_id,
                    _EXPIRED_AT_ONCE,
                )
                priced = [row["id"] for row in rows if row["priced"]]
                if priced:
                    # All in one go: left to the end of each, they would take turns at one budget.
                    await session.execute("SELECT settle_holds($1::text[])", priced)
                await session.execute(
                    """
                    UPDATE videos SET status = 'failed', error = $2::text::jsonb, completed_at = now()
                    WHERE id = ANY($1::text[])
                    """,
                    [row["id"] for row in rows],
                    written_error(error),
                )
            failed += len(rows)
            if len(rows) < _EXPIRED_AT_ONCE:
                return failed

    async def has_open(self, batch_id: str) -> bool:
        """Tell whether any video of a batch may still change."""
        return await self._database.value(
            """
            SELECT EXISTS (SELECT 1 FROM videos
                           WHERE batch_id = $1 AND status IN ('queued', 'in_progress'))
            """,
            batch_id,
        )

    async def lines(self, batch_id: str, after: int, limit: int) -> Sequence[Line]:
        """Return up to ``limit`` lines of a batch from behind the number ``after``, in order."""
        rows = await self._database.fetch(
            """
            SELECT line, custom_id, video_id, refusal FROM file_batch_lines
            WHERE batch_id = $1 AND line > $2 ORDER BY line LIMIT $3
            """,
            batch_id,
            after,
            limit,
        )
        return [_line_of(row) for row in rows]

    async def name_files(self, batch_id: str, output_id: str, error_id: str) -> tuple[str, str] | None:
        """Choose the ids of the files to be written, once; return those chosen, None where it has ended."""
        row = await self._database.row(
            """
            UPDATE file_batches
            SET status = CASE status WHEN 'in_progress' THEN 'finalizing' ELSE status END,
                finalizing_at = CASE status WHEN 'in_progress' THEN now() ELSE finalizing_at END,
                output_file_id = coalesce(output_file_id, $2), error_file_id = coalesce(error_file_id, $3)
            WHERE id = $1 AND status IN ('in_progress', 'finalizing', 'cancelling')
            RETURNING output_file_id, error_file_id
            """,
            batch_id,
            output_id,
            error_id,
        )
        return None if row is None else (row["output_file_id"], row["error_file_id"])

    async def announce(self, file: File) -> None:
        """Write down that the bytes of a file of ours are about to be stored; harmless when repeated."""
        await self._files.announce(file)

    async def finish(self, batch_id: str, output: Written, errors: Written, *, expired: bool) -> bool:
        """End a batch with what was written for it; tell whether it still was open."""
        async with self._database.transaction() as session:
            tag = await session.execute(
                """
                UPDATE file_batches
                SET status = CASE WHEN status = 'cancelling' THEN 'cancelled'
                                  WHEN $6 THEN 'expired' ELSE 'completed' END,
                    cancelled_at = CASE WHEN status = 'cancelling' THEN now() END,
                    expired_at = CASE WHEN status <> 'cancelling' AND $6 THEN now() END,
                    completed_at = CASE WHEN status <> 'cancelling' AND NOT $6 THEN now() END,
                    output_file_id = $2, completed = $3, error_file_id = $4, failed = $5
                WHERE id = $1 AND status IN ('finalizing', 'cancelling')
                """,
                batch_id,
                None if output.file is None else output.file.id,
                output.lines,
                None if errors.file is None else errors.file.id,
                errors.lines,
                expired,
            )
            if changed(tag) == 0:
                return False
            for file in (output.file, errors.file):
                if file is not None:
                    await self._files.insert_kept(file, session)
        return True


def _line_of(row: Record) -> Line:
    refusal = None if row["refusal"] is None else _refusal(row["refusal"])
    return Line(row["line"], row["custom_id"], row["video_id"], refusal)
