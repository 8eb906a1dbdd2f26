"""Keep the list of workers that are at work."""

from datetime import timedelta

from filmgate.infrastructure.database import Database


class WorkerRepository:
    """Read and change the list of workers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, worker_id: str, host: str, pid: int) -> None:
        """Say that a worker is alive."""
        await self._database.execute(
            """
            INSERT INTO workers (id, host, pid) VALUES ($1, $2, $3)
            ON CONFLICT (id) DO UPDATE SET seen_at = now()
            """,
            worker_id,
            host,
            pid,
        )

    async def leave(self, worker_id: str) -> None:
        """Take a worker off the list."""
        await self._database.execute("DELETE FROM workers WHERE id = $1", worker_id)

    async def count_alive(self, within: timedelta) -> int:
        """Return how many workers have reported within that time."""
        return int(
            await self._database.value(
                "SELECT count(*) FROM workers WHERE seen_at > now() - $1::interval", within
            )
        )

    async def prune(self, older_than: timedelta) -> None:
        """Take workers off the list that have not reported for that long."""
        await self._database.execute("DELETE FROM workers WHERE seen_at < now() - $1::interval", older_than)
