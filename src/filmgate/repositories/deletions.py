"""Keep which videos were deleted, and whether their files are gone."""

from collections.abc import Sequence

from filmgate.infrastructure.database import Database, changed


class DeletionRepository:
    """Read and change what is deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def delete(self, video_id: str) -> bool:
        """Delete a video that has ended; tell whether this call did it."""
        tag = await self._database.execute(
            """
            UPDATE videos SET deleted_at = now()
            WHERE id = $1 AND status IN ('completed', 'failed', 'cancelled') AND deleted_at IS NULL
            """,
            video_id,
        )
        return changed(tag) == 1

    async def purged(self, video_id: str) -> None:
        """Write down that the files of a deleted video are gone."""
        await self._database.execute("UPDATE videos SET purged_at = now() WHERE id = $1", video_id)

    async def unpurged(self, limit: int) -> Sequence[str]:
        """Return deleted videos whose files may still be there."""
        rows = await self._database.fetch(
            """
            SELECT id FROM videos WHERE deleted_at IS NOT NULL AND purged_at IS NULL
            ORDER BY deleted_at LIMIT $1
            """,
            limit,
        )
        return [row["id"] for row in rows]

    async def page(self, project: str, after: str | None, limit: int, *, ascending: bool) -> Sequence[str]:
        """Return the ids of a project's videos that are not deleted, from behind the id ``after``."""
        if ascending:
            rows = await self._database.fetch(
                """
                SELECT id FROM videos
                WHERE project = $1 AND id > coalesce($2, '') AND deleted_at IS NULL
                ORDER BY id LIMIT $3
                """,
                project,
                after,
                limit,
            )
        else:
            rows = await self._database.fetch(
                """
                SELECT id FROM videos
                WHERE project = $1 AND ($2::text IS NULL OR id < $2) AND deleted_at IS NULL
                ORDER BY id DESC LIMIT $3
                """,
                project,
                after,
                limit,
            )
        return [row["id"] for row in rows]
