"""Keep deliveries; they are written by the database with the changes they tell of (migrations 0003, 0008)."""

from collections.abc import Sequence
from datetime import timedelta

from filmgate.domain.webhook import Delivery
from filmgate.infrastructure.database import Database, Record


class WebhookRepository:
    """Read and change deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim_due(self, limit: int, lease: timedelta) -> Sequence[Delivery]:
        """Take deliveries that are due, counting a try; unless reported on, they are due again later."""
        rows = await self._database.fetch(
            """
            -- Two workers never take the same delivery.
            WITH due AS (
                SELECT id, endpoint_id FROM deliveries WHERE state = 'pending' AND next_try_at <= now()
                ORDER BY next_try_at LIMIT $1
                FOR UPDATE SKIP LOCKED
            )
            UPDATE deliveries d SET next_try_at = now() + $2::interval, tries = d.tries + 1
            FROM due LEFT JOIN webhook_endpoints e ON e.id = due.endpoint_id
            WHERE d.id = due.id
            RETURNING d.id, d.subject, d.project, d.event, coalesce(e.url, d.url) AS url, d.tries,
                      d.tries_before, d.created_at, d.endpoint_id, e.secret,
                      CASE WHEN e.old_secret_until > now() THEN e.old_secret END AS old_secret
            """,
            limit,
            lease,
        )
        return [_delivery_of(row) for row in rows]

    async def succeed(self, delivery: Delivery, status: int) -> None:
        """Record that a delivery has arrived."""
        await self._database.execute(
            """
            WITH tried AS (
                INSERT INTO delivery_tries (delivery_id, number, status) VALUES ($1, $2, $3)
                ON CONFLICT DO NOTHING
            ),
            well AS (
                UPDATE webhook_endpoints SET failing_since = NULL WHERE id = $4 AND failing_since IS NOT NULL
            )
            UPDATE deliveries
            SET state = 'delivered', last_status = $3, last_error = NULL, ended_at = now()
            WHERE id = $1 AND state = 'pending'
            """,
            delivery.id,
            delivery.tries,
            status,
            delivery.endpoint_id,
        )

    async def fail(
        self, delivery: Delivery, status: int | None, reason: str, again_in: timedelta | None
    ) -> None:
        """Record a try that failed; without a next one the delivery is given up."""
        await self._database.execute(
            """
            WITH tried AS (
                INSERT INTO delivery_tries (delivery_id, number, status, error) VALUES ($1, $2, $3, $4)
                ON CONFLICT DO NOTHING
            ),
            ill AS (
                UPDATE webhook_endpoints SET failing_since = now() WHERE id = $6 AND failing_since IS NULL
            )
            UPDATE deliveries
            SET last_status = $3, last_error = $4,
                state = CASE WHEN $5::interval IS NULL THEN 'exhausted' ELSE state END,
                ended_at = CASE WHEN $5::interval IS NULL THEN now() END,
                next_try_at = coalesce(now() + $5::interval, next_try_at)
            WHERE id = $1 AND state = 'pending'
            """,
            delivery.id,
            delivery.tries,
            status,
            reason,
            again_in,
            delivery.endpoint_id,
        )

    async def prune(self, age: timedelta) -> None:
        """Forget deliveries that ended longer ago."""
        await self._database.execute("DELETE FROM deliveries WHERE ended_at < now() - $1::interval", age)


def _delivery_of(row: Record) -> Delivery:
    return Delivery(
        id=row["id"],
        subject=row["subject"],
        project=row["project"],
        event=row["event"],
        url=row["url"],
        tries=row["tries"],
        tries_before=row["tries_before"],
        created_at=row["created_at"],
        endpoint_id=row["endpoint_id"],
        keys=tuple(key for key in (row["secret"], row["old_secret"]) if key is not None),
    )
