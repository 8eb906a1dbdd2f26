"""Keep characters."""

from collections.abc import Sequence

from filmgate.domain.character import Character
from filmgate.infrastructure.database import Database, Record, Session


class CharacterRepository:
    """Read and insert characters; nothing about one ever changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, character: Character, session: Session | None = None) -> None:
        """Insert a new character; harmless when repeated."""
        await (session or self._database).execute(
            """
            INSERT INTO characters (
                id, project, key_id, name, asset, seconds, width, height, size_bytes, sha256, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT (id) DO NOTHING
            """,
            character.id,
            character.project,
            character.key_id,
            character.name,
            character.asset,
            character.seconds,
            character.width,
            character.height,
            character.size_bytes,
            character.sha256,
            character.created_at,
        )

    async def get_many(self, project: str, ids: Sequence[str]) -> Sequence[Character | None]:
        """Return the project's characters with these ids, in order, None where there is none."""
        rows = await self._database.fetch(
            """
            SELECT id, project, key_id, name, asset, seconds, width, height, size_bytes, sha256, created_at
            FROM characters WHERE project = $1 AND id = ANY($2::text[])
            """,
            project,
            list(ids),
        )
        found = {row["id"]: _character_of(row) for row in rows}
        return [found.get(name) for name in ids]


def _character_of(row: Record) -> Character:
    return Character(
        id=row["id"],
        project=row["project"],
        key_id=row["key_id"],
        name=row["name"],
        asset=row["asset"],
        seconds=row["seconds"],
        width=row["width"],
        height=row["height"],
        size_bytes=row["size_bytes"],
        sha256=row["sha256"],
        created_at=row["created_at"],
    )
