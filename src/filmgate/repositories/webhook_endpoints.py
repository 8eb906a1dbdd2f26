"""Keep webhook endpoints and show what was told to them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from filmgate.domain.webhook import DeliveryState
from filmgate.domain.webhook_endpoint import DeliveryTry, LoggedDelivery, WebhookEndpoint
from filmgate.infrastructure.database import Database, Record, Session, changed


class WebhookEndpointRepository:
    """Read and change endpoints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, endpoint: WebhookEndpoint, limit: int, session: Session | None = None) -> bool:
        """Keep an endpoint unless its project has as many already; harmless when repeated."""
        if session is not None:
            return await self._insert(endpoint, limit, session)
        async with self._database.transaction() as own:
            return await self._insert(endpoint, limit, own)

    async def _insert(self, endpoint: WebhookEndpoint, limit: int, session: Session) -> bool:
        # Two that are made at once must not both be the last there is room for.
        await session.execute("SELECT pg_advisory_xact_lock(hashtext('endpoints ' || $1))", endpoint.project)
        tag = await session.execute(
            """
            INSERT INTO webhook_endpoints
                (id, project, name, url, event_types, secret, created_at, updated_at)
            SELECT $1, $2, $3, $4, $5::text[], $6, $7, $7
            WHERE (SELECT count(*) FROM webhook_endpoints WHERE project = $2 AND id <> $1) < $8
            ON CONFLICT (id) DO UPDATE SET name = excluded.name
            """,
            endpoint.id,
            endpoint.project,
            endpoint.name,
            endpoint.url,
            list(endpoint.event_types),
            endpoint.secret,
            endpoint.created_at,
            limit,
        )
        return changed(tag) == 1

    async def get(self, project: str, endpoint_id: str) -> WebhookEndpoint | None:
        """Return one endpoint of a project."""
        row = await self._database.row(
            """
            SELECT id, project, name, url, event_types, secret, created_at, updated_at,
                   failing_since, disabled_at, disabled_reason
            FROM webhook_endpoints WHERE id = $2 AND project = $1
            """,
            project,
            endpoint_id,
        )
        return None if row is None else _endpoint_of(row)

    async def list(self, project: str, after: str | None, limit: int) -> Sequence[WebhookEndpoint]:
        """Return up to ``limit`` endpoints of a project, newest first, from beyond the id ``after``."""
        rows = await self._database.fetch(
            """
            SELECT id, project, name, url, event_types, secret, created_at, updated_at,
                   failing_since, disabled_at, disabled_reason
            FROM webhook_endpoints WHERE project = $1 AND ($2::text IS NULL OR id < $2)
            ORDER BY id DESC LIMIT $3
            """,
            project,
            after,
            limit,
        )
        return [_endpoint_of(row) for row in rows]

    async def update(
        self,
        project: str,
        endpoint_id: str,
        name: str | None,
        url: str | None,
        event_types: Sequence[str] | None,
    ) -> WebhookEndpoint | None:
        """Change what is given; a change, and nothing less, also enables an endpoint again."""
        row = await self._database.row(
            """
            UPDATE webhook_endpoints
            SET name = coalesce($3, name), url = coalesce($4, url),
                event_types = coalesce($5::text[], event_types), updated_at = now(),
                failing_since = NULL, disabled_at = NULL, disabled_reason = NULL
            WHERE id = $2 AND project = $1
            RETURNING id, project, name, url, event_types, secret, created_at, updated_at,
                      failing_since, disabled_at, disabled_reason
            """,
            project,
            endpoint_id,
            name,
            url,
            None if event_types is None else list(event_types),
        )
        return None if row is None else _endpoint_of(row)

    async def rotate(
        self, project: str, endpoint_id: str, secret: bytes, overlap: timedelta | None
    ) -> WebhookEndpoint | None:
        """Sign with another secret; the old one signs too for as long as ``overlap`` says."""
        row = await self._database.row(
            """
            UPDATE webhook_endpoints
            SET secret = $3, updated_at = now(),
                old_secret = CASE WHEN $4::interval IS NOT NULL THEN secret END,
                old_secret_until = now() + $4::interval
            WHERE id = $2 AND project = $1
            RETURNING id, project, name, url, event_types, secret, created_at, updated_at,
                      failing_since, disabled_at, disabled_reason
            """,
            project,
            endpoint_id,
            secret,
            overlap,
        )
        return None if row is None else _endpoint_of(row)

    async def delete(self, project: str, endpoint_id: str) -> bool:
        """Forget an endpoint and what was told to it; tell whether it was there."""
        return await self._database.value(
            """
            WITH gone AS (DELETE FROM webhook_endpoints WHERE id = $2 AND project = $1 RETURNING id),
                 untold AS (DELETE FROM deliveries d USING gone WHERE d.endpoint_id = gone.id)
            SELECT EXISTS (SELECT 1 FROM gone)
            """,
            project,
            endpoint_id,
        )

    async def disable(self, endpoint_id: str, reason: str, patience: timedelta | None) -> bool:
        """Tell an endpoint nothing more, at once or if nothing has arrived for so long.

        What waits for it is given up, and can be sent again. Return whether it was disabled by this.
        """
        return await self._database.value(
            """
            WITH gone AS (
                UPDATE webhook_endpoints SET disabled_at = now(), disabled_reason = $2
                WHERE id = $1 AND disabled_at IS NULL
                  AND ($3::interval IS NULL OR failing_since < now() - $3::interval)
                RETURNING id
            ),
            dropped AS (
                UPDATE deliveries d
                SET state = 'exhausted', last_error = 'the endpoint was disabled', ended_at = now()
                FROM gone WHERE d.endpoint_id = gone.id AND d.state = 'pending'
            )
            SELECT EXISTS (SELECT 1 FROM gone)
            """,
            endpoint_id,
            reason,
            patience,
        )

    async def deliveries(
        self, endpoint_id: str, state: str | None, after: str | None, limit: int
    ) -> Sequence[LoggedDelivery]:
        """Return up to ``limit`` deliveries to an endpoint, newest first, without their tries."""
        rows = await self._database.fetch(
            """
            SELECT id, endpoint_id, subject, event, state, created_at, next_try_at, ended_at
            FROM deliveries d
            WHERE endpoint_id = $1 AND ($2::text IS NULL OR state = $2)
              AND ($3::text IS NULL
                   OR (created_at, id) < (SELECT created_at, id FROM deliveries
                                          WHERE id = $3 AND endpoint_id = $1))
            ORDER BY created_at DESC, id DESC LIMIT $4
            """,
            endpoint_id,
            state,
            after,
            limit,
        )
        return [_logged(row) for row in rows]

    async def delivery(self, endpoint_id: str, delivery_id: str) -> LoggedDelivery | None:
        """Return one delivery to an endpoint and every try of it."""
        row = await self._database.row(
            """
            SELECT id, endpoint_id, subject, event, state, created_at, next_try_at, ended_at
            FROM deliveries WHERE id = $2 AND endpoint_id = $1
            """,
            endpoint_id,
            delivery_id,
        )
        if row is None:
            return None
        tries = await self._database.fetch(
            "SELECT number, at, status, error FROM delivery_tries WHERE delivery_id = $1 ORDER BY number",
            delivery_id,
        )
        tried = tuple(DeliveryTry(one["number"], one["at"], one["status"], one["error"]) for one in tries)
        return replace(_logged(row), tries=tried)

    async def resend(self, endpoint_id: str, delivery_id: str) -> bool:
        """Have a delivery tried again now, from the first of its tries; tell whether it was there."""
        tag = await self._database.execute(
            """
            UPDATE deliveries
            SET state = 'pending', next_try_at = now(), ended_at = NULL, tries_before = tries
            WHERE id = $2 AND endpoint_id = $1
            """,
            endpoint_id,
            delivery_id,
        )
        return changed(tag) == 1


def _endpoint_of(row: Record) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=row["id"],
        project=row["project"],
        name=row["name"],
        url=row["url"],
        event_types=tuple(row["event_types"]),
        secret=row["secret"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        failing_since=row["failing_since"],
        disabled_at=row["disabled_at"],
        disabled_reason=row["disabled_reason"],
    )


def _logged(row: Record) -> LoggedDelivery:
    state = DeliveryState(row["state"])
    return LoggedDelivery(
        id=row["id"],
        endpoint_id=row["endpoint_id"],
        subject=row["subject"],
        event=row["event"],
        state=state,
        created_at=row["created_at"],
        next_try_at=row["next_try_at"] if state is DeliveryState.PENDING else None,
        ended_at=row["ended_at"],
    )
