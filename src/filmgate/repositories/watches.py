"""Keep attempts that are being made: what is polled when, and how each comes to its end."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from filmgate.domain.attempt import Attempt, AttemptState
from filmgate.domain.money import FREE, Money
from filmgate.domain.poll import JobKind
from filmgate.domain.video import VideoError
from filmgate.infrastructure.database import Database, Record, storable
from filmgate.infrastructure.queue import Step, enqueue
from filmgate.repositories import endings


class WatchRepository:
    """Read attempts, follow them and end them; every change names the state it starts from."""

    def __init__(self, database: Database) -> None:
        self._database = database

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

    async def claim_due(self, limit: int, lease: timedelta, busy: Sequence[str] = ()) -> list[Attempt]:
        """Take attempts whose poll is due, but for those of ``busy`` providers.

        Unless reported on, they are due again after the lease.
        """
        rows = await self._database.fetch(
            """
            -- Two watchers never take the same attempt; what was woken comes first.
            WITH due AS (
                SELECT id, video_id, next_poll_at <= accepted_at AS called FROM attempts
                WHERE state = 'accepted' AND next_poll_at <= now() AND provider <> ALL ($3::text[])
                ORDER BY next_poll_at LIMIT $1
                FOR UPDATE SKIP LOCKED
            )
            UPDATE attempts a SET next_poll_at = now() + $2::interval, polls = a.polls + 1
            FROM due JOIN videos v ON v.id = due.video_id WHERE a.id = due.id
            RETURNING a.id, a.video_id, a.provider, a.provider_model, a.account, a.state, a.sent_at,
                      a.quiet_at, a.provider_job_id, a.accepted_at, a.polls, a.collects, due.called,
                      v.status = 'cancelled' AS abandoned, (v.request ->> 'seconds')::float8 AS seconds,
                      (v.request ->> 'width')::int AS width, (v.request ->> 'height')::int AS height
            """,
            limit,
            lease,
            list(busy),
        )
        return [_claimed(row) for row in rows]

    async def claim_soon(
        self, provider: str, ahead: timedelta, at_least: int, limit: int, lease: timedelta
    ) -> list[Attempt]:
        """Take a provider's attempts that are due within ``ahead``, or none if they are too few."""
        rows = await self._database.fetch(
            """
            WITH soon AS (
                SELECT id, video_id, next_poll_at <= accepted_at AS called FROM attempts
                WHERE state = 'accepted' AND provider = $1 AND next_poll_at <= now() + $2::interval
                ORDER BY next_poll_at LIMIT $4
                FOR UPDATE SKIP LOCKED
            )
            UPDATE attempts a SET next_poll_at = now() + $5::interval, polls = a.polls + 1
            FROM soon JOIN videos v ON v.id = soon.video_id
            WHERE a.id = soon.id AND (SELECT count(*) FROM soon) >= $3
            RETURNING a.id, a.video_id, a.provider, a.provider_model, a.account, a.state, a.sent_at,
                      a.quiet_at, a.provider_job_id, a.accepted_at, a.polls, a.collects, soon.called,
                      v.status = 'cancelled' AS abandoned, (v.request ->> 'seconds')::float8 AS seconds,
                      (v.request ->> 'width')::int AS width, (v.request ->> 'height')::int AS height
            """,
            provider,
            ahead,
            at_least,
            limit,
            lease,
        )
        return [_claimed(row) for row in rows]

    async def seconds_to_next_poll(self, busy: Sequence[str] = ()) -> float | None:
        """Return how long until a poll is due, None where nothing is watched but of ``busy`` providers."""
        seconds = await self._database.value(
            """
            SELECT extract(epoch FROM min(next_poll_at) - now())::float8
            FROM attempts WHERE state = 'accepted' AND provider <> ALL ($1::text[])
            """,
            list(busy),
        )
        return None if seconds is None else max(0.0, float(seconds))

    async def durations(self, latest: int, of_each: int) -> dict[JobKind, list[float]]:
        """Return how long jobs took from accepted to seen as ended, in seconds and sorted, by kind.

        Of the ``latest`` films, the newest ``of_each`` kind.
        """
        rows = await self._database.fetch(
            """
            -- Ids of videos are in the order of time, and what succeeded is found by them.
            WITH latest AS (
                SELECT video_id, provider, provider_model, ended_at, accepted_at FROM attempts
                WHERE state = 'succeeded' ORDER BY video_id DESC LIMIT $1
            ), told AS (
                SELECT l.provider, l.provider_model, (v.request ->> 'seconds')::float8 AS film,
                       (v.request ->> 'width')::int AS width, (v.request ->> 'height')::int AS height,
                       extract(epoch FROM l.ended_at - l.accepted_at)::float8 AS seconds, l.ended_at
                FROM latest l JOIN videos v ON v.id = l.video_id
                WHERE l.ended_at > now() - interval '7 days'
            ), placed AS (
                SELECT *, row_number() OVER (
                    PARTITION BY provider, provider_model, film, width, height
                    ORDER BY ended_at DESC) AS place
                FROM told
            )
            SELECT provider, provider_model, film, width, height,
                   array_agg(seconds ORDER BY seconds) AS seconds
            FROM placed WHERE place <= $2 GROUP BY provider, provider_model, film, width, height
            """,
            latest,
            of_each,
        )
        return {
            JobKind(row["provider"], row["provider_model"], row["film"], row["width"], row["height"]): row[
                "seconds"
            ]
            for row in rows
        }

    async def poll_again(self, delays: Sequence[tuple[str, timedelta]]) -> None:
        """Set when attempts are to be polled next, unless they were woken meanwhile."""
        await self._database.execute(
            """
            UPDATE attempts a SET next_poll_at = now() + n.delay
            FROM unnest($1::text[], $2::interval[]) AS n (id, delay)
            WHERE a.id = n.id AND a.state = 'accepted' AND a.next_poll_at > now()
            """,
            [attempt_id for attempt_id, _ in delays],
            [delay for _, delay in delays],
        )

    async def wake(self, provider: str, provider_job_id: str) -> None:
        """Have a provider job polled at once, before all that is due by plan."""
        await self._database.execute(
            """
            UPDATE attempts SET next_poll_at = accepted_at
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

    async def cancel(self, attempt_id: str, reason: str, *, charged: bool = False) -> None:
        """Record that the provider has stopped because we asked it to; perhaps it charges all the same."""
        async with self._database.transaction() as session:
            await endings.cancel(session, attempt_id, reason, charged=charged)

    async def missed(self, attempt_id: str, reason: str) -> tuple[int, Money]:
        """Write down why a film could not be had this time.

        Return how many times that has happened, and what the job has cost as far as it is known.
        """
        row = await self._database.row(
            """
            UPDATE attempts
            SET collects = collects + 1, reason = left(concat_ws(E'\n', reason, $2::text), 4000)
            WHERE id = $1 RETURNING collects, cost_micros
            """,
            attempt_id,
            storable(reason),
        )
        return (0, FREE) if row is None else (row["collects"], Money(row["cost_micros"]))

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


def _claimed(row: Record) -> Attempt:
    kind = JobKind(row["provider"], row["provider_model"], row["seconds"], row["width"], row["height"])
    return replace(_attempt_of(row), abandoned=row["abandoned"], called=row["called"], kind=kind)


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
