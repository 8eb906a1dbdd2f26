"""Keep lanes: how many videos each provider account may have under way, and who is next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from filmgate.domain.routing import Lane
from filmgate.infrastructure.database import Database, changed, storable
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
        """Create lanes that are missing and set the limits of those that are there, where ours are firm."""
        await self._database.execute(
            """
            INSERT INTO lanes (name, max_in_flight, per_minute, tokens)
            SELECT name, max_in_flight, per_minute, coalesce(per_minute, 0)
            FROM unnest($1::text[], $2::integer[], $3::integer[], $4::boolean[])
                AS n (name, max_in_flight, per_minute, firm)
            WHERE n.firm OR NOT EXISTS (SELECT 1 FROM lanes l WHERE l.name = n.name)
            ON CONFLICT (name) DO UPDATE
            SET max_in_flight = excluded.max_in_flight, per_minute = excluded.per_minute
            """,
            [lane.name for lane in lanes],
            [lane.max_in_flight for lane in lanes],
            [lane.per_minute for lane in lanes],
            [lane.firm for lane in lanes],
        )

    async def with_waiting(self) -> list[str]:
        """Return the open lanes in which something waits; none whose account waits for lost sends itself."""
        rows = await self._database.fetch(
            """
            SELECT l.name FROM lanes l
            WHERE (l.paused_until IS NULL OR l.paused_until <= now())
              AND NOT EXISTS (SELECT 1 FROM stopped_accounts s WHERE s.account = l.name)
              AND EXISTS (SELECT 1 FROM videos v
                          WHERE v.lane = l.name AND v.status = 'queued' AND v.admitted_at IS NULL)
            """
        )
        return [row["name"] for row in rows]

    async def admit(self, lane: str) -> int:
        """Let videos through while the lane has free slots, the fairest first; return how many.

        The lane's row is locked meanwhile, so the limit holds across all processes. A send whose outcome is
        unknown takes a slot until its quiet time is over, and a parked one takes none: whatever the provider
        made of it has ended long before an operator comes.
        """
        async with self._database.transaction() as session:
            # Locked and refilled in one: at most a minute's worth is saved up.
            await session.execute(
                """
                UPDATE lanes
                SET tokens = coalesce(least(
                        per_minute::float8,
                        tokens + per_minute * extract(epoch FROM now() - refilled_at)::float8 / 60), 0),
                    refilled_at = now()
                WHERE name = $1
                """,
                lane,
            )
            rows = await session.fetch(
                """
                WITH free AS (
                    SELECT greatest(0, least(
                        CASE WHEN l.per_minute IS NULL THEN 'Infinity' ELSE floor(l.tokens) END,
                        least(l.max_in_flight, floor(coalesce(l.ceiling, 'Infinity')))
                        - (SELECT count(*) FROM videos v
                           WHERE v.lane = l.name AND v.status IN ('queued', 'in_progress')
                             AND v.admitted_at IS NOT NULL)
                        + (SELECT count(*) FROM attempts a JOIN videos v ON v.id = a.video_id
                           WHERE a.state IN ('unknown', 'parked')
                             AND (a.state = 'parked' OR a.quiet_at <= now())
                             AND v.lane = l.name AND v.status = 'in_progress' AND v.admitted_at IS NOT NULL)
                        - (SELECT count(*) FROM attempts a JOIN videos v ON v.id = a.video_id
                           WHERE a.account = l.name AND a.state IN ('sending', 'accepted', 'unknown')
                             AND (a.state <> 'unknown' OR a.quiet_at > now())
                             AND v.status NOT IN ('queued', 'in_progress'))
                    ))::integer AS slots
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
                    SET share_clock = greatest(share_clock, (SELECT max(share_tag) FROM next)),
                        tokens = greatest(0, tokens - (SELECT count(*) FROM next))
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

    async def slow_down(self, lane: str) -> None:
        """Let half as many through at once from now on: the provider asked for a rest."""
        await self._database.execute(
            """
            UPDATE lanes
            SET ceiling = greatest(1, least(max_in_flight, coalesce(ceiling, max_in_flight)) / 2)
            WHERE name = $1
            """,
            lane,
        )

    async def speed_up(self, lane: str) -> None:
        """Let one more through at once, up to the limit: a send went well."""
        await self._database.execute(
            """
            UPDATE lanes
            SET failures = 0, openings = 0, pause_reason = NULL,
                ceiling = CASE WHEN ceiling + 1 < max_in_flight THEN ceiling + 1 END
            WHERE name = $1 AND (ceiling IS NOT NULL OR failures > 0 OR openings > 0)
            """,
            lane,
        )

    async def count_failure(self, lane: str, reason: str, *, patience: int, rest: timedelta) -> bool:
        """Count one more failure in a row; past ``patience`` the lane rests, and then tries one at a time.

        Each rest in a row is twice as long, ten minutes at most. Returns whether the lane rests now.
        """
        await self._database.execute("UPDATE lanes SET failures = failures + 1 WHERE name = $1", lane)
        tag = await self._database.execute(
            """
            UPDATE lanes
            SET paused_until = now() + least($4::interval * power(2, openings), interval '10 minutes'),
                pause_reason = $2, openings = openings + 1, failures = 0, ceiling = 1
            WHERE name = $1 AND failures >= $3
            """,
            lane,
            storable(reason),
            patience,
            rest,
        )
        return changed(tag) == 1

    async def backlogs(self) -> dict[str, Backlog]:
        """Return how full each lane is; of what waits, no more than the first 10,000 are counted."""
        rows = await self._database.fetch(
            """
            SELECT l.name, l.max_in_flight,
                   (SELECT count(*) FROM (
                        SELECT 1 FROM videos v
                        WHERE v.lane = l.name AND v.status = 'queued' AND v.admitted_at IS NULL
                        LIMIT 10000) AS w) AS waiting
            FROM lanes l
            """
        )
        return {row["name"]: Backlog(row["waiting"], row["max_in_flight"]) for row in rows}
