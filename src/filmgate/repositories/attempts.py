"""Keep attempts: what was sent to whom, and what is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from filmgate.domain.attempt import Attempt, AttemptState
from filmgate.domain.money import FREE, Money
from filmgate.domain.video import VideoError
from filmgate.infrastructure.database import Database, Record, changed, storable
from filmgate.infrastructure.queue import Step, enqueue
from filmgate.repositories import endings


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be sent; written before the first byte leaves.

    ``lease`` is how long the sender may take before others hold the outcome for unknown; ``quiet`` is how
    long after that "not there" proves nothing. ``price`` is what it costs unless the provider gives a figure.
    """

    attempt_id: str
    video_id: str
    provider: str
    provider_model: str
    account: str
    body: bytes
    sent_by: str
    lease: timedelta
    quiet: timedelta
    price: Money = FREE


class AttemptRepository:
    """Read and change attempts; every change names the state it starts from."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, intent: Intent) -> bool:
        """Write the intent to send; False where the video has no slot to be sent in: then nothing may be."""
        tag = await self._database.execute(
            """
            -- Only one sender can take the video out of the queue.
            WITH moved AS (
                UPDATE videos
                SET status = 'in_progress', started_at = coalesce(started_at, now()), attempts = attempts + 1
                WHERE id = $2 AND status = 'queued' AND admitted_at IS NOT NULL
                RETURNING id, attempts
            )
            INSERT INTO attempts (
                id, video_id, ordinal, provider, provider_model, account, state, body, sent_by,
                lease_until, quiet_at, price_micros)
            SELECT $1, id, attempts, $3, $4, $5, 'sending', $6, $7, now() + $8::interval,
                   now() + $8::interval + $9::interval, $10
            FROM moved
            """,
            intent.attempt_id,
            intent.video_id,
            intent.provider,
            intent.provider_model,
            intent.account,
            intent.body,
            intent.sent_by,
            intent.lease,
            intent.quiet,
            intent.price.micros,
        )
        return changed(tag) == 1

    async def accept(self, attempt_id: str, provider_job_id: str, first_poll: timedelta) -> bool:
        """Bind the attempt to its provider job: a positive fact, valid over whatever was believed before.

        False where the attempt has a job already, or where another attempt has taken its place.
        """
        tag = await self._database.execute(
            """
            UPDATE attempts
            SET state = 'accepted', provider_job_id = $2, accepted_at = now(),
                next_poll_at = now() + $3::interval
            WHERE id = $1 AND state IN ('sending', 'unknown', 'parked')
            """,
            attempt_id,
            provider_job_id,
            first_poll,
        )
        return changed(tag) == 1 or await self._accept_late(attempt_id, provider_job_id, first_poll)

    async def rebind(self, attempt_id: str, provider_job_id: str) -> bool:
        """Bind an accepted attempt to the job that the create's own answer names, whoever named another.

        False where the attempt has that job already, or has ended.
        """
        tag = await self._database.execute(
            """
            UPDATE attempts SET provider_job_id = $2, next_poll_at = now()
            WHERE id = $1 AND state = 'accepted' AND provider_job_id <> $2
            """,
            attempt_id,
            provider_job_id,
        )
        return changed(tag) == 1

    async def _accept_late(self, attempt_id: str, provider_job_id: str, first_poll: timedelta) -> bool:
        """Bind an attempt that was held for not created, and take its video out of the line again."""
        async with self._database.transaction() as session:
            await endings.lock_video(session, attempt_id)
            row = await session.row(
                """
                UPDATE attempts a
                SET state = 'accepted', provider_job_id = $2, accepted_at = now(), ended_at = NULL,
                    next_poll_at = now() + $3::interval
                WHERE id = $1 AND state = 'not_created' AND NOT EXISTS (
                    SELECT 1 FROM attempts o WHERE o.video_id = a.video_id
                    AND o.state IN ('sending', 'accepted', 'succeeded', 'unknown', 'parked'))
                RETURNING video_id
                """,
                attempt_id,
                provider_job_id,
                first_poll,
            )
            if row is None:
                return False
            await session.execute(
                """
                UPDATE videos SET status = 'in_progress', admitted_at = coalesce(admitted_at, now())
                WHERE id = $1 AND status = 'queued'
                """,
                row["video_id"],
            )
        return True

    async def give_back(
        self, attempt_id: str, reason: str, *, retry_in: timedelta, pause: timedelta | None = None
    ) -> bool:
        """Record that nothing was created, and put the video back in line.

        ``pause`` closes the lane for that long. False where the attempt has moved on meanwhile.
        """
        async with self._database.transaction() as session:
            await endings.lock_video(session, attempt_id)
            row = await session.row(
                """
                UPDATE attempts SET state = 'not_created', reason = $2, ended_at = now()
                WHERE id = $1 AND state IN ('sending', 'unknown', 'parked') RETURNING video_id, account
                """,
                attempt_id,
                storable(reason),
            )
            if row is None:
                return False
            await session.execute(
                """
                UPDATE videos SET status = 'queued', admitted_at = NULL, not_before = now() + $2::interval
                WHERE id = $1 AND status = 'in_progress'
                """,
                row["video_id"],
                retry_in,
            )
            if pause is not None:
                await session.execute(
                    """
                    UPDATE lanes
                    SET paused_until = greatest(paused_until, now() + $2::interval), pause_reason = $3
                    WHERE name = $1
                    """,
                    row["account"],
                    pause,
                    storable(reason),
                )
        return True

    async def end(
        self,
        attempt_id: str,
        state: AttemptState,
        error: VideoError,
        *,
        cost: Money | None = None,
        charged: bool = False,
    ) -> bool:
        """End an attempt and fail its video, unless the video has ended by itself.

        ``cost`` is the provider's own figure; without one it is the price if it is ``charged``, else nothing.
        """
        async with self._database.transaction() as session:
            return await endings.end(session, attempt_id, (state, error), cost, charged=charged)

    async def lose(self, attempt_id: str, reason: str) -> bool:
        """Record that the outcome of a send is not known, and have it looked into."""
        async with self._database.transaction() as session:
            tag = await session.execute(
                "UPDATE attempts SET state = 'unknown', reason = $2 WHERE id = $1 AND state = 'sending'",
                attempt_id,
                storable(reason),
            )
            if changed(tag) == 1:
                await enqueue(session, Step.RECONCILE, [attempt_id])
        return changed(tag) == 1

    async def lose_overdue(self) -> list[str]:
        """Hold for unknown every send whose sender has not reported in time, and return their ids."""
        async with self._database.transaction() as session:
            rows = await session.fetch(
                """
                UPDATE attempts SET state = 'unknown', reason = 'the sender did not report back'
                WHERE state = 'sending' AND lease_until < now() RETURNING id
                """
            )
            lost = [row["id"] for row in rows]
            await enqueue(session, Step.RECONCILE, lost)
        return lost

    async def park(self, attempt_id: str, reason: str) -> bool:
        """Leave an attempt to an operator: it may have been paid for, and nothing can tell."""
        tag = await self._database.execute(
            """
            UPDATE attempts SET state = 'parked', reason = $2
            WHERE id = $1 AND state = 'unknown' AND quiet_at <= now()
            """,
            attempt_id,
            storable(reason),
        )
        return changed(tag) == 1

    async def is_quiet(self, attempt_id: str) -> bool:
        """Tell by the database's clock whether "not there" is proof by now."""
        row = await self._database.row(
            "SELECT quiet_at <= now() AS quiet FROM attempts WHERE id = $1", attempt_id
        )
        return row is not None and bool(row["quiet"])

    async def get(self, attempt_id: str) -> Attempt | None:
        """Return one attempt."""
        row = await self._database.row(
            """
            SELECT id, video_id, provider, provider_model, account, state, sent_at, quiet_at, provider_job_id,
                   accepted_at, polls, collects
            FROM attempts WHERE id = $1
            """,
            attempt_id,
        )
        return None if row is None else _attempt_of(row)

    async def live_of(self, video_id: str) -> Attempt | None:
        """Return the attempt of a video that may have a job at its provider."""
        row = await self._database.row(
            """
            SELECT id, video_id, provider, provider_model, account, state, sent_at, quiet_at, provider_job_id,
                   accepted_at, polls, collects
            FROM attempts
            WHERE video_id = $1 AND state IN ('sending', 'accepted', 'succeeded', 'unknown', 'parked')
            """,
            video_id,
        )
        return None if row is None else _attempt_of(row)

    async def claim_due(self, limit: int, lease: timedelta) -> list[Attempt]:
        """Take attempts whose poll is due; unless reported on, they are due again after the lease."""
        rows = await self._database.fetch(
            """
            -- Two watchers never take the same attempt.
            WITH due AS (
                SELECT id FROM attempts
                WHERE state = 'accepted' AND next_poll_at <= now()
                ORDER BY next_poll_at LIMIT $1
                FOR UPDATE SKIP LOCKED
            )
            UPDATE attempts a SET next_poll_at = now() + $2::interval, polls = a.polls + 1
            FROM due WHERE a.id = due.id
            RETURNING a.id, a.video_id, a.provider, a.provider_model, a.account, a.state, a.sent_at,
                      a.quiet_at, (SELECT v.status = 'cancelled' FROM videos v WHERE v.id = a.video_id)
                      AS abandoned, a.provider_job_id, a.accepted_at, a.polls, a.collects
            """,
            limit,
            lease,
        )
        return [replace(_attempt_of(row), abandoned=row["abandoned"]) for row in rows]

    async def seconds_to_next_poll(self) -> float | None:
        """Return how long until the next poll is due, None where nothing is being watched."""
        seconds = await self._database.value(
            """
            SELECT extract(epoch FROM min(next_poll_at) - now())::float8
            FROM attempts WHERE state = 'accepted'
            """
        )
        return None if seconds is None else max(0.0, float(seconds))

    async def durations(self, latest: int) -> dict[tuple[str, str], list[float]]:
        """Return how long the latest jobs took from accepted to ended, in seconds, by provider and model."""
        rows = await self._database.fetch(
            """
            SELECT provider, provider_model, array_agg(seconds ORDER BY seconds) AS seconds
            FROM (
                SELECT provider, provider_model,
                       extract(epoch FROM ended_at - accepted_at)::float8 AS seconds,
                       row_number() OVER (
                           PARTITION BY provider, provider_model ORDER BY ended_at DESC) AS place
                FROM attempts
                WHERE state = 'succeeded' AND ended_at > now() - interval '7 days'
            ) AS ended
            WHERE place <= $1 GROUP BY provider, provider_model
            """,
            latest,
        )
        return {(row["provider"], row["provider_model"]): row["seconds"] for row in rows}

    async def poll_again(self, delays: Sequence[tuple[str, timedelta]]) -> None:
        """Set when attempts are to be polled next, never later than they were woken for."""
        await self._database.execute(
            """
            UPDATE attempts a SET next_poll_at = least(a.next_poll_at, now() + n.delay)
            FROM unnest($1::text[], $2::interval[]) AS n (id, delay)
            WHERE a.id = n.id AND a.state = 'accepted'
            """,
            [attempt_id for attempt_id, _ in delays],
            [delay for _, delay in delays],
        )

    async def wake(self, provider: str, provider_job_id: str) -> None:
        """Have a provider job polled at once."""
        await self._database.execute(
            """
            UPDATE attempts SET next_poll_at = now()
            WHERE provider = $1 AND provider_job_id = $2 AND state = 'accepted'
            """,
            provider,
            provider_job_id,
        )

    async def succeed(self, attempt_ids: Sequence[str], costs: Mapping[str, Money] | None = None) -> None:
        """Record that the provider has finished, and have the films collected.

        ``costs`` are the provider's own figures, by attempt; where there is none, the price is the cost.
        """
        told = costs or {}
        done = await self._succeed(attempt_ids, told, ended=False)
        # One by one, since these are settled at once: who settles locks what others may be waiting for.
        for attempt_id in attempt_ids:
            if attempt_id not in done:
                await self._succeed([attempt_id], told, ended=True)

    async def _succeed(self, ids: Sequence[str], costs: Mapping[str, Money], *, ended: bool) -> set[str]:
        async with self._database.transaction() as session:
            done = await endings.succeed(session, ids, costs, ended=ended)
            await enqueue(session, Step.COLLECT, done)
        return set(done)

    async def cancel(self, attempt_id: str, reason: str, *, charged: bool = False) -> None:
        """Record that the provider has stopped because we asked it to; perhaps it charges all the same."""
        async with self._database.transaction() as session:
            await endings.cancel(session, attempt_id, reason, charged=charged)

    async def begin_collect(self, attempt_id: str) -> int:
        """Count one more try at collecting and return how many that makes."""
        return int(
            await self._database.value(
                "UPDATE attempts SET collects = collects + 1 WHERE id = $1 RETURNING collects", attempt_id
            )
        )

    async def collect_strays(self, older_than: timedelta) -> None:
        """Enqueue the collecting of finished films that nobody is collecting any more."""
        async with self._database.transaction() as session:
            rows = await session.fetch(
                """
                SELECT a.id FROM attempts a JOIN videos v ON v.id = a.video_id
                WHERE v.status = 'in_progress' AND v.admitted_at IS NOT NULL
                  AND a.state = 'succeeded' AND a.ended_at < now() - $1::interval
                """,
                older_than,
            )
            await enqueue(session, Step.COLLECT, [row["id"] for row in rows])

    async def reconcile_strays(self, older_than: timedelta) -> None:
        """Enqueue the looking into of unknown attempts that nobody is looking into any more."""
        async with self._database.transaction() as session:
            rows = await session.fetch(
                "SELECT id FROM attempts WHERE state = 'unknown' AND quiet_at < now() - $1::interval",
                older_than,
            )
            await enqueue(session, Step.RECONCILE, [row["id"] for row in rows])


def _attempt_of(row: Record) -> Attempt:
    return Attempt(
        id=row["id"],
        video_id=row["video_id"],
        provider=row["provider"],
        provider_model=row["provider_model"],
        lane=row["account"],
        state=AttemptState(row["state"]),
        created_at=row["sent_at"],
        quiet_at=row["quiet_at"],
        provider_job_id=row["provider_job_id"],
        accepted_at=row["accepted_at"],
        polls=row["polls"],
        collects=row["collects"],
    )
