"""Keep lanes: how many videos each provider account may have under way, and who is next."""

from collections.abc import Sequence
from dataclasses import dataclass

from filmgate.domain.routing import Lane
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.queue import Step, enqueue


@dataclass(frozen=True, slots=True)
class Backlog:
    """How full a lane is: videos waiting, and the slots there are."""

    waiting: int
    slots: int


class LaneRepository:
    """Read and change lanes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure(self, lanes: Sequence[Lane]) -> None:
        """Create lanes that are missing and set the limits of those that are there."""
        await self._database.execute(
            """
            INSERT INTO lanes (name, max_in_flight)
            SELECT * FROM unnest($1::text[], $2::integer[])
            ON CONFLICT (name) DO UPDATE SET max_in_flight = excluded.max_in_flight
            """,
            [lane.name for lane in lanes],
            [lane.max_in_flight for lane in lanes],
        )

    async def with_waiting(self) -> list[str]:
        """Return the open lanes in which something waits."""
        rows = await self._database.fetch(
            """
            SELECT l.name FROM lanes l
            WHERE (l.paused_until IS NULL OR l.paused_until <= now())
              AND EXISTS (SELECT 1 FROM videos v
                          WHERE v.lane = l.name AND v.status = 'queued' AND v.admitted_at IS NULL)
            """
        )
        return [row["name"] for row in rows]

    async def admit(self, lane: str) -> int:
        """Let videos through while the lane has free slots, the fairest first; return how many.

        The lane's row is locked meanwhile, so the limit holds across all processes.
        """
        async with self._database.transaction() as session:
            await session.execute("SELECT 1 FROM lanes WHERE name = $1 FOR UPDATE", lane)
            rows = await session.fetch(
                """
                WITH free AS (
                    SELECT greatest(0, l.max_in_flight - (
                        SELECT count(*) FROM videos v
                        WHERE v.lane = l.name AND v.status IN ('queued', 'in_progress')
                          AND v.admitted_at IS NOT NULL)) AS slots
                    FROM lanes l
                    WHERE l.name = $1 AND (l.paused_until IS NULL OR l.paused_until <= now())
                ),
                -- Priority first, then the key that has had the least, then age.
                next AS (
                    SELECT id, share_tag FROM videos
                    WHERE lane = $1 AND status = 'queued' AND admitted_at IS NULL
                      AND (not_before IS NULL OR not_before <= now())
                    ORDER BY priority DESC, share_tag, id
                    LIMIT coalesce((SELECT slots FROM free), 0)
                    FOR UPDATE SKIP LOCKED
                ),
                -- Newcomers start from here, so that nobody can save up a turn.
                clock AS (
                    UPDATE lanes
                    SET share_clock = greatest(share_clock, (SELECT max(share_tag) FROM next))
                    WHERE name = $1
                )
                UPDATE videos v SET admitted_at = now()
                FROM next WHERE v.id = next.id
                RETURNING v.id
                """,
                lane,
            )
            # No deduplication: a second submit of a video finds it already taken and does nothing.
            await enqueue(session, Step.SUBMIT, [row["id"] for row in rows], once=False)
        return len(rows)

    async def backlogs(self) -> dict[str, Backlog]:
        """Return how full each lane is."""
        rows = await self._database.fetch(
            """
            SELECT l.name, l.max_in_flight,
                   (SELECT count(*) FROM videos v
                    WHERE v.lane = l.name AND v.status = 'queued' AND v.admitted_at IS NULL) AS waiting
            FROM lanes l
            """
        )
        return {row["name"]: Backlog(row["waiting"], row["max_in_flight"]) for row in rows}
