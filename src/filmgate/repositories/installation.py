"""Keep what makes this installation itself: its id and the secret that signs its links."""

from dataclasses import dataclass

from filmgate.infrastructure.database import Database


@dataclass(frozen=True, slots=True)
class Installation:
    """This installation; ``link_secret`` is 32 random bytes."""

    id: str
    link_secret: bytes


class InstallationRepository:
    """Read the installation's row, and write it once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ensure(self, proposed: Installation) -> Installation:
        """Return the installation, which is the proposed one only where there was none."""
        await self._database.execute(
            "INSERT INTO installation (id, link_secret) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            proposed.id,
            proposed.link_secret,
        )
        row = await self._database.row("SELECT id, link_secret FROM installation")
        assert row is not None
        return Installation(row["id"], row["link_secret"])

    async def check(self) -> None:
        """Read one row, to see that the database answers."""
        await self._database.value("SELECT 1 FROM installation")
