"""Walk the real services while the database goes back, under senders that know nothing of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from filmgate.infrastructure.database import Database
from filmgate.infrastructure.journal import SendJournal
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.restores import RestoreRepository
from filmgate.services.guarding import RestoreGuard
from tests.integration.billing import Evidence
from tests.integration.submit_walks import WORKERS, Action, SubmitWalk, open_services

QUIET = timedelta(minutes=10)
_KEPT = ("videos", "attempts", "holds", "ledger", "pgqueuer", "restored_sends", "restore_guard")


async def exchange(database: Database) -> None:
    """Give every table back what the last backup of it holds; the processes are not asked."""
    async with database.transaction() as session:
        await session.execute("SET LOCAL session_replication_role = replica")
        for table in _KEPT:
            await session.execute(cast("Any", f"TRUNCATE {table} CASCADE"))
        for table in _KEPT:
            copy = f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{table}"
            await session.execute(cast("Any", copy))


async def back_up(database: Database) -> None:
    """Keep a copy of every table."""
    async with database.transaction() as session:
        for table in _KEPT:
            await session.execute(cast("Any", f"DROP TABLE IF EXISTS kept_{table}"))
            await session.execute(cast("Any", f"CREATE TABLE kept_{table} AS TABLE {table}"))


@dataclass
class RestoreWalk(SubmitWalk):
    """A walk in which the database goes back once to a backup that was taken on the way."""

    guards: list[RestoreGuard] = field(default_factory=list)
    restored: bool = False

    async def start(self, count: int) -> None:
        """Begin with videos that wait, and a backup of that."""
        for table in ("restored_sends", "restore_guard"):
            await self._execute(f"DELETE FROM {table}")
        await super().start(count)
        for guard in self.guards:
            await guard.verify()
        await back_up(self.services.database)

    def _possible(self) -> Iterator[Iterable[Action]]:
        yield from super()._possible()
        if not self.restored:
            yield [("a backup is taken", self._back_up), ("the database goes back", self._go_back)]
        else:
            yield [("the operator lets sending go on", self._resume)]

    async def _back_up(self) -> None:
        await back_up(self.services.database)

    async def _go_back(self) -> None:
        """Restore, and have one process notice; the others notice when they send."""
        self.restored = True
        await exchange(self.services.database)
        await self.guards[0].verify()

    async def _resume(self) -> None:
        await RestoreRepository(self.services.database).release()


def open_restore_walk(database: Database, folder: Path, evidence: Evidence) -> RestoreWalk:
    """Return a walk whose workers keep their journals in a folder that nobody has used."""
    guards = [
        RestoreGuard(
            RestoreRepository(database),
            AttemptRepository(database),
            SendJournal(folder / "sends", f"worker_{number}"),
            {"first": QUIET, "second": QUIET},
        )
        for number in range(WORKERS)
    ]
    return RestoreWalk(open_services(database, folder, evidence, guards), guards=guards)
