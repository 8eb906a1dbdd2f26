"""Listen for NOTIFY on a connection of its own, across lost connections."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import asyncpg
import structlog

from filmgate.domain.errors import DatabaseUnavailable
from filmgate.infrastructure.database import Database

_log = structlog.get_logger(__name__)
_RETRY_SECONDS = 0.5
# A connection may be lost while it begins to listen, too.
_LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Notifications:
    """Call back when a channel is notified, and once after every (re)connect, so that nothing is missed."""

    def __init__(self, database: Database, callbacks: Mapping[str, Callable[[], None]]) -> None:
        self._database = database
        self._callbacks = dict(callbacks)

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except DatabaseUnavailable as error:
                _log.warning("notifications_lost", reason=str(error))
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> None:
        connection = await self._database.connect()
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            for channel, callback in self._callbacks.items():
                await connection.add_listener(channel, _relay(callback))
                callback()
            await lost.wait()
        except _LOST as error:
            raise DatabaseUnavailable(str(error) or type(error).__name__) from error
        finally:
            with suppress(Exception):
                await connection.close(timeout=1)


def _relay(callback: Callable[[], None]) -> Callable[[Any, int, str, object], None]:
    return lambda _connection, _pid, _channel, _payload: callback()
