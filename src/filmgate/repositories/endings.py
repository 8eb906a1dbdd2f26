"""End attempts, and write down in the same statement what they have cost.

Whoever ends an attempt locks its video first, as a sender does, so that nobody waits in a circle.
"""

from collections.abc import Mapping, Sequence

from filmgate.domain.attempt import AttemptState
from filmgate.domain.money import Money
from filmgate.domain.video import VideoError
from filmgate.infrastructure.database import Session, changed, storable
from filmgate.repositories.videos import written_error


async def lock_video(session: Session, attempt_id: str) -> None:
    """Lock the video of an attempt."""
    await session.execute(
        """
        SELECT 1 FROM videos WHERE id = (SELECT video_id FROM attempts WHERE id = $1) FOR NO KEY UPDATE
        """,
        attempt_id,
    )


async def succeed(
    session: Session, attempt_ids: Sequence[str], costs: Mapping[str, Money], *, ended: bool
) -> Sequence[str]:
    """Record that providers have finished, at their own figures or else at the price; return which.

    Attempts of videos that have ended are left alone unless ``ended``: those are settled at once.
    """
    rows = await session.fetch(
        """
        -- The videos first, in one order.
        WITH ours AS (
            SELECT a.id, n.cost, v.status FROM unnest($1::text[], $2::bigint[]) AS n (id, cost)
            JOIN attempts a ON a.id = n.id JOIN videos v ON v.id = a.video_id
            ORDER BY v.id FOR NO KEY UPDATE OF v
        )
        UPDATE attempts a
        SET state = 'succeeded', next_poll_at = NULL, ended_at = now(),
            cost_micros = coalesce(ours.cost, a.price_micros)
        FROM ours
        WHERE a.id = ours.id AND a.state = 'accepted' AND ($3 OR ours.status = 'in_progress')
        RETURNING a.id
        """,
        list(attempt_ids),
        [costs[name].micros if name in costs else None for name in attempt_ids],
        ended,
    )
    return [row["id"] for row in rows]


async def end(
    session: Session,
    attempt_id: str,
    outcome: tuple[AttemptState, VideoError],
    cost: Money | None,
    *,
    charged: bool,
) -> bool:
    """End an attempt badly and fail its video, unless the video has ended by itself."""
    state, error = outcome
    await lock_video(session, attempt_id)
    tag = await session.execute(
        """
        UPDATE attempts
        SET state = $2, reason = $3, ended_at = now(), next_poll_at = NULL,
            cost_micros = coalesce($4::bigint, CASE WHEN $5 THEN price_micros ELSE 0 END)
        WHERE id = $1 AND (
            ($2 = 'not_created' AND state IN ('sending', 'unknown', 'parked'))
            OR ($2 IN ('failed', 'cancelled') AND state = 'accepted'))
        """,
        attempt_id,
        state,
        storable(error.message),
        None if cost is None else cost.micros,
        charged,
    )
    if changed(tag) == 0:
        return False
    await session.execute(
        """
        UPDATE videos v SET status = 'failed', error = $2::text::jsonb, completed_at = now()
        FROM attempts a
        WHERE a.id = $1 AND v.id = a.video_id AND v.status = 'in_progress'
        """,
        attempt_id,
        written_error(error),
    )
    return True


async def cancel(session: Session, attempt_id: str, reason: str, *, charged: bool) -> None:
    """Record that a provider has stopped; what it charges all the same is the price."""
    await lock_video(session, attempt_id)
    await session.execute(
        """
        UPDATE attempts
        SET state = 'cancelled', reason = $2, ended_at = now(), next_poll_at = NULL,
            cost_micros = CASE WHEN $3 THEN price_micros ELSE 0 END
        WHERE id = $1 AND state = 'accepted'
        """,
        attempt_id,
        storable(reason),
        charged,
    )
