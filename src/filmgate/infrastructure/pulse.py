"""Notice that a database has fallen silent, and let no request wait for it.

A server that is frozen, or behind a network that swallows everything, refuses nothing: whoever asks it waits.
So while requests wait for longer than usual, the server is asked whether it is there. As long as it is, slow
statements may take their time; once it is not, all requests are cut off, and new ones are told at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from time import monotonic
from typing import TypeAlias

import asyncpg
import structlog

from filmgate.domain.errors import DatabaseSilent

_log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.25
# A request that has waited for so long makes us ask, and so long may the answer take.
_USUAL_SECONDS = 1.0
_ANSWER_SECONDS = 1.0
# It is asked once more on a fresh connection, with more patience: a machine may be busy, not silent.
_FRESH_SECONDS = 2.0

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Lent: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

_patient: ContextVar[bool] = ContextVar("patient", default=False)


@contextmanager
def patience() -> Generator[None, None, None]:
    """Let what is done here, and in tasks that begin here, wait for a silent database."""
    token = _patient.set(True)
    try:
        yield
    finally:
        _patient.reset(token)


def is_patient() -> bool:
    """Tell whether this task may wait for a silent database."""
    return _patient.get()


class Wait:
    """One request that waits: first for a connection, then for answers on it."""

    __slots__ = ("connection", "deadline", "since")

    def __init__(self, deadline: asyncio.Timeout) -> None:
        self.since = monotonic()
        self.deadline = deadline
        self.connection: Lent | None = None

    def cut(self) -> None:
        """Let it wait no longer."""
        if self.connection is None:
            if not self.deadline.expired():
                self.deadline.reschedule(asyncio.get_running_loop().time())
            return
        # It may have been handed back just now.
        with suppress(asyncpg.InterfaceError):
            self.connection.terminate()


class Pulse:
    """Watch over the requests that wait for one database."""

    def __init__(self, connect: Callable[[float], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._waits: set[Wait] = set()
        self._silent = False

    @contextmanager
    def watching(self, wait: Wait) -> Generator[None, None, None]:
        """Watch over one request; raise DatabaseSilent where it need not even begin to wait."""
        if self._silent:
            raise DatabaseSilent("The database does not answer at the moment.")
        self._waits.add(wait)
        try:
            yield
        finally:
            self._waits.discard(wait)

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                await asyncio.sleep(_TICK_SECONDS)
                if self._silent or self._is_overdue():
                    await self._ask()
        finally:
            self._hang_up()

    def _is_overdue(self) -> bool:
        latest = monotonic() - _USUAL_SECONDS
        return any(wait.since < latest for wait in self._waits)

    async def _ask(self) -> None:
        answered = await self._answers()
        if answered and self._silent:
            _log.info("database_answers_again")
        elif not answered and not self._silent:
            _log.error("database_silent", cut_off=len(self._waits))
        self._silent = not answered
        if self._silent:
            for wait in tuple(self._waits):
                wait.cut()

    async def _answers(self) -> bool:
        """Tell whether the server says anything, were it only that it is starting or full."""
        if self._connection is not None and await self._answers_on(self._connection):
            return True
        self._hang_up()
        try:
            # To let us in, it has to answer.
            self._connection = await self._connect(_FRESH_SECONDS)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            return True
        return True

    async def _answers_on(self, connection: Connection) -> bool:
        # Not by a timeout of the driver's, which would ask the same server to break off the question.
        timer = asyncio.get_running_loop().call_later(_ANSWER_SECONDS, connection.terminate)
        try:
            await connection.fetchval("SELECT 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            return False
        finally:
            timer.cancel()
        return True

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
