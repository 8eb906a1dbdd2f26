"""Commit what is harmless when repeated, across a database that comes and goes."""

import asyncio
from collections.abc import Awaitable, Callable

from filmgate.domain.errors import DatabaseUnavailable

_TRIES = 4
_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 2.0


async def commit_surely(commit: Callable[[], Awaitable[None]]) -> None:
    """Repeat a commit until the database has answered; the last failure is raised.

    Only for commits that bear being done twice: an answer that was lost may hide one that happened.
    """
    for number in range(1, _TRIES):
        try:
            return await commit()
        except DatabaseUnavailable:
            await asyncio.sleep(_PAUSE_SECONDS * number)
    return await commit()


async def commit_at_last(commit: Callable[[], Awaitable[None]]) -> None:
    """Repeat a commit for as long as the database is away: what it says is written down nowhere else."""
    pause = _PAUSE_SECONDS
    while True:
        try:
            return await commit()
        except DatabaseUnavailable:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
