"""Keep keys, by the SHA-256 of their secrets."""

from collections.abc import Sequence

from filmgate.domain.key import Key
from filmgate.infrastructure.database import Database, Record, changed


class KeyRepository:
    """Read and change keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, key: Key, fingerprint: bytes) -> Key:
        """Insert a key and return it with its time of creation."""
        row = await self._database.row(
            """
            INSERT INTO keys (id, name, project, hint, fingerprint) VALUES ($1, $2, $3, $4, $5)
            RETURNING id, name, project, hint, created_at, revoked_at, last_used_at
            """,
            key.id,
            key.name,
            key.project,
            key.hint,
            fingerprint,
        )
        assert row is not None
        return _key_of(row)

    async def find(self, fingerprint: bytes) -> Key | None:
        """Return the key with this fingerprint unless it was revoked."""
        row = await self._database.row(
            """
            SELECT id, name, project, hint, created_at, revoked_at, last_used_at
            FROM keys WHERE fingerprint = $1 AND revoked_at IS NULL
            """,
            fingerprint,
        )
        return None if row is None else _key_of(row)

    async def list(self) -> Sequence[Key]:
        """Return all keys, oldest first."""
        rows = await self._database.fetch(
            "SELECT id, name, project, hint, created_at, revoked_at, last_used_at FROM keys ORDER BY id"
        )
        return [_key_of(row) for row in rows]

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key; tell whether it was there and open."""
        tag = await self._database.execute(
            "UPDATE keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", key_id
        )
        return changed(tag) == 1

    async def touch(self, key_ids: Sequence[str]) -> None:
        """Record that keys are in use, to the minute."""
        await self._database.execute(
            """
            UPDATE keys SET last_used_at = now()
            WHERE id = ANY($1::text[])
              AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
            """,
            list(key_ids),
        )


def _key_of(row: Record) -> Key:
    return Key(
        id=row["id"],
        name=row["name"],
        project=row["project"],
        hint=row["hint"],
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
