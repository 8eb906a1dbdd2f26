"""Keep deliveries; they are written by the database with the changes they tell of (migration 0003)."""

from collections.abc import Sequence
from datetime import timedelta

from filmgate.domain.webhook import Delivery
from filmgate.infrastructure.database import Database


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
                SELECT id FROM deliveries WHERE state = 'pending' AND next_try_at <= now()
                ORDER BY next_try_at LIMIT $1
                FOR UPDATE SKIP LOCKED
            )
            UPDATE deliveries d SET next_try_at = now() + $2::interval, tries = d.tries + 1
            FROM due WHERE d.id = due.id
            RETURNING d.id, d.subject, d.project, d.event, d.url, d.tries, d.created_at
            """,
            limit,
            lease,
        )
        return [
            Delivery(
                row["id"],
                row["subject"],
                row["project"],
                row["event"],
                row["url"],
                row["tries"],
                row["created_at"],
            )
            for row in rows
        ]

    async def succeed(self, delivery_id: str, status: int) -> None:
        """Record that a delivery has arrived."""
        await self._database.execute(
            """
            UPDATE deliveries
            SET state = 'delivered', last_status = $2, last_error = NULL, ended_at = now()
            WHERE id = $1 AND state = 'pending'
            """,
            delivery_id,
            status,
        )

    async def fail(
        self, delivery_id: str, status: int | None, reason: str, again_in: timedelta | None
    ) -> None:
        """Record a try that failed; without a next one the delivery is given up."""
        await self._database.execute(
            """
            UPDATE deliveries
            SET last_status = $2, last_error = $3,
                state = CASE WHEN $4::interval IS NULL THEN 'exhausted' ELSE state END,
                ended_at = CASE WHEN $4::interval IS NULL THEN now() END,
                next_try_at = coalesce(now() + $4::interval, next_try_at)
            WHERE id = $1 AND state = 'pending'
            """,
            delivery_id,
            status,
            reason,
            again_in,
        )
