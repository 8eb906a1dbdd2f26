"""Keep what is known of files; their bytes lie in the asset store.

A file's row is there before its bytes are, and goes after they have gone, so that no bytes are ever
forgotten. Only kept files are shown.
"""

from collections.abc import Sequence
from datetime import timedelta

from filmgate.domain.file import File, Purpose
from filmgate.infrastructure.database import Database, Record, Session, changed


class FileRepository:
    """Read and change files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def announce(self, file: File) -> None:
        """Write down that a file's bytes are about to be stored; harmless when repeated."""
        await _insert(self._database, file, "arriving")

    async def keep(self, file: File, session: Session | None = None) -> bool:
        """Show a file whose bytes are in the store; tell whether it could be, harmless when repeated."""
        tag = await (session or self._database).execute(
            "UPDATE files SET state = 'kept' WHERE id = $1 AND state IN ('arriving', 'kept')", file.id
        )
        return changed(tag) == 1

    async def insert_kept(self, file: File, session: Session) -> None:
        """Show a file whose bytes are in the store, as this one says, whatever was announced of it."""
        await _insert(session, file, "kept")

    async def get(self, project: str, file_id: str) -> File | None:
        """Return one file of a project."""
        row = await self._database.row(
            """
            SELECT id, project, purpose, filename, media_type, size_bytes, sha256, created_at, expires_at
            FROM files
            WHERE id = $2 AND project = $1 AND state = 'kept' AND (expires_at IS NULL OR expires_at > now())
            """,
            project,
            file_id,
        )
        return None if row is None else _file_of(row)

    async def list(
        self, project: str, purpose: str | None, after: str | None, limit: int, *, oldest_first: bool
    ) -> Sequence[File]:
        """Return up to ``limit`` files of a project from beyond the id ``after``."""
        if oldest_first:
            rows = await self._database.fetch(
                """
                SELECT id, project, purpose, filename, media_type, size_bytes, sha256, created_at, expires_at
                FROM files
                WHERE project = $1 AND state = 'kept' AND (expires_at IS NULL OR expires_at > now())
                  AND ($2::text IS NULL OR purpose = $2) AND ($3::text IS NULL OR id > $3)
                ORDER BY id LIMIT $4
                """,
                project,
                purpose,
                after,
                limit,
            )
        else:
            rows = await self._database.fetch(
                """
                SELECT id, project, purpose, filename, media_type, size_bytes, sha256, created_at, expires_at
                FROM files
                WHERE project = $1 AND state = 'kept' AND (expires_at IS NULL OR expires_at > now())
                  AND ($2::text IS NULL OR purpose = $2) AND ($3::text IS NULL OR id < $3)
                ORDER BY id DESC LIMIT $4
                """,
                project,
                purpose,
                after,
                limit,
            )
        return [_file_of(row) for row in rows]

    async def discard(self, project: str, file_id: str) -> File | None:
        """Show a file no longer, and return it so that its bytes can be removed."""
        row = await self._database.row(
            """
            UPDATE files SET state = 'leaving' WHERE id = $2 AND project = $1 AND state = 'kept'
            RETURNING id, project, purpose, filename, media_type, size_bytes, sha256, created_at, expires_at
            """,
            project,
            file_id,
        )
        return None if row is None else _file_of(row)

    async def expire(self) -> None:
        """Show no longer what has expired."""
        await self._database.execute(
            "UPDATE files SET state = 'leaving' WHERE state = 'kept' AND expires_at <= now()"
        )

    async def astray(self, arriving_for: timedelta, limit: int) -> Sequence[File]:
        """Return files that are leaving, and those that have been arriving for too long."""
        rows = await self._database.fetch(
            """
            SELECT id, project, purpose, filename, media_type, size_bytes, sha256, created_at, expires_at
            FROM files
            WHERE state = 'leaving' OR (state = 'arriving' AND created_at < now() - $1::interval)
            ORDER BY created_at LIMIT $2
            """,
            arriving_for,
            limit,
        )
        return [_file_of(row) for row in rows]

    async def forget(self, file_id: str) -> None:
        """Forget a file whose bytes are gone."""
        await self._database.execute("DELETE FROM files WHERE id = $1 AND state <> 'kept'", file_id)


async def _insert(runner: Database | Session, file: File, state: str) -> None:
    await runner.execute(
        """
        INSERT INTO files (
            id, project, purpose, filename, media_type, size_bytes, sha256, state, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (id) DO UPDATE
        SET size_bytes = excluded.size_bytes, sha256 = excluded.sha256, state = excluded.state,
            created_at = excluded.created_at, expires_at = excluded.expires_at
        WHERE files.state = 'arriving'
        """,
        file.id,
        file.project,
        file.purpose.value,
        file.filename,
        file.media_type,
        file.size,
        file.sha256,
        state,
        file.created_at,
        file.expires_at,
    )


def _file_of(row: Record) -> File:
    return File(
        id=row["id"],
        project=row["project"],
        purpose=Purpose(row["purpose"]),
        filename=row["filename"],
        media_type=row["media_type"],
        size=row["size_bytes"],
        sha256=row["sha256"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
