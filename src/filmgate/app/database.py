"""Open the database, and what lies in it for good: keys, and what makes this installation itself."""

import asyncio
import hashlib
import hmac
import os
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TypeVar

import asyncpg
import structlog

from filmgate.domain.errors import BadSettings, DatabaseUnavailable
from filmgate.domain.ids import new_id
from filmgate.domain.key import new_secret
from filmgate.domain.webhook import read_secret, written_secret
from filmgate.infrastructure.database import Database
from filmgate.infrastructure.embedded_postgres import EmbeddedPostgres
from filmgate.infrastructure.migrations import migrate, read_migrations
from filmgate.repositories.attempts import AttemptRepository
from filmgate.repositories.budgets import BudgetRepository
from filmgate.repositories.installation import Installation, InstallationRepository
from filmgate.repositories.keys import KeyRepository
from filmgate.repositories.restores import RestoreRepository
from filmgate.repositories.unsettled import UnsettledRepository
from filmgate.services.budgets import BudgetService
from filmgate.services.guarding import RecoveryService
from filmgate.services.keys import KeyService
from filmgate.services.operating import OperatingService
from filmgate.settings import Settings

T = TypeVar("T")
_log = structlog.get_logger(__name__)

MIGRATIONS = Path(__file__).parent.parent / "repositories" / "migrations"
_LOOK_AGAIN_SECONDS = 1.0


@asynccontextmanager
async def open_database(
    settings: Settings, *, wait_seconds: float = 0, stop: asyncio.Event | None = None
) -> AsyncGenerator[tuple[Database, int], None]:
    """Open the database, our own or the one that was named, with its schema up to date.

    One that is away is waited for that long, or until ``stop`` is set.
    """
    # Others may look in: PostgreSQL does, where filmgate runs as root and it may not.
    settings.data.mkdir(mode=0o755, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        dsn = settings.database_url
        if dsn is None:
            server = EmbeddedPostgres(settings.data, binaries=settings.postgres_binaries)
            stack.push_async_callback(server.stop)
            dsn = await server.start()
        database = Database(dsn)
        stack.push_async_callback(database.close)
        schema = read_migrations(MIGRATIONS)

        async def enter() -> None:
            await database.close()
            await _enter(database)
            await migrate(database, schema)

        await once_there(enter, wait_seconds, stop)
        yield database, len(schema)


async def once_there(
    work: Callable[[], Awaitable[T]], wait_seconds: float, stop: asyncio.Event | None = None
) -> T:
    """Do what needs the database, and again while it is away, for that long at most or until ``stop``."""
    stopped = stop or asyncio.Event()
    deadline = monotonic() + wait_seconds
    while True:
        try:
            return await work()
        except DatabaseUnavailable as error:
            left = deadline - monotonic()
            if left <= 0 or stopped.is_set():
                raise
            _log.warning("database_awaited", reason=str(error), seconds_left=round(left))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), min(_LOOK_AGAIN_SECONDS, left))


async def _enter(database: Database) -> None:
    try:
        await database.open()
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise BadSettings(
            f"DATABASE_URL: the server does not let us in: {error}. Write postgresql://user:password@host:5432/"
            "name with a user and a database that it knows."
        ) from error


@asynccontextmanager
async def open_keys(settings: Settings) -> AsyncGenerator[KeyService, None]:
    """Open the database for nothing but its keys."""
    async with open_database(settings) as (database, _):
        yield KeyService(KeyRepository(database), None)


@dataclass(frozen=True, slots=True)
class Books:
    """Who may spend, and how much."""

    keys: KeyService
    budgets: BudgetService


@asynccontextmanager
async def open_money(settings: Settings) -> AsyncGenerator[Books, None]:
    """Open the database for its keys and what they may spend."""
    async with open_database(settings) as (database, _):
        yield Books(KeyService(KeyRepository(database), None), BudgetService(BudgetRepository(database)))


@asynccontextmanager
async def open_operating(settings: Settings) -> AsyncGenerator[OperatingService, None]:
    """Open the database for an operator who settles what nothing else can."""
    async with open_database(settings) as (database, _):
        yield OperatingService(AttemptRepository(database), UnsettledRepository(database))


@asynccontextmanager
async def open_recovery(settings: Settings) -> AsyncGenerator[RecoveryService, None]:
    """Open the database for an operator who looks at what it had forgotten."""
    async with open_database(settings) as (database, _):
        yield RecoveryService(RestoreRepository(database))


async def open_installation(database: Database) -> Installation:
    """Return what makes this installation itself, made up at the first call."""
    proposed = Installation(new_id("inst"), secrets.token_bytes(32))
    return await InstallationRepository(database).ensure(proposed)


async def webhook_secret(settings: Settings) -> str:
    """Return the secret that receivers of webhooks verify with."""
    if settings.webhook_secret is not None:
        return written_secret(read_secret(settings.webhook_secret))
    async with open_database(settings) as (database, _):
        return written_secret(webhook_key(await open_installation(database)))


def webhook_key(installation: Installation) -> bytes:
    """Return the key that signs webhooks where no WEBHOOK_SECRET was set: this installation's own."""
    return hmac.digest(installation.link_secret, b"webhooks", hashlib.sha256)


def development_key(settings: Settings) -> str | None:
    """Return a key made up at the first start and kept with the data; production makes none up."""
    if settings.production:
        return None
    path = settings.data / "state" / "api_key"
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8").strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(new_secret())
    return path.read_text(encoding="utf-8").strip()
