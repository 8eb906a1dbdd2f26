"""Keep what a create is recognised by when it comes a second time."""

from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from filmgate.domain.errors import StillBeingCreated
from filmgate.domain.idempotency import KEY_KEPT, RETRY_WINDOW, Claim, CountedCreate, First, KeyedCreate
from filmgate.infrastructure.database import Database, Record, Session

Insert = Callable[[Session], Awaitable[None]]

_LATE = "Another one like it has overtaken this request; nothing was done for this one. Send it again."


class IdempotencyRepository:
    """Read and change the marks of creates."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- creates with a key ---

    async def find(self, project: str, route: str, key: str) -> KeyedCreate | None:
        """Return the create that a key stands for."""
        row = await self._database.row(
            """
            SELECT fingerprint, subject, terms FROM idempotency_keys
            WHERE project = $1 AND route = $2 AND key = $3 AND created_at > now() - $4::interval
            """,
            project,
            route,
            key,
            KEY_KEPT,
        )
        return None if row is None else _keyed(project, route, key, row)

    async def keep(self, create: KeyedCreate, insert: Insert) -> KeyedCreate:
        """Take the key and insert what was made, in one transaction; return the create that has the key.

        Where that is another one, nothing is inserted. One that is just taking the key is waited for
        briefly, then StillBeingCreated is raised. Harmless when repeated.
        """
        try:
            async with self._database.transaction() as session:
                holder = await self._take(session, create)
                if holder.first.subject == create.first.subject:
                    await insert(session)
                return holder
        except asyncpg.LockNotAvailableError:
            message = "A request with the same Idempotency-Key is being carried out. Send it again soon."
            raise StillBeingCreated(message) from None

    async def _take(self, session: Session, create: KeyedCreate) -> KeyedCreate:
        given = (create.project, create.route, create.key)
        first = create.first
        taken = await session.row(
            """
            -- Only the key is waited for briefly: what follows in this transaction has its own patience.
            WITH patience AS (SELECT set_config('lock_timeout', '2s', true))
            INSERT INTO idempotency_keys AS k (project, route, key, fingerprint, subject, terms)
            SELECT $1, $2, $3, $4, $5, $6::text::jsonb FROM patience
            -- A key whose time is over stands for nothing any more, even before it is cleared away.
            ON CONFLICT (project, route, key) DO UPDATE
                SET fingerprint = excluded.fingerprint, subject = excluded.subject, terms = excluded.terms,
                    created_at = excluded.created_at
                WHERE k.created_at <= now() - $7::interval
            RETURNING set_config('lock_timeout', '0', true)
            """,
            *given,
            create.fingerprint,
            first.subject,
            first.terms,
            KEY_KEPT,
        )
        if taken is not None:
            return create
        row = await session.row(
            """
            SELECT fingerprint, subject, terms, set_config('lock_timeout', '0', true) FROM idempotency_keys
            WHERE project = $1 AND route = $2 AND key = $3
            """,
            *given,
        )
        if row is None:
            raise StillBeingCreated("The Idempotency-Key was given up just now. Send the request again.")
        return _keyed(*given, row)

    # --- creates without a key, by clients that count ---

    async def begin(self, creates: Sequence[CountedCreate]) -> None:
        """Write down that these are about to be carried out; lost with the server, they are not."""
        await self._database.execute(
            """
            WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
            INSERT INTO counted_creates (id, key_id, route, fingerprint, tries, state)
            SELECT n.id, n.key_id, n.route, n.fingerprint, n.tries, 'begun'
            FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::integer[])
                AS n (id, key_id, route, fingerprint, tries), quick
            ON CONFLICT (id) DO NOTHING
            """,
            [create.id for create in creates],
            [create.key_id for create in creates],
            [create.route for create in creates],
            [create.fingerprint for create in creates],
            [create.tries for create in creates],
        )

    async def forget(self, create_id: str) -> None:
        """Forget a create that was refused before anything was made."""
        await self._database.execute(
            "DELETE FROM counted_creates WHERE id = $1 AND state = 'begun'", create_id
        )

    async def carry_out(self, create: CountedCreate, first: First, insert: Insert) -> None:
        """Insert what was made, in one transaction with where it is found; harmless when repeated.

        Raises StillBeingCreated and inserts nothing if a retry has overtaken it meanwhile.
        """
        async with self._database.transaction() as session:
            row = await session.row(
                """
                UPDATE counted_creates
                SET state = 'open', subject = $2, terms = $3::text::jsonb, changed_at = now()
                WHERE id = $1 AND (state = 'begun' OR subject = $2)
                RETURNING id
                """,
                create.id,
                first.subject,
                first.terms,
            )
            if row is None:
                raise StillBeingCreated(_LATE)
            await insert(session)

    async def claim(self, retry: CountedCreate, *, open_for: float, begun_for: float) -> Claim | None:
        """Take what an earlier try of this retry may have made; None if there is nothing to take.

        An answer that is on its way for less than ``open_for`` seconds may still arrive, and a create that
        has been going on for less than ``begun_for`` may still be made; one that takes longer is overtaken.
        """
        async with self._database.transaction() as session:
            # Retries of the same thing come one after the other; a commit under way is waited for.
            await session.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(encode($1::bytea, 'hex'), 0))",
                retry.fingerprint,
            )
            row = await self._candidate(session, retry, open_for, begun_for)
            if row is None:
                return None
            if row["fresh"]:
                return Claim(row["id"], None)
            if row["state"] == "begun":
                await session.execute("DELETE FROM counted_creates WHERE id = $1", row["id"])
                return None
            await session.execute(
                "UPDATE counted_creates SET state = 'open', tries = $2, changed_at = now() WHERE id = $1",
                row["id"],
                retry.tries,
            )
            return Claim(row["id"], First(row["subject"], row["terms"]))

    async def _candidate(
        self, session: Session, retry: CountedCreate, open_for: float, begun_for: float
    ) -> Record | None:
        return await session.row(
            """
            SELECT id, state, subject, terms,
                   CASE state WHEN 'lost' THEN false
                       WHEN 'open' THEN changed_at > clock_timestamp() - make_interval(secs => $6)
                       ELSE changed_at > clock_timestamp() - make_interval(secs => $7) END AS fresh
            FROM counted_creates
            WHERE fingerprint = $1 AND key_id = $2 AND route = $3 AND state <> 'answered'
              -- Whoever came later in its own row of tries did not get this one's answer.
              AND tries < $4 AND created_at > now() - $5::interval
            ORDER BY state = 'lost' DESC, state = 'open' DESC, tries DESC, created_at LIMIT 1
            FOR UPDATE
            """,
            retry.fingerprint,
            retry.key_id,
            retry.route,
            retry.tries,
            RETRY_WINDOW,
            open_for,
            begun_for,
        )

    async def settle(self, outcomes: Sequence[tuple[str, int, bool]]) -> None:
        """Write down whether the answers to these tries left us whole."""
        await self._database.execute(
            """
            WITH quick AS (SELECT set_config('synchronous_commit', 'off', true)),
            told AS (
                SELECT n.id, n.whole FROM unnest($1::text[], $2::integer[], $3::boolean[])
                    AS n (id, tries, whole)
                -- What a later try has taken over is that one's to settle.
                JOIN counted_creates c ON c.id = n.id AND c.tries = n.tries
                ORDER BY n.id FOR UPDATE OF c
            )
            UPDATE counted_creates c
            SET state = CASE WHEN told.whole THEN 'answered' ELSE 'lost' END, changed_at = now()
            FROM told, quick WHERE c.id = told.id AND c.state <> 'begun'
            """,
            [name for name, _, _ in outcomes],
            [tries for _, tries, _ in outcomes],
            [whole for _, _, whole in outcomes],
        )

    # --- both ---

    async def prune(self) -> None:
        """Remove what is recognised no longer."""
        await self._database.execute(
            "DELETE FROM idempotency_keys WHERE created_at <= now() - $1::interval", KEY_KEPT
        )
        await self._database.execute(
            "DELETE FROM counted_creates WHERE created_at <= now() - $1::interval", RETRY_WINDOW
        )


def _keyed(project: str, route: str, key: str, row: Record) -> KeyedCreate:
    return KeyedCreate(project, route, key, row["fingerprint"], First(row["subject"], row["terms"]))
