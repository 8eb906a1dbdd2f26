"""Bring the database's schema up to date: forward only, under a lock, checked by checksum."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import asyncpg
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries

from filmgate.domain.errors import FilmgateError, SchemaTooNew
from filmgate.infrastructure.database import Database, Record, Session

_log = structlog.get_logger(__name__)
_LOCK = 0x66_69_6C_6D  # "film": the advisory lock that serialises migrations
_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_OLDEST_POSTGRESQL = 140_000


class MigrationChanged(FilmgateError):
    """A migration that was already applied reads differently now."""


class MigrationFailed(FilmgateError):
    """PostgreSQL refused a migration; nothing of it was kept."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of its text, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path) -> list[Migration]:
    """Return the migrations in a folder, in order; their numbers must have no gap."""
    found = [
        Migration(int(match[1]), match[2], path.read_text(encoding="utf-8"))
        for path in sorted(folder.iterdir())
        if (match := _NAME.match(path.name))
    ]
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise FilmgateError(f"The migrations in {folder.name} are not numbered without a gap.")
    return found


async def migrate(database: Database, migrations: Sequence[Migration]) -> int:
    """Apply what is missing and return how many steps that was.

    Several processes may call this at once: one applies, the others wait and find nothing to do.
    """
    async with database.session() as session:
        await session.execute("SELECT pg_advisory_lock($1)", _LOCK)
        try:
            await _refuse_old_server(session)
            applied = await _applied(session)
            _refuse_unknown(applied, migrations)
            pending = [migration for migration in migrations if migration.version not in applied]
            for migration in pending:
                await _apply(session, migration)
            await _install_queue(session)
        finally:
            await session.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return len(pending)


async def _refuse_old_server(session: Session) -> None:
    version = int(await session.value("SELECT current_setting('server_version_num')"))
    if version < _OLDEST_POSTGRESQL:
        raise FilmgateError(f"PostgreSQL {version // 10_000} is too old for filmgate; use 14 or newer.")


async def _applied(session: Session) -> dict[int, str]:
    await session.execute(
        """
        CREATE TABLE IF NOT EXISTS schema_migrations (
            version integer PRIMARY KEY,
            name text NOT NULL,
            checksum text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    rows = await session.fetch("SELECT version, checksum FROM schema_migrations ORDER BY version")
    return {row["version"]: row["checksum"] for row in rows}


def _refuse_unknown(applied: dict[int, str], migrations: Sequence[Migration]) -> None:
    newest = len(migrations)
    if applied and max(applied) > newest:
        raise SchemaTooNew(
            f"The database has schema {max(applied)}, this filmgate knows {newest} at most: it was migrated "
            "by a newer release. Start that release, or restore a backup from before the upgrade."
        )
    for migration in migrations:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise MigrationChanged(
                f"Migration {migration.version:04} ({migration.name}) reads differently from when it was "
                "applied. Install the release that applied it, unchanged."
            )


async def _apply(session: Session, migration: Migration) -> None:
    try:
        await _apply_whole(session, migration)
    except asyncpg.PostgresError as error:
        raise MigrationFailed(
            f"Migration {migration.version:04} ({migration.name}) was not applied, nothing of it was kept: "
            f"{error}. Mend what it names and start again."
        ) from error
    _log.info("migration_applied", version=migration.version, name=migration.name)


async def _apply_whole(session: Session, migration: Migration) -> None:
    async with session.connection.transaction():
        await session.execute("SET LOCAL lock_timeout = '10s'")
        await session.script(migration.sql)
        await session.execute(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.checksum,
        )


async def _install_queue(session: Session) -> None:
    """Let PgQueuer create its own tables, or bring them up to the installed release."""
    driver = AsyncpgDriver(cast("asyncpg.Connection[Record]", session.connection))
    queries = Queries(driver)
    if await queries.schema_is_installed():
        await queries.apply_upgrade()
    else:
        await queries.install()
