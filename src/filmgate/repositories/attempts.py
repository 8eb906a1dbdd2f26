"""Keep attempts from the intent to what is known of the send; ``watches`` follows them from there."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from filmgate.domain.money import FREE, Money
from filmgate.infrastructure.database import RowRejected, changed, storable
from filmgate.infrastructure.queue import Step, enqueue
from filmgate.repositories import endings
from filmgate.repositories.watches import WatchRepository


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be sent; written before the first byte leaves.

    ``lease`` is how long the sender may take before others hold the outcome for unknown; ``quiet`` is how
    long after that "not there" proves nothing. ``price`` is what it costs unless the provider gives a figure.
    ``incarnation`` is the database that may be sent from; None lets it be any.
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
    incarnation: str | None = None


class AttemptRepository(WatchRepository):
    """Send and settle attempts; every change names the state it starts from."""

    async def begin(self, intent: Intent) -> datetime | None:
        """Write the intent to send, and return when that was by the database's clock.

        None where the video has no slot to be sent in: then nothing may be.
        """
        return await self._database.value(
            """
            -- Only one sender can take the video out of the queue.
            WITH moved AS (
                UPDATE videos
                SET status = 'in_progress', started_at = coalesce(started_at, now()), attempts = attempts + 1
                WHERE id = $2 AND status = 'queued' AND admitted_at IS NOT NULL
                  AND NOT EXISTS (SELECT 1 FROM stopped_accounts s WHERE s.account = $5)
                  AND ($11::text IS NULL OR database_incarnation() = $11)
                RETURNING id, attempts
            )
            INSERT INTO attempts (
                id, video_id, ordinal, provider, provider_model, account, state, body, sent_by,
                lease_until, quiet_at, price_micros)
            SELECT $1, id, attempts, $3, $4, $5, 'sending', $6, $7, now() + $8::interval,
                   now() + $8::interval + $9::interval, $10
            FROM moved
            RETURNING sent_at
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
            intent.incarnation,
        )

    async def is_sending(self, attempt_id: str) -> bool:
        """Tell whether the intent to send is there, and nobody holds its outcome for unknown yet."""
        return bool(
            await self._database.value(
                "SELECT 1 FROM attempts WHERE id = $1 AND state = 'sending' AND lease_until > now()",
                attempt_id,
            )
        )

    async def accept(self, attempt_id: str, provider_job_id: str, first_poll: timedelta) -> bool:
        """Bind the attempt to its provider job: a positive fact, valid over whatever was believed before.

        False where the attempt has a job already, or where another attempt has taken its place. It is false
        as well where the job is another attempt's: then this one is parked, with what was said of it.
        """
        try:
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
        except RowRejected:
            await self._park_disputed(attempt_id, provider_job_id)
            return False

    async def _park_disputed(self, attempt_id: str, provider_job_id: str) -> None:
        """Leave an attempt to an operator whose job, by its provider's word, is that of another attempt."""
        reason = f"the provider named job {provider_job_id[:200]} for it, which another attempt has"
        async with self._database.transaction() as session:
            await session.execute(
                "UPDATE attempts SET state = 'unknown' WHERE id = $1 AND state = 'sending'", attempt_id
            )
            await session.execute(
                "UPDATE attempts SET state = 'parked', reason = $2 WHERE id = $1 AND state = 'unknown'",
                attempt_id,
                storable(reason),
            )

    async def rebind(self, attempt_id: str, provider_job_id: str) -> bool:
        """Bind an accepted attempt to the job that the create's own answer names, whoever named another.

        False where the attempt has that job already, or has ended, or where the job is another attempt's.
        """
        try:
            tag = await self._database.execute(
                """
                UPDATE attempts SET provider_job_id = $2, next_poll_at = now()
                WHERE id = $1 AND state = 'accepted' AND provider_job_id <> $2
                """,
                attempt_id,
                provider_job_id,
            )
        except RowRejected:
            return False
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

    async def reconcile_strays(self, older_than: timedelta) -> None:
        """Enqueue the looking into of unknown attempts that nobody is looking into any more."""
        async with self._database.transaction() as session:
            rows = await session.fetch(
                "SELECT id FROM attempts WHERE state = 'unknown' AND quiet_at < now() - $1::interval",
                older_than,
            )
            await enqueue(session, Step.RECONCILE, [row["id"] for row in rows])
