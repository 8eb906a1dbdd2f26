"""Keep batches; where a batch stands is always counted from its videos."""

from collections.abc import Sequence

from filmgate.domain.batch import Batch
from filmgate.domain.money import Money
from filmgate.domain.video import Video, VideoStatus
from filmgate.infrastructure.database import Database, Record, Session
from filmgate.repositories.videos import VideoRepository

_CANCELLED_AT_ONCE = 5_000


class BatchRepository:
    """Read and change batches."""

    def __init__(self, database: Database, videos: VideoRepository) -> None:
        self._database = database
        self._videos = videos

    async def insert(
        self, batch: Batch, key_id: str, videos: Sequence[Video], session: Session | None = None
    ) -> None:
        """Insert a batch and all its videos, or nothing; harmless when repeated.

        Raises BudgetExceeded if all of them together cost more than may be spent.
        """
        if session is None:
            async with self._database.transaction() as own:
                return await self.insert(batch, key_id, videos, own)
        await session.execute(
            """
            INSERT INTO batches (id, project, key_id, name, total, webhook_url, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING
            """,
            batch.id,
            batch.project,
            key_id,
            batch.name,
            batch.total,
            batch.webhook_url,
            batch.created_at,
        )
        if batch.max_cost is not None:
            await session.execute(
                """
                INSERT INTO budgets (scope, span, limit_micros) VALUES ($1, 'total', $2)
                ON CONFLICT DO NOTHING
                """,
                batch.id,
                batch.max_cost.micros,
            )
        refused = await self._videos.insert(videos, session)
        if refused:
            raise next(iter(refused.values()))
        return None

    async def videos_of(self, batch_id: str) -> Sequence[str]:
        """Return the ids of a batch's videos, in the order of its rows."""
        rows = await self._database.fetch(
            "SELECT id FROM videos WHERE batch_id = $1 ORDER BY batch_index", batch_id
        )
        return [row["id"] for row in rows]

    async def get(self, project: str, batch_id: str) -> Batch | None:
        """Return one batch of a project."""
        batches = await self._select(project, batch_id, None, 1)
        return batches[0] if batches else None

    async def list(self, project: str, before: str | None, limit: int) -> Sequence[Batch]:
        """Return up to ``limit`` batches of a project, newest first, from below the id ``before``."""
        return await self._select(project, None, before, limit)

    async def _select(
        self, project: str, batch_id: str | None, before: str | None, limit: int
    ) -> Sequence[Batch]:
        rows = await self._database.fetch(
            """
            WITH page AS (
                SELECT id, project, name, total, webhook_url, created_at FROM batches
                WHERE project = $1 AND ($2::text IS NULL OR id = $2) AND ($3::text IS NULL OR id < $3)
                ORDER BY id DESC LIMIT $4
            )
            SELECT p.id, p.project, p.name, p.total, p.webhook_url, p.created_at, c.queued,
                   c.in_progress, c.completed, c.failed, c.cancelled, c.completed_at, c.price_micros,
                   c.cost_micros, c.progress,
                   (SELECT limit_micros FROM budgets WHERE scope = p.id AND span = 'total') AS max_cost_micros
            FROM page p, LATERAL (
                SELECT count(*) FILTER (WHERE v.status = 'queued') AS queued,
                       count(*) FILTER (WHERE v.status = 'in_progress') AS in_progress,
                       count(*) FILTER (WHERE v.status = 'completed') AS completed,
                       count(*) FILTER (WHERE v.status = 'failed') AS failed,
                       count(*) FILTER (WHERE v.status = 'cancelled') AS cancelled,
                       max(v.completed_at) AS completed_at,
                       sum(v.price_micros)::bigint AS price_micros,
                       sum(v.cost_micros)::bigint AS cost_micros,
                       floor(avg(CASE WHEN v.status IN ('queued', 'in_progress') THEN v.progress
                                      ELSE 100 END))::integer AS progress
                FROM videos v WHERE v.batch_id = p.id
            ) AS c
            ORDER BY p.id DESC
            """,
            project,
            batch_id,
            before,
            limit,
        )
        return [_batch_of(row) for row in rows]

    async def cancel(self, project: str, batch_id: str) -> Sequence[str]:
        """Cancel every video of a batch that has not ended; return those that had been sent.

        Of a large batch some thousands at a time; what a crash leaves is cancelled by doing it again.
        """
        sent: list[str] = []
        while True:
            rows = await self._cancel_some(project, batch_id)
            sent += [row["id"] for row in rows if row["status"] == VideoStatus.IN_PROGRESS]
            if len(rows) < _CANCELLED_AT_ONCE:
                return sent

    async def _cancel_some(self, project: str, batch_id: str) -> Sequence[Record]:
        async with self._database.transaction() as session:
            rows = await session.fetch(
                """
                SELECT id, status, price_micros > 0 AS priced FROM videos
                WHERE project = $1 AND batch_id = $2 AND status IN ('queued', 'in_progress')
                ORDER BY id LIMIT $3 FOR NO KEY UPDATE
                """,
                project,
                batch_id,
                _CANCELLED_AT_ONCE,
            )
            priced = [row["id"] for row in rows if row["priced"]]
            if priced:
                # All in one go: left to the end of each, ten thousand would take turns at one budget.
                await session.execute("SELECT settle_holds($1::text[])", priced)
            await session.execute(
                """
                UPDATE videos SET status = 'cancelled', completed_at = now() WHERE id = ANY($1::text[])
                """,
                [row["id"] for row in rows],
            )
        return rows


def _batch_of(row: Record) -> Batch:
    counts = {status: int(row[status.value]) for status in VideoStatus}
    ended = counts[VideoStatus.QUEUED] + counts[VideoStatus.IN_PROGRESS] == 0
    return Batch(
        id=row["id"],
        project=row["project"],
        name=row["name"],
        total=row["total"],
        counts=counts,
        created_at=row["created_at"],
        webhook_url=row["webhook_url"],
        completed_at=row["completed_at"] if ended else None,
        price=Money(row["price_micros"]),
        cost=Money(row["cost_micros"]),
        max_cost=None if row["max_cost_micros"] is None else Money(row["max_cost_micros"]),
        progress=row["progress"],
    )
