"""Keep the jobs of the built-in renderer."""

from collections.abc import Sequence
from datetime import timedelta

from filmgate.domain.provider import JobState
from filmgate.domain.render import Render
from filmgate.infrastructure.database import Database, Record, changed
from filmgate.infrastructure.queue import Step, enqueue


class RenderRepository:
    """Read and change renders; every change names the state it starts from."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, render_id: str, body: bytes, frames: int) -> None:
        """Take on a job and have it rendered; harmless when repeated."""
        async with self._database.transaction() as session:
            tag = await session.execute(
                """
                INSERT INTO renders (id, order_body, state, frames) VALUES ($1, $2, 'pending', $3)
                ON CONFLICT (id) DO NOTHING
                """,
                render_id,
                body,
                frames,
            )
            if changed(tag) == 1:
                await enqueue(session, Step.RENDER, [render_id])

    async def claim(self, render_id: str, runner: str) -> Render | None:
        """Take over a job that has not ended, counting one more try; None where it has."""
        row = await self._database.row(
            """
            UPDATE renders
            SET state = 'processing', runner = $2, tries = tries + 1, frames_done = 0,
                started_at = coalesce(started_at, now())
            WHERE id = $1 AND state IN ('pending', 'processing')
            RETURNING id, order_body, state, frames_done, frames, tries, asset, code, reason
            """,
            render_id,
            runner,
        )
        return None if row is None else _render_of(row)

    async def show_progress(self, render_id: str, runner: str, frames_done: int) -> bool:
        """Record the frames done; False where the job was cancelled or another runner has it."""
        tag = await self._database.execute(
            """
            UPDATE renders SET frames_done = $3
            WHERE id = $1 AND runner = $2 AND state = 'processing'
            """,
            render_id,
            runner,
            frames_done,
        )
        return changed(tag) == 1

    async def succeed(self, render_id: str, runner: str, asset: str) -> bool:
        """Record the finished film; False where the job is no longer this runner's."""
        tag = await self._database.execute(
            """
            UPDATE renders SET state = 'succeeded', asset = $3, frames_done = frames, ended_at = now()
            WHERE id = $1 AND runner = $2 AND state = 'processing'
            """,
            render_id,
            runner,
            asset,
        )
        return changed(tag) == 1

    async def hand_back(self, render_id: str, runner: str) -> None:
        """Give up a job for another to take over; the try does not count."""
        await self._database.execute(
            """
            UPDATE renders SET state = 'pending', runner = NULL, tries = tries - 1
            WHERE id = $1 AND runner = $2 AND state = 'processing'
            """,
            render_id,
            runner,
        )

    async def fail(self, render_id: str, code: str, reason: str) -> None:
        """Record why there will be no film."""
        await self._database.execute(
            """
            UPDATE renders SET state = 'failed', code = $2, reason = $3, ended_at = now()
            WHERE id = $1 AND state IN ('pending', 'processing')
            """,
            render_id,
            code,
            reason,
        )

    async def cancel(self, render_id: str) -> bool:
        """Stop a job; tell whether it was still to stop."""
        tag = await self._database.execute(
            """
            UPDATE renders SET state = 'cancelled', ended_at = now()
            WHERE id = $1 AND state IN ('pending', 'processing')
            """,
            render_id,
        )
        return changed(tag) == 1

    async def get_many(self, ids: Sequence[str]) -> list[Render]:
        """Return the jobs with these ids that are there."""
        rows = await self._database.fetch(
            """
            SELECT id, order_body, state, frames_done, frames, tries, asset, code, reason
            FROM renders WHERE id = ANY($1::text[])
            """,
            list(ids),
        )
        return [_render_of(row) for row in rows]

    async def forget(self, render_id: str) -> None:
        """Delete a job that has ended."""
        await self._database.execute("DELETE FROM renders WHERE id = $1 AND ended_at IS NOT NULL", render_id)

    async def ended_before(self, age: timedelta, limit: int = 1000) -> list[Render]:
        """Return jobs that ended longer ago than ``age`` and were not forgotten."""
        rows = await self._database.fetch(
            """
            SELECT id, order_body, state, frames_done, frames, tries, asset, code, reason
            FROM renders WHERE ended_at < now() - $1::interval ORDER BY ended_at LIMIT $2
            """,
            age,
            limit,
        )
        return [_render_of(row) for row in rows]


def _render_of(row: Record) -> Render:
    return Render(
        id=row["id"],
        body=row["order_body"],
        state=JobState(row["state"]),
        frames_done=row["frames_done"],
        frames=row["frames"],
        tries=row["tries"],
        asset=row["asset"],
        code=row["code"],
        reason=row["reason"],
    )
