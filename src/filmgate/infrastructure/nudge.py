"""Wake the workers when something waits, without one NOTIFY for every request."""

import asyncio

import structlog

from filmgate.domain.errors import DatabaseUnavailable
from filmgate.infrastructure.database import Database

_log = structlog.get_logger(__name__)

# NOTIFY takes a lock that serialises commits, so a burst shares one.
_PAUSE_SECONDS = 0.02


class Nudge:
    """Notify a channel soon after being called, once for all calls that come close together.

    A nudge that gets lost costs a second at most: the workers look for themselves that often.
    """

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel
        self._task: asyncio.Task[None] | None = None

    def __call__(self) -> None:
        """Ask for a notification."""
        if self._task is None:
            self._task = asyncio.create_task(self._send())

    async def _send(self) -> None:
        try:
            await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._task = None
        try:
            await self._database.notify([self._channel])
        except DatabaseUnavailable as error:
            _log.warning("nudge_lost", channel=self._channel, reason=str(error))
