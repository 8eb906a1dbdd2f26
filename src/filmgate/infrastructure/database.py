"""Reach PostgreSQL: a small pool, literal SQL only, and errors in our own words."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, LiteralString

import asyncpg

from filmgate.domain.errors import CommitUnknown, DatabaseUnavailable, FilmgateError
from filmgate.infrastructure.pulse import Lent, Pulse, Wait, is_patient

Record = asyncpg.Record

# 16 connections serve more than 64 do: beyond that PostgreSQL only switches between them.
POOL_SIZE = 16
# So long may a request wait for one of them to be free.
_FREE_SECONDS = 3.0
_CONNECT_SECONDS = 10.0
_UNREACHABLE = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What asyncpg says of a connection that ended just as it was handed out.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.QueryCanceledError,
    asyncpg.DiskFullError,
    # Two waited for each other, and this one had to give way: all of it was rolled back.
    asyncpg.DeadlockDetectedError,
)
# Those of them that may hide a commit: whatever else the server says, it says after rolling back.
_CUT_OFF = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


class RowRejected(FilmgateError):
    """PostgreSQL refused a value; nothing of the statement was kept."""


class _Connection(asyncpg.Connection):
    """A connection that is handed back without the reset query, which would double each round trip."""

    def get_reset_query(self) -> str:
        """Return nothing: we never leave session state behind."""
        return ""


@contextmanager
def _our_words() -> Generator[None, None, None]:
    try:
        yield
    except _UNREACHABLE as error:
        raise DatabaseUnavailable(
            f"The database cannot be used now: {str(error) or type(error).__name__}"
        ) from error
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        # Its message alone may quote what was refused, a prompt for instance.
        raise RowRejected(f"{type(error).__name__} {error.constraint_name or ''}".strip()) from None


@contextmanager
def _committing() -> Generator[None, None, None]:
    try:
        yield
    except _CUT_OFF as error:
        raise CommitUnknown(
            f"The database went away in the middle of it: {error or type(error).__name__}"
        ) from error


class Session:
    """Run statements on one connection, usually inside one transaction."""

    def __init__(
        self, connection: "asyncpg.Connection[Record] | asyncpg.pool.PoolConnectionProxy[Record]"
    ) -> None:
        self.connection = connection

    async def fetch(self, sql: LiteralString, *values: Any) -> list[Record]:
        """Return all rows."""
        return await self.connection.fetch(sql, *values)

    async def row(self, sql: LiteralString, *values: Any) -> Record | None:
        """Return the first row, if there is one."""
        return await self.connection.fetchrow(sql, *values)

    async def value(self, sql: LiteralString, *values: Any) -> Any:
        """Return the first column of the first row, if there is one."""
        return await self.connection.fetchval(sql, *values)

    async def execute(self, sql: LiteralString, *values: Any) -> str:
        """Run the statement and return PostgreSQL's command tag."""
        return await self.connection.execute(sql, *values)

    async def script(self, sql: str) -> None:
        """Run a migration: several statements, no values."""
        await self.connection.execute(sql)


class Database:
    """Hand out sessions on one PostgreSQL; every method raises DatabaseUnavailable while it is away.

    What changes something raises CommitUnknown, which is one, where the change may have happened. While the
    server is silent, requests are told within seconds; what runs with ``patience`` waits for a minute.
    """

    def __init__(self, dsn: str, *, size: int = POOL_SIZE, application: str = "filmgate") -> None:
        self.dsn = dsn
        self._size = size
        self._application = application
        self._pool: asyncpg.Pool[Record] | None = None
        self._pulse = Pulse(self._connect)
        self._watch: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the pool; one connection is made at once, so that a wrong address is told at start."""
        with _our_words():
            self._pool = await asyncpg.create_pool(
                self.dsn,
                min_size=1,
                max_size=self._size,
                max_inactive_connection_lifetime=300,
                command_timeout=60,
                timeout=_CONNECT_SECONDS,
                connection_class=_Connection,
                server_settings={
                    "application_name": self._application,
                    "idle_in_transaction_session_timeout": "15s",
                    "jit": "off",
                    "timezone": "UTC",
                },
            )
        self._watch = asyncio.create_task(self._pulse.run(), name="pulse")

    async def close(self) -> None:
        """Close the pool, waiting briefly for work under way."""
        pool, self._pool = self._pool, None
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait([watch])
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), timeout=5)
        except (TimeoutError, *_UNREACHABLE):
            pool.terminate()

    @property
    def pool(self) -> "asyncpg.Pool[Record]":
        """The open pool."""
        if self._pool is None:
            raise DatabaseUnavailable("The database is not open.")
        return self._pool

    async def connect(self) -> "asyncpg.Connection[Record]":
        """Open a connection of its own, outside the pool; the caller closes it."""
        with _our_words():
            return await self._connect(_CONNECT_SECONDS)

    async def _connect(self, seconds: float) -> "asyncpg.Connection[Record]":
        return await asyncpg.connect(
            self.dsn, timeout=seconds, server_settings={"application_name": self._application}
        )

    @asynccontextmanager
    async def _lend(self) -> AsyncGenerator[Lent, None]:
        """Lend a connection of the pool; a request loses it when the server falls silent."""
        if is_patient():
            async with self.pool.acquire() as connection:
                yield connection
            return
        deadline = asyncio.timeout(_FREE_SECONDS)
        wait = Wait(deadline)
        with self._pulse.watching(wait):
            async with deadline:
                connection = wait.connection = await self.pool.acquire()
            try:
                yield connection
            finally:
                await self.pool.release(connection)

    @asynccontextmanager
    async def session(self) -> AsyncGenerator[Session, None]:
        """Lend a connection; each statement commits by itself."""
        with _our_words():
            async with self._lend() as connection:
                yield Session(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Session, None]:
        """Lend a connection inside a transaction that commits at the end, or rolls back on an error."""
        with _our_words():
            async with self._lend() as connection:
                transaction = connection.transaction()
                await transaction.start()
                try:
                    yield Session(connection)
                except BaseException:
                    await transaction.rollback()
                    raise
                with _committing():
                    await transaction.commit()

    async def fetch(self, sql: LiteralString, *values: Any) -> list[Record]:
        """Return all rows."""
        with _our_words():
            async with self._lend() as connection:
                return await connection.fetch(sql, *values)

    async def row(self, sql: LiteralString, *values: Any) -> Record | None:
        """Return the first row, if there is one."""
        with _our_words():
            async with self._lend() as connection:
                return await connection.fetchrow(sql, *values)

    async def value(self, sql: LiteralString, *values: Any) -> Any:
        """Return the first column of the first row, if there is one."""
        with _our_words():
            async with self._lend() as connection:
                return await connection.fetchval(sql, *values)

    async def execute(self, sql: LiteralString, *values: Any) -> str:
        """Run the statement and return PostgreSQL's command tag."""
        with _our_words():
            async with self._lend() as connection:
                with _committing():
                    return await connection.execute(sql, *values)

    async def notify(self, channels: Sequence[str]) -> None:
        """Wake every listener on these channels."""
        await self.execute("SELECT pg_notify(channel, '') FROM unnest($1::text[]) AS channel", list(channels))


def storable(text: str) -> str:
    """Return the text with what PostgreSQL keeps in no text replaced: NUL, and halves of characters."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def changed(tag: str) -> int:
    """Return how many rows a command tag such as ``UPDATE 3`` speaks of."""
    return int(tag.rsplit(" ", 1)[-1])
